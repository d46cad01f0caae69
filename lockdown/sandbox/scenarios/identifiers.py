"""Ids that are the same in every run: nothing here is random, nothing reads a clock."""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6c1d3c52-3f8a-5b0e-9a53-0d6f0b0a7d41")


def guid(*words: str) -> str:
    """Return the GUID that stands for these words."""
    return str(uuid5(_NAMESPACE, "/".join(words)))


def digits(*words: str, length: int = 8) -> str:
    """Return ``length`` hexadecimal digits that stand for these words, as generated resource names end with."""
    return guid(*words).replace("-", "")[:length]
