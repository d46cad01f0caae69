"""lockdown completion: what makes a shell complete the command line."""

from __future__ import annotations

from pathlib import Path

import click

from lockdown.cli import output

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_LOCKDOWN_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@output.json_option("the lines themselves")
def command(shell: str, *, as_json: bool) -> None:
    """Print the lines that make SHELL complete commands, options, values, files and names of policies.

    \b
    bash  echo 'source <(lockdown completion bash)' >> ~/.bashrc
    zsh   echo 'source <(lockdown completion zsh)' >> ~/.zshrc    (after compinit)
    fish  lockdown completion fish > ~/.config/fish/completions/lockdown.fish
    """  # noqa: D301 - click reads the character that \b is
    from click.shell_completion import get_completion_class

    from lockdown.cli import cli

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - the choices are click's own
    source = found(cli, {}, "lockdown", _VARIABLE).source()
    if as_json:
        output.write({"lines": source, "shell": shell})
    else:
        click.echo(source)


def policy_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of policies that ship and begin so: folders, of which none is opened."""
    from lockdown import data

    folder = Path(str(data.tree("policies")))
    return sorted(
        path.parent.name for path in folder.glob("*/*/policy.yaml") if path.parent.name.startswith(incomplete)
    )
