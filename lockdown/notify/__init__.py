"""Who must hear of a run, and how: webhooks, job summaries, annotations, issues. One encoder for each sink."""
