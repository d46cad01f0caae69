"""The command line. Each command is a file of its own, imported when it is called, so that help is fast."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from importlib import import_module
from types import FrameType

import click
from click.shell_completion import CompletionItem

from lockdown import __version__
from lockdown.errors import Exit, LockdownError

COMMANDS = {
    "audit": "Judge every resource in scope and write a signed report.",
    "bundle": "Make one file of a sealed run, to hand over.",
    "completion": "Make a shell complete the command line.",
    "convert": "Write the results of a run as CSV, SARIF, JUnit, OCSF or OSCAL.",
    "countersign": "Add another person's signature to a sealed run.",
    "custody": "Sign that you received a sealed run, and show who had it.",
    "demo": "Watch the whole story on a local Azure: two audits, drift, evidence, tampering.",
    "drift": "Say what changed since an approved run, who did it and when.",
    "history": "Show the runs that were made, those that are missing, and how controls fared.",
    "keys": "Make keys for laboratories, and show the public half of any signing key.",
    "notify": "Tell people and services about a run: webhooks, job summaries, issues.",
    "policies": "List, show, test and lint what must hold.",
    "provision": "Build a private Cromwell on Azure, closed from the first request on.",
    "sandbox": "Run a local Azure to try everything against.",
    "sign": "Sign a run that another machine made, after judging it again.",
    "trust": "Say whose signatures count: make, change and show a trust root.",
    "verify": "Check the evidence of a run, without Azure and without trust in us.",
    "waivers": "Write waiver entries for the failures of a run.",
}


_OBJECTS = 1_000_000
"""So many new objects bring on a search for cycles. Pages and syntax trees are large and have none: at Python's 700, a
third of the time of a translation goes into searching."""


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt it is no Exception, so that clean-up code sees it and nothing eats it."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"lockdown.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name, help=told) for name, told in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lockdown")
def cli() -> None:
    """Audit, prove and build private Cromwell-on-Azure environments."""


def main() -> None:
    """Run the command line and exit with a code of :class:`lockdown.errors.Exit`."""
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(_OBJECTS)
    logging.getLogger("azure").addHandler(logging.NullHandler())  # what went wrong is told once, by us
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; what went wrong is told on stderr."""
    try:
        result = cli.main(arguments, prog_name="lockdown", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except (Exception, KeyboardInterrupt, Terminated) as error:
        if os.environ.get("LOCKDOWN_DEBUG"):
            raise
        text, code = explain(error)
        click.echo(visible(text), err=True)
        return code
    return result if isinstance(result, int) else Exit.OK


def explain(error: BaseException) -> tuple[str, Exit]:
    """Return what to tell a person about an error, and the exit code it gets."""
    if isinstance(error, (KeyboardInterrupt, click.exceptions.Abort)):
        return "Interrupted.", Exit.INTERRUPTED
    if isinstance(error, Terminated):
        return "Terminated.", Exit.TERMINATED
    if isinstance(error, LockdownError):
        return "\n".join(filter(None, (f"Error: {error.message}", error.next_step))), error.exit_code
    told = f"Error: lockdown itself failed: {type(error).__name__}: {error}"
    return f"{told}\nSet LOCKDOWN_DEBUG=1 to see where, and report it.", Exit.FAILED


def visible(text: str) -> str:
    """Return text for a terminal: what could move its cursor or its reader's eye is shown as an escape."""
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
