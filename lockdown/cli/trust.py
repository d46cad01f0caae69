"""lockdown trust: make, change and show the trust root that verifiers are given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lockdown.cli import output, visible
from lockdown.errors import UsageError

if TYPE_CHECKING:
    from lockdown.evidence.keys import Signer
    from lockdown.evidence.root_file import RootFile
    from lockdown.evidence.trust import TrustRoot, Tsa

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_file = click.argument("file", metavar="FILE", type=_FILE)
_root_key = click.option(
    "--root-key",
    "root_keys",
    multiple=True,
    required=True,
    metavar="URI",
    help="A key that signs trust roots, such as file:root/private.pem; may be given again.",
)
_out = click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="Write here. Default: in place of FILE."
)


def _moment(_ctx: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a time such as 2026-01-02T03:04:05Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_not_before = click.option(
    "--not-before", callback=_moment, metavar="TIME", help="When the key begins to count.  [default: now]"
)


def _terms(command: Command) -> Command:
    """Add the options that say what a trust root allows."""
    for option in reversed(
        (
            click.option("--days", type=click.IntRange(1, 3650), help="How long it is good.  [default: 365]"),
            click.option(
                "--allow-source",
                "sources",
                multiple=True,
                type=click.Choice(["live", "file", "sandbox"]),
                help="What may stand behind a run; may be given again.  [default: live]",
            ),
            click.option(
                "--allow-host",
                "hosts",
                multiple=True,
                metavar="HOST",
                help="A Resource Manager or authority that a run may ask.  [default: those of Microsoft's clouds]",
            ),
            click.option(
                "--tsa-root",
                "tsa_roots",
                multiple=True,
                type=_FILE,
                help="The certificate that a time-stamping authority's chain ends in, PEM; may be given again.",
            ),
            click.option("--tsa-certificate", type=_FILE, help="The authority's own certificate, PEM."),
            click.option(
                "--tsa-subject", metavar="NAME", help="The name in its certificate, such as CN=Time,O=Example."
            ),
            click.option(
                "--signatures",
                type=click.IntRange(1, 32),
                help="How many of the keys must sign what is handed over (lockdown countersign).  [default: 1]",
            ),
            click.option("--max-age-hours", type=click.IntRange(1), help="How old a run may be when it is verified."),
        )
    ):
        command = option(command)
    return command


@click.group("trust")
def command() -> None:
    """Say whose signatures count.

    A trust root lists the keys that sign runs, and is itself signed by other keys. Hand it to verifiers by another way
    than runs, and have them compare its fingerprint.
    """


@command.command("init")
@_root_key
@click.option("--threshold", type=click.IntRange(1), default=1, show_default=True, help="How many root keys must sign.")
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    required=True,
    type=_FILE,
    help="The public key of who signs runs, PEM; may be given again.",
)
@_not_before
@_terms
@click.option("--lab", is_flag=True, help="For a laboratory: what it vouches for is not evidence.")
@click.option("--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The file to make.")
@output.json_option("the file's name")
def init(
    root_keys: tuple[str, ...],
    threshold: int,
    public_keys: tuple[Path, ...],
    not_before: datetime | None,
    *,
    lab: bool,
    out: Path,
    as_json: bool,
    **terms: Any,  # noqa: ANN401
) -> None:
    """Make version 1 of a trust root."""
    from lockdown.evidence import root_edit, trust

    if out.exists():
        raise UsageError(f"{out} exists already; a trust root is never written over.", "Name another file with --out.")
    signers, now = _signers(root_keys), datetime.now(UTC)
    trusted = [root_edit.trusted_key(_text(path), not_before=not_before or now) for path in public_keys]
    first = trust.new_root(trusted[0].pem, lab=lab, now=now).model_copy(
        update={"keys": tuple(trusted), "root": root_edit.root_keys(signers, threshold), **_changes(terms, now)}
    )
    _write(out, root_edit.checked(first), signers, None, as_json=as_json)


@command.command("add-key")
@_file
@click.option("--public-key", required=True, type=_FILE, help="The public key to trust, PEM.")
@_not_before
@click.option("--not-after", callback=_moment, metavar="TIME", help="When it ends to count.  [default: a year later]")
@click.option("--accepts", is_flag=True, help="It may accept drift: a person's key, not that of the nightly job.")
@click.option(
    "--custody-only",
    is_flag=True,
    help="It signs that a run was received (lockdown custody), and nothing else: an assessor's key.",
)
@_root_key
@_out
@output.json_option("the file's name")
def add_key(
    file: Path,
    public_key: Path,
    not_before: datetime | None,
    not_after: datetime | None,
    *,
    accepts: bool,
    custody_only: bool,
    root_keys: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Make the next version, which trusts one more key."""
    from lockdown.evidence import root_edit

    found, signers = _opened(file), _signers(root_keys)
    begins = not_before or datetime.now(UTC)
    if accepts and custody_only:
        raise click.UsageError("A key that signs hand-overs only cannot accept drift: give one of the two.")
    added = root_edit.trusted_key(
        _text(public_key), not_before=begins, not_after=not_after, accepts=accepts, custody_only=custody_only
    )
    _write(out or file, root_edit.with_key(found.root, added), signers, found, as_json=as_json)


