"""Commands that a person may paste into a shell, with hostile resource names in them.

Each value stays one argument of the command that the policy wrote, in any POSIX shell (bash, zsh, dash, Azure Cloud
Shell). What cannot be made inert is refused: a missing command costs a minute, a hostile one costs the environment.
"""

from __future__ import annotations

import re

from lockdown.report.place import place
from lockdown.report.visible import hidden

_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)\}")
_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/-]*", re.ASCII)


class CommandRefusedError(ValueError):
    """No command can be offered; the message says why, for a person."""


def command(template: str, resource_id: str) -> str:
    """Return ``template`` with the values of one resource filled in, quoted.

    Placeholders: ``{resource}``, ``{name}``, ``{resourceGroup}`` and ``{subscription}``.

    Raises:
        CommandRefusedError: the id lacks a value that the template needs, a value holds characters that a terminal
            acts on or a reader cannot see, az would read a value as an option or a file, or the template is unfit.
    """
    where = place(resource_id)
    values = {
        "resource": resource_id,
        "name": where.name,
        "resourceGroup": where.group,
        "subscription": where.subscription,
    }
    if hidden(template):
        raise CommandRefusedError("the policy's command holds characters that cannot be seen")
    filled, end = "", 0
    for found in _PLACEHOLDER.finditer(template):
        before = template[end : found.start()]
        if _quoted(template[: found.start()]):
            raise CommandRefusedError(f"the policy's command has {found[0]} inside quotes")
        filled += before + _argument(found[1], values)
        end = found.end()
    return filled + template[end:]


def _argument(placeholder: str, values: dict[str, str]) -> str:
    if placeholder not in values:
        raise CommandRefusedError(f"the policy's command has the unknown placeholder {{{placeholder}}}")
    value = values[placeholder]
    if not value:
        raise CommandRefusedError(f"the resource id has no {placeholder}")
    if hidden(value):
        raise CommandRefusedError("the resource id holds control characters or characters that cannot be seen")
    if value.startswith(("-", "@")):
        raise CommandRefusedError(f"the {placeholder} begins with {value[0]}, which az reads as an option or a file")
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "'\"'\"'") + "'"


def _quoted(before: str) -> bool:
    """Say whether a shell that has read ``before`` is inside quotes or just after a backslash."""
    quote, escaped = "", False
    for character in before:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote) or escaped
