"""One folder of a policy set as a :class:`lockdown.model.Policy`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from lockdown import yamlfile
from lockdown.errors import UsageError
from lockdown.model import BuiltIn, Control, Policy
from lockdown.policy.frameworks import Framework
from lockdown.policy.schema import BASES, PolicyFile
from lockdown.policy.tree import PARTS
from lockdown.snapshot.kql import line_of, significant

MAX_DEPTH = 100

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_Path = tuple[str | int, ...]


def parse(where: str, parts: Mapping[str, bytes], known: Mapping[str, Framework] | None) -> Policy:
    """Return the policy of one folder.

    Args:
        where: the folder, as errors call it; its last two steps are theme and id.
        parts: the bytes of policy.yaml, query.kql and cases.yaml by file name.
        known: the frameworks whose controls may be claimed; None leaves claims unchecked.

    Raises:
        UsageError: a file is missing or wrong, the id differs from the folder's name, or a control does not exist; the
            message names file, line and key of every problem.
    """
    missing = [part for part in PARTS if part not in parts]
    if missing:
        raise UsageError("\n".join(f"{where}/{part} is missing." for part in missing))
    texts = {part: _text(f"{where}/{part}", parts[part]) for part in PARTS}
    written = yamlfile.load(f"{where}/policy.yaml", parts["policy.yaml"], PolicyFile)
    theme, folder = where.rsplit("/", 2)[-2:]
    wrong = [] if known is None else _wrong_claims(written, known)
    if written.id != folder:
        wrong.append((("id",), f"{written.id!r} must be {folder!r}, the name of the folder"))
    if not texts["query.kql"].strip():
        raise UsageError(f"{where}/query.kql is empty.")
    _refuse_depth(f"{where}/query.kql", texts["query.kql"])
    if wrong:
        _, lines = yamlfile.parse(f"{where}/policy.yaml", parts["policy.yaml"])
        raise UsageError("\n".join(_located(f"{where}/policy.yaml", lines, at, message) for at, message in wrong))
    return _as_policy(theme, written, texts["query.kql"], parts)


def _refuse_depth(name: str, query: str) -> None:
    depth = 0
    for token in significant(query):
        depth += (token.text in {"(", "[", "{"}) - (token.text in {")", "]", "}"})
        if depth > MAX_DEPTH:
            line = line_of(query, token.start)
            raise UsageError(f"{name}, line {line}: brackets are nested deeper than {MAX_DEPTH} levels.")


def _as_policy(theme: str, written: PolicyFile, query: str, parts: Mapping[str, bytes]) -> Policy:
    claims = (
        Control(framework, control, basis)
        for framework, claimed in written.controls.items()
        for basis in BASES
        for control in getattr(claimed, basis)
    )
    return Policy(
        id=written.id,
        theme=theme,
        title=written.title,
        severity=written.severity,
        applies_to=written.applies_to,
        reads=MappingProxyType(dict(sorted(written.reads.items()))),
        controls=tuple(claims),
        rationale=written.rationale,
        remediation=written.remediation.text,
        command=written.remediation.command,
        query=query,
        built_ins=tuple(BuiltIn(item.guid, item.name, item.differs.strip()) for item in written.azure_policy),
        reachability=written.reachability,
        absent_passes=MappingProxyType(dict(written.absent_passes)),
        files=MappingProxyType({part: parts[part] for part in PARTS}),
    )


def _wrong_claims(written: PolicyFile, known: Mapping[str, Framework]) -> list[tuple[_Path, str]]:
    wrong: list[tuple[_Path, str]] = []
    for framework_id, claims in written.controls.items():
        framework = known.get(framework_id)
        if framework is None:
            wrong.append((("controls", framework_id), f"there is no such framework; known: {', '.join(known)}"))
            continue
        if framework.derives_from:
            message = f"claim the controls of {framework.derives_from}: {framework_id} is derived from it"
            wrong.append((("controls", framework_id), message))
        seen: set[str] = set()
        for basis in BASES:
            for index, control in enumerate(getattr(claims, basis)):
                at = ("controls", framework_id, basis, index)
                if control not in framework.controls:
                    wrong.append((at, f"{framework_id} has no control {control!r}"))
                elif control in seen:
                    wrong.append((at, f"{control} is claimed twice"))
                seen.add(control)
    return wrong


def _located(name: str, lines: Mapping[_Path, int], at: _Path, message: str) -> str:
    return f"{name}, line {lines.get(at, 1)}: {'.'.join(str(step) for step in at)}: {message}."


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: {error.reason} at byte {error.start}.") from error
    hidden = _UNSEEN.search(text)
    if hidden:
        line = text.count("\n", 0, hidden.start()) + 1
        raise UsageError(f"{name}, line {line}: the character U+{ord(hidden.group()):04X} is invisible to a reviewer.")
    return text