@command.command("revoke")
@_file
@click.argument("key_id", metavar="KEYID")
@click.option("--reason", required=True, help="Why, for whoever reads the trust root.")
@click.option("--at", callback=_moment, metavar="TIME", help="Since when it counts no more.  [default: now]")
@_root_key
@_out
@output.json_option("the file's name")
def revoke(
    file: Path,
    key_id: str,
    reason: str,
    at: datetime | None,
    root_keys: tuple[str, ...],
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Make the next version, in which the key KEYID (or what begins with it) is revoked.

    Signatures that a trusted timestamp proves to be older stay good; all others of that key count no more.
    """
    from lockdown.evidence import root_edit

    found, signers = _opened(file), _signers(root_keys)
    _write(
        out or file,
        root_edit.without_key(found.root, key_id, at=at or datetime.now(UTC), reason=reason),
        signers,
        found,
        as_json=as_json,
    )


@command.command("rotate")
@_file
@_root_key
@click.option(
    "--new-root-key",
    "new_root_keys",
    multiple=True,
    metavar="URI",
    help="The root keys from now on; may be given again.  [default: as they are]",
)
@click.option("--threshold", type=click.IntRange(1), help="How many root keys must sign from now on.")
@_terms
@_out
@output.json_option("the file's name")
def rotate(
    file: Path,
    root_keys: tuple[str, ...],
    new_root_keys: tuple[str, ...],
    threshold: int | None,
    out: Path | None,
    *,
    as_json: bool,
    **terms: Any,  # noqa: ANN401
) -> None:
    """Make the next version: a later end, other root keys, other terms.

    It is signed by the root keys of the old version and by those of the new one, so that whoever trusts the old one
    can go on to the new one.
    """
    from lockdown.evidence import root_edit

    found, now = _opened(file), datetime.now(UTC)
    old, new = _signers(root_keys), _signers(new_root_keys)
    terms["days"] = terms["days"] or 365
    changes = _changes(terms, now)
    if found.root.root is not None:
        wanted = threshold or found.root.root.threshold
        kept = found.root.root.model_copy(update={"threshold": wanted})
        changes["root"] = root_edit.root_keys(new, wanted) if new else kept
    _write(out or file, root_edit.next_version(found.root, **changes), (*old, *new), found, as_json=as_json)


@command.command("sign")
@_file
@_root_key
@_out
@output.json_option("the file's name")
def sign(file: Path, root_keys: tuple[str, ...], out: Path | None, *, as_json: bool) -> None:
    """Add a signature, where more than one person must sign."""
    from lockdown.evidence import root_file
    from lockdown.evidence.files import write_whole

    found, signers = root_file.read(file), _signers(root_keys)
    data = root_file.signed_too(found, signers)
    write_whole(out or file, data)
    _tell(root_file.parse(data, name=str(file)), out or file, as_json=as_json)


@command.command("show")
@_file
@output.json_option()
def show(file: Path, *, as_json: bool) -> None:
    """Show a trust root, its fingerprint and who signed it."""
    from lockdown.evidence import root_file, trust

    found = root_file.read(file)
    found.check()
    if as_json:
        signers = sorted(found.root.root.signers(found.envelope)) if found.root.root and found.envelope else []
        document = {"fingerprint": found.fingerprint, "signedBy": signers, "trustRoot": trust.plain(found.root)}
        click.echo(json.dumps(document, indent=2))
        return
    for line in _shown(found):
        click.echo(visible(line).replace("\n", "\\n"))


def _shown(found: RootFile) -> Iterator[str]:
    root = found.root
    yield f"fingerprint  {found.fingerprint}"
    yield f"version      {root.version}{', for a LABORATORY' if root.lab else ''}"
    yield f"good until   {root.expires}"
    yield f"sources      {', '.join(root.sources)}"
    yield f"hosts        {', '.join(root.hosts)}"
    if root.threshold > 1:
        yield f"signatures   by {root.threshold} keys, on what is handed over"
    if root.max_age_hours:
        yield f"oldest run   {root.max_age_hours} hours"
    for tsa in root.tsa:
        yield f"timestamps   by {tsa.subject or 'one certificate'}, certified by {len(tsa.roots)} root(s)"
    for key in root.keys:
        state = (
            f"REVOKED at {key.revoked_at}: {key.reason}" if key.revoked_at else f"{key.not_before} to {key.not_after}"
        )
        what, more = "receives" if key.custody_only else "signs runs", ", may accept drift" if key.accepts else ""
        yield f"{what:<12} {key.keyid}  {state}{more}"
    if root.root is None or found.envelope is None:
        yield "signed by    nobody"
        return
    signed = root.root.signers(found.envelope)
    for each in root.root.keys:
        yield f"signs this   {each.keyid}  {'signed' if each.keyid in signed else 'did not sign'}"
    yield f"needed       {root.root.threshold} of {len(root.root.keys)}"


def _opened(file: Path) -> RootFile:
    from lockdown.evidence import root_file

    found = root_file.read(file)
    found.check()
    if found.envelope is None:
        raise UsageError(f"{file} is a laboratory's, which is not signed.", "lockdown trust init makes one that is.")
    return found


def _signers(uris: tuple[str, ...]) -> tuple[Signer, ...]:
    from lockdown.evidence import keys

    return tuple(keys.load_signer(uri) for uri in uris)


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a PEM file.", "Give the public key, as public.pem.") from error


def _changes(terms: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return the fields of a trust root that the options of ``_terms`` ask for."""
    from lockdown.evidence.times import stamp
    from lockdown.model import Source

    found: dict[str, Any] = {}
    if terms["days"]:
        found["expires"] = stamp(now + timedelta(days=terms["days"]))
    if terms["sources"]:
        found["sources"] = tuple(Source(source) for source in terms["sources"])
    if terms["hosts"]:
        found["hosts"] = tuple(terms["hosts"])
    if terms["signatures"]:
        found["threshold"] = terms["signatures"]
    if terms["max_age_hours"]:
        found["max_age_hours"] = terms["max_age_hours"]
    if terms["tsa_roots"] or terms["tsa_certificate"] or terms["tsa_subject"]:
        found["tsa"] = (_tsa(terms["tsa_roots"], terms["tsa_certificate"], terms["tsa_subject"]),)
    return found


def _tsa(roots: tuple[Path, ...], certificate: Path | None, subject: str | None) -> Tsa:
    from pydantic import ValidationError

    from lockdown.evidence.trust import Tsa

    try:
        return Tsa(
            roots=tuple(_text(path) for path in roots),
            certificate=_text(certificate) if certificate else None,
            subject=subject,
        )
    except ValidationError as error:
        raise UsageError(
            f"The time-stamping authority: {error.errors()[0]['msg']}.",
            "Give --tsa-root, and --tsa-certificate or --tsa-subject.",
        ) from error


def _write(out: Path, root: TrustRoot, signers: tuple[Signer, ...], before: RootFile | None, *, as_json: bool) -> None:
    from lockdown.evidence import root_file
    from lockdown.evidence.files import write_whole

    may = {key.keyid for each in (root.root, before.root.root if before else None) if each for key in each.keys}
    for signer in signers:
        if signer.key_id not in may:
            raise UsageError(
                f"The key {signer.key_id} does not sign this trust root.", "lockdown trust show lists them."
            )
    data = root_file.signed(root, signers)
    made = root_file.parse(data, name=str(out))
    if before is not None and made.missing(before.root.root):
        click.echo(
            f"It lacks {made.missing(before.root.root)} signatures by root keys of version {before.root.version}: "
            "lockdown trust sign adds one.",
            err=True,
        )
    write_whole(out, data)
    _tell(made, out, as_json=as_json)


def _tell(made: RootFile, out: Path, *, as_json: bool) -> None:
    missing = made.missing(made.root.root)
    if missing:
        click.echo(f"It lacks {missing} signatures by its own root keys: lockdown trust sign adds one.", err=True)
    if as_json:
        told = {"file": str(out), "fingerprint": made.fingerprint, "version": made.root.version}
        output.write({**told, "signaturesMissing": missing})
        return
    click.echo(f"Version {made.root.version}, fingerprint {made.fingerprint}", err=True)
    click.echo(out)
