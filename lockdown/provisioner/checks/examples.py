"""What a file still has of the example that it was copied from: it works, and does not do what a person wants."""

from __future__ import annotations

from collections.abc import Iterator

from lockdown.provisioner.checks import Case, Finding

GROUP = "5a1d0c62-8f5e-4b7a-9a55-0c7f1f3c2b10"
"""The administrator group of the environments that ship: nobody's."""

_RESERVED = (".example", "example.com", "example.org", "example.net", ".test", ".invalid")
"""RFC 2606: nobody reads mail there."""


def examples(case: Case) -> Iterator[Finding]:
    """Yield a warning for each value that is nobody's."""
    wanted = case.site.environment
    for key, mail in (("owner", wanted.owner), ("monitoring.contact", wanted.monitoring.contact)):
        if mail.lower().endswith(_RESERVED):
            yield Finding("examples", f"{key}: nobody reads mail to {mail}.", "Name somebody who answers.", stops=False)
    if wanted.database.administrator_group == GROUP:
        yield Finding(
            "examples",
            "database.administratorGroup is the example's: no such group administers the database.",
            "az ad group show --group NAME --query id",
            stops=False,
        )
