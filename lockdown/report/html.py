"""report/report.html: one self-contained page for the person who must decide.

It needs no network, no sibling file and no script. Every finding on it is in results.json.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from lockdown import data, strict, topology
from lockdown.errors import TamperedError
from lockdown.model import Severity
from lockdown.record import Record
from lockdown.report import controls, drift_view, packed, paths, trend, view, words
from lockdown.report import map as map_
from lockdown.report.packed import PublicKey
from lockdown.report.place import place
from lockdown.report.shell import CommandRefusedError, command
from lockdown.report.standing import standings
from lockdown.report.view import Group, Survey
from lockdown.report.visible import pieces, prose, visible

ROWS = 5_000
"""How many rows that need a person stand on the page itself; with a script, the page holds all others packed."""
RESOURCES = 50
"""How many resources stand under By resource."""
MANY = 12
"""From how many results on a page has a script, and from how many failing policies on a list of them."""
_FIRST = 3
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True)
class Fix:
    """One of the first things to fix: a failing resource, and how many others the same policy fails."""

    group: Group
    row: view.Row
    others: int


def render(record: Record, *, envelope: bytes | None, key_id: str | None, public_key: PublicKey | None = None) -> bytes:
    """Return the report of ``record`` as one HTML file.

    Args:
        record: what was found.
        envelope: the DSSE envelope over the run, or None for an unsigned run.
        key_id: SHA-256 fingerprint (hex) of the key that signed ``envelope``, or None for an unsigned run.
        public_key: that key; with it, a page with a script checks in the browser what it shows.

    Raises:
        TamperedError: the record states counts that its results do not have, or the envelope cannot be read.
    """
    pieces_ = stream(record, envelope=envelope, key_id=key_id, public_key=public_key)
    return "".join(pieces_).encode("utf-8")


def stream(
    record: Record, *, envelope: bytes | None, key_id: str | None, public_key: PublicKey | None = None
) -> Iterator[str]:
    """Yield the report in pieces; raises as ``render`` does, before the first piece."""
    if (envelope is None) != (key_id is None):
        raise ValueError("an envelope and the key that signed it belong together")
    found = view.survey(record, limit=ROWS, everything_up_to=MANY - 1)
    digest = _payload_digest(envelope) if envelope is not None else ""
    chart = environment_map(record)
    total = sum(found.tally.values())
    held = packed.record(record) if total >= MANY else Markup("")
    nights = trend.nights(record)
    drawn = trend.draw(nights)
    private = _paths(record)
    holders = view.by_resource(found) if len({row["policy"] for row in found.rows["fail"]}) > 1 else []
    used = {"many.css": held, "map.css": chart, "paths.css": private["paths"], "trend.css": drawn}
    sheets = [name for name, needed in used.items() if needed]
    signed = packed.signed(envelope, public_key) if held and envelope and public_key else Markup("")
    return (
        _environment(record)
        .get_template("report.html.j2")
        .generate(
            run=record.run,
            policies=record.policies,
            found=found,
            by_control=controls.frameworks(record),
            groups={kind: view.groups(record, found, kind) for kind in view.KINDS},
            fixes=first_fixes(record, found),
            holders=holders[:RESOURCES],
            more_holders=max(0, len(holders) - RESOURCES),
            findings=words.findings(record, found),
            cautions=words.cautions(record.run),
            severities=words.severities(found),
            settled=_settled(record, found),
            map=chart,
            nights=nights,
            trend=drawn,
            **_drift(record, found),
            **private,
            key_id=key_id,
            digest=digest,
            total=total,
            held=held,
            signed=signed,
            **_page(record, digest, scripted=bool(held), checks=bool(signed), sheets=sheets),
        )
    )


def _drift(record: Record, survey: Survey) -> dict[str, Any]:
    """Return what the page tells of results/drift.json; nothing where the run was compared with none."""
    path = record.path.with_name("drift.json")
    if not path.is_file():
        return {"drift": None}
    document = strict.loads(path.read_bytes(), name=path.name)
    found, steps = drift_view.drifted(document), drift_view.steps(document)
    return {
        "drift": document,
        "drifted": found[: drift_view.LIMIT],
        "more": max(0, len(found) - drift_view.LIMIT),
        "steps": steps[: drift_view.LIMIT],
        "more_steps": max(0, len(steps) - drift_view.LIMIT),
        "since": drift_view.since(document, survey.count("fail") + survey.count("waived")),
    }


def environment_map(record: Record, *, alone: bool = False) -> Markup | None:
    """Return the map of the environment as SVG; None if there is no network and no public address to draw.

    Args:
        record: what was found.
        alone: as a file of its own, with its own style.

    Raises:
        TamperedError: results/topology.json is not a topology.
    """
    where = _topology(record)
    if where is None or not (where.networks or where.addresses):
        return None
    colours = _asset("report.css").partition("* {")[0]
    style = _minified(colours + _asset("map.css")) if alone else ""
    return map_.draw(where, standings(record, map_.ids(where)), style=style)


def _topology(record: Record) -> topology.Topology | None:
    path = record.path.with_name("topology.json")
    if not path.is_file():
        return None
    try:
        return topology.from_json(strict.loads(path.read_bytes(), name=path.name))
    except ValueError as error:
        raise TamperedError(f"{path} is not a topology: {error}.", "Do not use this run; audit again.") from error


def _paths(record: Record) -> dict[str, Any]:
    """Return the private paths that a page shows: the broken ones, then whole ones, up to a limit."""
    where = _topology(record)
    found = paths.paths(where) if where else []
    return {
        "paths": found[: paths.LIMIT],
        "more_paths": max(0, len(found) - paths.LIMIT),
        "broken_paths": sum(path.state != "pass" for path in found),
    }


def first_fixes(record: Record, found: Survey) -> list[Fix]:
    """Return the three failures to fix first: one of each of the three worst policies.

    With fewer failing policies, the worst failures whatever their policy.
    """
    groups = [group for group in view.groups(record, found, "fail") if group.rows]
    firsts = [Fix(group, group.rows[0], group.total - 1) for group in groups[:_FIRST]]
    if len(firsts) == _FIRST:
        return firsts
    candidates = [Fix(group, row, 0) for group in groups for row in group.rows[:_FIRST]]
    return sorted(candidates, key=lambda fix: Severity(fix.row["severity"]).rank)[:_FIRST]


def _settled(record: Record, found: Survey) -> dict[str, list[view.Row]]:
    """Return the passes and not applicables that are listed, by the policies that have any."""
    rows: dict[str, list[view.Row]] = {
        policy["id"]: [] for policy in record.policies if any(policy["counts"][kind] for kind in view.SETTLED)
    }
    for kind in view.SETTLED:
        for row in found.rows[kind]:
            rows[row["policy"]].append(row)
    return rows


def _page(record: Record, digest: str, *, scripted: bool, checks: bool, sheets: Sequence[str]) -> dict[str, Any]:
    """Return style, script and the policy that lets the browser run these two and nothing else."""
    names = ["record.js", *(["check.js"] if checks else []), "report.js"] if scripted else []
    script = "".join(map(_asset, names))
    style = "".join(_minified(_asset(sheet)) for sheet in ("report.css", *sheets)) + _page_header(
        record.run["runId"], digest
    )
    return {
        "style": Markup(style),  # noqa: S704 - our own file, and a string that _css_string made
        "script": Markup(script),  # noqa: S704 - our own file
        "csp": "; ".join(
            (
                "default-src 'none'",
                f"style-src '{_hash(style)}'",
                f"script-src '{_hash(script)}'" if script else "script-src 'none'",
                "base-uri 'none'",
                "form-action 'none'",
                "require-trusted-types-for 'script'",
            )
        ),
    }


def _environment(record: Record) -> Environment:
    names = view.subscription_names(record)
    listed = record.run.get("frameworks", [])
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: _tightened(_asset(f"templates/{name}"))),
    )
    environment.filters |= {
        "bdi": _bdi,
        "prose": lambda text: _bdi(prose(text)),
        "visible": visible,
        "place": lambda resource_id: place(resource_id, names),
        "when": _when,
        "command": _command,
        "controls": lambda policy: _controls(policy, listed),
        "anchor": _anchor,
        "standing": view.standing,
        "kind": view.kind,
        "n": lambda count: f"{count:,}",
    }
    environment.globals |= {
        "words": words,
        "ROWS": ROWS,
        "MANY": MANY,
    }
    return environment


def _bdi(value: object, class_: str = "") -> Markup:
    """Return untrusted text isolated from the text around it, with what cannot be seen marked as an escape."""
    inner = (Markup("<mark>%s</mark>") % piece if unseen else escape(piece) for piece, unseen in pieces(str(value)))
    opening = Markup('<bdi class="%s">') % class_ if class_ else Markup("<bdi>")
    return opening + Markup("").join(inner) + Markup("</bdi>")


def _when(time: str) -> Markup | str:
    return words.when(time) if _TIME.fullmatch(time) else _bdi(time)


def _command(row: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {"line": command(prose(policy["command"]), row["resource"]), "refused": ""}
    except CommandRefusedError as refused:
        return {"line": "", "refused": str(refused)}


def _anchor(policy: Mapping[str, Any]) -> str:
    """Return the id of the place in the page that shows the worst of a policy."""
    standing = view.standing(policy)
    if standing == "unknown" and not policy["counts"]["unknown"]:
        return standing
    return f"{'pass' if standing == 'notApplicable' else standing}-{policy['id']}"


def _controls(
    policy: Mapping[str, Any], listed: Sequence[Mapping[str, Any]]
) -> list[tuple[Markup, list[tuple[str, Markup | str]]]]:
    """Return (framework name, [(control ids, basis)]); a baseline says what it keeps, without a basis of its own."""
    titles = {item["id"]: item["title"] for item in listed}
    claims: dict[str, dict[str, list[str]]] = {}
    for control in policy["controls"]:
        claims.setdefault(control["framework"], {}).setdefault(control["basis"], []).append(control["id"])
    found: list[tuple[Markup, list[tuple[str, Markup | str]]]] = []
    for framework, bases in claims.items():
        told = [(", ".join(ids), words.BASIS.get(basis) or _bdi(basis)) for basis, ids in bases.items()]
        found.append((_bdi(prose(titles.get(framework, framework))), told))
        for baseline in (item for item in listed if item.get("derivesFrom") == framework):
            kept = _kept([id_ for ids in bases.values() for id_ in ids], {item["id"] for item in baseline["controls"]})
            found += [(_bdi(prose(baseline["title"])), [(kept, "")])] if kept else []
    return found


def _kept(ids: Sequence[str], baseline: Container[str]) -> str:
    """Return which of the ids just told a baseline keeps: ``the same``, ``the same without AC-5``, ids, or nothing."""
    kept, dropped = [i for i in ids if i in baseline], [i for i in ids if i not in baseline]
    if len(dropped) >= len(kept):
        return ", ".join(kept)
    return "the same" + (f" without {', '.join(dropped)}" if dropped else "")


def _payload_digest(envelope: bytes) -> str:
    """Return the SHA-256 of the signed bytes: the identity of a run, as the signature itself may vary."""
    try:
        return sha256(b64decode(strict.loads(envelope, name="run.dsse.json")["payload"], validate=True)).hexdigest()
    except (KeyError, TypeError, ValueError) as error:
        raise TamperedError(f"run.dsse.json is not a DSSE envelope: {error}.") from error


def _page_header(run_id: str, digest: str) -> str:
    """Return CSS that prints the run on every page; fixed elements would cover text instead."""
    signed = f"signed record sha256 {digest[:16]}" if digest else "unsigned"
    return (
        f"@page{{@top-left{{content:{_css_string('lockdown run ' + run_id)}}}"
        f"@top-right{{content:{_css_string(signed)}}}"
        '@bottom-right{content:"page " counter(page) " of " counter(pages)}}'
    )


def _css_string(text: str) -> str:
    return '"' + re.sub(r"[^A-Za-z0-9 ._-]", lambda found: f"\\{ord(found[0]):06x}", visible(text)) + '"'


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")


def _asset(path: str) -> str:
    found = data.tree("reports")
    for segment in path.split("/"):
        found /= segment
    return found.read_text(encoding="utf-8")


def _minified(css: str) -> str:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s+", " ", css)
    return re.sub(r" ?([{};,>]) ?", r"\1", css).replace(": ", ":").replace(";}", "}").strip()


def _tightened(template: str) -> str:
    """Return a template without its indentation; data is filled in later and keeps every space."""
    lines: Iterable[str] = (line.strip() for line in template.splitlines())
    return re.sub(r">\n(?=<|\{%)", ">", "\n".join(line for line in lines if line))
