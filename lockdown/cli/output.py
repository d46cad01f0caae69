"""What commands print: one JSON object for a program, painted lines for a person."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

import click

NEXT = "Next:"
Command = TypeVar("Command", bound=Callable[..., Any])

# Those of the eight colours that can be read on a light and on a dark ground; yellow and bright ones cannot. What is
# painted says the same without colour.
_ROLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "doubt": {"fg": "magenta", "bold": True},
    "quiet": {"dim": True},
    "strong": {"bold": True},
}


def json_option(instead: str = "the text") -> Callable[[Command], Command]:
    """Return the option ``--json``, which arrives as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help=f"One JSON object on stdout instead of {instead}.")


def write(value: object) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(value, sort_keys=True))


def painted(text: str, role: str) -> str:
    """Return text in the colour of a role, unless the environment wants none (NO_COLOR, or a dumb terminal).

    ``click.echo`` takes colours out again where it does not write to a terminal.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return click.style(text, **_ROLES[role])


def next_step(text: str) -> None:
    """Tell a person on stderr what to do next."""
    told = f"{NEXT} {text}"
    lines = textwrap.wrap(told, shutil.get_terminal_size().columns) if sys.stderr.isatty() else [told]
    click.echo("\n".join(lines).replace(NEXT, painted(NEXT, "strong"), 1), err=True)
