"""Audit, prove and build private Cromwell-on-Azure environments."""

__version__ = "0.1.0"
