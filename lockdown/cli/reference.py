"""docs/reference.md, made of the commands themselves: ``python -m lockdown.cli.reference > docs/reference.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from lockdown.cli import cli
from lockdown.errors import Exit

_HEAD = """\
# Reference

Every command with its options, made of the commands themselves by `make reference`. `lockdown COMMAND --help` says the
same.

What a command is asked for goes to stdout, everything that is for a person to stderr. `--json` makes stdout one JSON
object ([terminal.md](terminal.md)). Exit codes are the same everywhere ([exit-codes.md](exit-codes.md)).
"""


def render() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_index(cli, "lockdown"), "", *_commands(cli, "lockdown")]).rstrip() + "\n"


def leaves(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its whole name."""
    if not isinstance(group, click.Group):
        yield name, group
        return
    context = click.Context(group, info_name=name)
    for child in group.list_commands(context):
        found = group.get_command(context, child)
        if found is not None and not found.hidden:
            yield from leaves(found, f"{name} {child}")


def _index(group: click.Command, name: str) -> Iterator[str]:
    yield "| command | |"
    yield "|---|---|"
    for whole, found in leaves(group, name):
        yield f"| [`{whole}`](#{whole.replace(' ', '-')}) | {_cell(found.get_short_help_str(200))} |"


def _commands(group: click.Command, name: str) -> Iterator[str]:
    for whole, found in leaves(group, name):
        context = click.Context(found, info_name=whole)
        yield f"## {whole}"
        yield ""
        yield "```"
        yield " ".join([whole, *found.collect_usage_pieces(context)])
        yield "```"
        yield ""
        yield from _text(found.help or "")
        yield from _options(found, context)


def _text(help_text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield "```"
            yield paragraph.removeprefix("\b\n")
            yield "```"
        else:
            yield " ".join(paragraph.split())
        yield ""


def _options(found: click.Command, context: click.Context) -> Iterator[str]:
    rows = [record for option in found.get_params(context) if (record := _row(option, context))]
    if rows:
        yield "| option | |"
        yield "|---|---|"
        yield from rows
        yield ""


def _row(option: click.Parameter, context: click.Context) -> str:
    record = option.get_help_record(context)
    if record is None or isinstance(option, click.Argument) or "--help" in option.opts:
        return ""
    name = record[0].replace("|", "\\|")
    return f"| `{name}` | {_cell(record[1])} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(render())
    sys.exit(Exit.OK)
