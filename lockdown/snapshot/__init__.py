"""What was seen: tables on disk with digests, and the engine that runs KQL over them."""
