"""Commands that a person may paste into PowerShell, with hostile resource names in them.

On Windows ``az`` is a batch file: PowerShell parses a line, and cmd.exe parses what comes of it once more. No quoting
holds against both, so only characters that mean nothing to either are let through, and every other name is refused.
"""

from __future__ import annotations

import re

from lockdown.report.place import place
from lockdown.report.shell import CommandRefusedError

_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)\}")
_TEMPLATE = re.compile(r"[A-Za-z0-9 ._/:=+-]*", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/-]*", re.ASCII)
_SPACED = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/ -]*", re.ASCII)


def command(template: str, resource_id: str) -> str:
    """Return ``template`` with the values of one resource filled in, as :func:`lockdown.report.shell.command` does.

    Raises:
        CommandRefusedError: the template or a value holds a character that PowerShell or cmd.exe could act on.
    """
    where = place(resource_id)
    values = {
        "resource": resource_id,
        "name": where.name,
        "resourceGroup": where.group,
        "subscription": where.subscription,
    }
    if not _TEMPLATE.fullmatch(_PLACEHOLDER.sub("", template)):
        raise CommandRefusedError("the policy's command is written for another shell")
    return _PLACEHOLDER.sub(lambda found: _argument(values.get(found[1], "")), template)


def _argument(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _SPACED.fullmatch(value) and not value.endswith(" "):
        return f"'{value}'"
    raise CommandRefusedError("the resource id holds characters that PowerShell or cmd.exe could act on")
