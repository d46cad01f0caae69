"""Builders of ARM documents, as the providers return them. One module per family of services; no state, no clock."""
