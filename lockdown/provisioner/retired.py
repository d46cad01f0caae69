"""What cannot be provisioned any more, told to a person who asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lockdown import yamlfile
from lockdown.errors import UsageError

_KEYS = ("variant", "coaVersion", "cromwellOnAzureVersion", "cromwellVersion")
_WORDS = frozenset({"vm", "virtual-machine", "cosmos", "cosmosdb", "docker-compose"})
_OLD = re.compile(r"v?[0-3](\.\d+)*(\.x)?")


def refuse(path: Path) -> None:
    """Refuse a wish for the variant of Cromwell on Azure before 4.0, which ran on one machine.

    Raises:
        UsageError: the file has such a wish, or is no YAML; the message names file, line, key and why.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return  # whoever loads the file says so
    value, lines = yamlfile.parse(str(path), data)
    for key in _KEYS if isinstance(value, Mapping) else ():
        wanted = str(value.get(key, "")).strip().lower()
        if wanted in _WORDS or _OLD.fullmatch(wanted):
            raise UsageError(
                f"{path}, line {lines.get((key,), 1)}: {key}: Cromwell on Azure before 4.0, on one virtual machine, is "
                "audited and not provisioned. Its Batch pools without public addresses were retired in March 2023, its "
                "machine needs a system that gets no updates, and it keeps its secrets in files on that machine: it "
                "could only be built with public addresses.",
                "Leave the key out: what is built runs on AKS. lockdown audit judges an old environment.",
            )
