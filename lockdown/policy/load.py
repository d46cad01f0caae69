"""Read a policy set: strictly, executing nothing, and with the exact bytes that a run ships and signs.

The tree is ``<theme>/<policy-id>/{policy.yaml,query.kql,cases.yaml}``, ``frameworks/<id>.yaml``, ``arm-reads.yaml``,
``redaction.yaml`` and ``drift-noise.yaml``: in the wheel, in a folder of the user's own, or as ``policies/`` of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from lockdown import data
from lockdown.errors import UsageError
from lockdown.model import ArmRead, Policy
from lockdown.policy import arm_reads, policyfile, queries, tree
from lockdown.policy import frameworks as framework_files
from lockdown.policy import redaction as redaction_file
from lockdown.policy.frameworks import Framework
from lockdown.policy.redaction import Redaction
from lockdown.snapshot.engine import Engine

T = TypeVar("T")


@dataclass(frozen=True)
class PolicySet:
    """Everything that decides verdicts, except the snapshot.

    Attributes:
        policies: sorted by id.
        frameworks: by id.
        arm: what can be read from Azure Resource Manager, by lower-case type.
        redaction: which values are secrets and never reach the disk.
        files: relative path to the exact bytes of everything that a run ships under ``policies/``.
        name: what messages call the root of the set.
        own: the files that a person adds to lockdown's own policies; None if all are of one root.
    """

    policies: tuple[Policy, ...]
    frameworks: Mapping[str, Framework]
    arm: Mapping[str, ArmRead]
    redaction: Redaction
    files: Mapping[str, bytes] = field(repr=False)
    name: str = "policies"
    own: frozenset[str] | None = None

    def shown(self, path: str) -> str:
        """Return what messages call a file of the set."""
        return _shown(self.name, self.own, path)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over ``path NUL sha256 LF`` of every file, sorted by path."""
        lines = (f"{path}\0{sha256(content).hexdigest()}\n" for path, content in sorted(self.files.items()))
        return sha256("".join(lines).encode()).hexdigest()

    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """Return each table that policies read, with the lower-case types needed of it; no types stand for all."""
        needed: dict[str, set[str] | None] = {}
        for policy in self.policies:
            for table, types in policy.reads.items():
                known = needed.setdefault(table, set())
                needed[table] = None if known is None or not types else known | set(types)
        return {table: tuple(sorted(types or ())) for table, types in sorted(needed.items())}

    def arm_reads(self) -> tuple[ArmRead, ...]:
        """Return what the policies ask Azure Resource Manager for, each with the types of its parents."""
        return arm_reads.wanted(self.arm, self.policies)

    def get(self, policy_id: str) -> Policy:
        """Return one policy.

        Raises:
            UsageError: there is none of that id.
        """
        for policy in self.policies:
            if policy.id == policy_id:
                return policy
        raise UsageError(f"There is no policy {policy_id!r} in {self.name}.", "`lockdown policies list` shows all.")


def load(root: Traversable | Path | None = None, *, alone: bool = True, translate: bool | None = None) -> PolicySet:
    """Read the policy set at ``root``; without one, the set that ships with lockdown.

    A root without ``frameworks/``, ``arm-reads.yaml``, ``redaction.yaml`` or ``drift-noise.yaml`` gets lockdown's own.
    If it does not stand ``alone``, its policies and frameworks are added to those that ship, and may not replace one.
    ``translate`` says whether each query is translated to see that it can be; by default only those of a given root
    are, because the shipped ones were before they shipped. It takes about 0.1 s a query.

    Raises:
        UsageError: anything in it is wrong; the message names file, line and key of every problem.
    """
    if root is None:
        return parse(tree.read(data.tree("policies"), "policies"), translate=bool(translate))
    name = str(root).rstrip("/") or "/"
    files = tree.read(root, name)
    shipped = tree.read(data.tree("policies"), "policies")
    own = frozenset(files)
    has_frameworks = any(path.startswith("frameworks/") for path in files)
    for path, content in shipped.items():
        if path in tree.SHARED or (path.startswith("frameworks/") and not has_frameworks):
            files.setdefault(path, content)
    if alone:
        return parse(files, name=name, translate=translate is not False)
    taken = sorted(path for path in own & shipped.keys() - set(tree.SHARED))
    if taken:
        raise UsageError(
            "\n".join(f"{name}/{path} is lockdown's own already." for path in taken),
            "Give it another name, or use your folder alone.",
        )
    return parse({**shipped, **files}, name=name, own=own, translate=translate is not False)


def parse(
    files: Mapping[str, bytes], *, name: str = "policies", own: frozenset[str] | None = None, translate: bool = True
) -> PolicySet:
    """Return the policy set in ``files`` (relative path to bytes); ``name`` is what errors call its root.

    Where ``own`` names files, only these are below that root, and only their queries are translated.

    Raises:
        UsageError: as ``load``.
    """
    shown = partial(_shown, name, own)
    problems = [f"{shown(path)} is no part of a policy set." for path in files if not tree.belongs(path)]
    folders = _folders(files)
    frameworks = {shown(path): content for path, content in files.items() if path.startswith("frameworks/")}
    known = _tried(problems, lambda: framework_files.parse(frameworks))
    arm = _tried(problems, lambda: arm_reads.parse(shown(arm_reads.FILE), files.get(arm_reads.FILE)))
    redaction = _tried(problems, lambda: redaction_file.parse(shown("redaction.yaml"), files.get("redaction.yaml")))
    policies = [
        policy
        for folder, parts in sorted(folders.items())
        if (policy := _tried(problems, partial(policyfile.parse, _folder(shown, folder), parts, known)))
    ]
    problems += _twice(shown, policies)
    if arm is not None:
        problems += arm_reads.problems(shown, policies, arm)
    if translate:
        problems += _untranslatable(
            shown, [p for p in policies if own is None or f"{p.theme}/{p.id}/policy.yaml" in own]
        )
    if not folders:
        problems.append(f"{name} holds no policy.")
    if problems or known is None or arm is None or redaction is None:
        raise UsageError("\n".join(problems))
    ordered = tuple(sorted(policies, key=lambda policy: policy.id))
    shipped = MappingProxyType(dict(sorted(files.items())))
    return PolicySet(ordered, MappingProxyType(known), arm, redaction, shipped, name, own)


def _shown(name: str, own: frozenset[str] | None, path: str) -> str:
    return f"{name if own is None or path in own else 'policies'}/{path}"


def _folder(shown: Callable[[str], str], folder: str) -> str:
    return shown(f"{folder}/policy.yaml").rpartition("/")[0]


def _tried(problems: list[str], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except UsageError as error:
        problems.append(error.message)
        return None


def _folders(files: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    folders: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        folder, _, part = path.rpartition("/")
        if folder.count("/") == 1:
            folders.setdefault(folder, {})[part] = content
    return folders


def _twice(shown: Callable[[str], str], policies: list[Policy]) -> list[str]:
    first: dict[str, Policy] = {}
    problems = []
    for policy in policies:
        if policy.id in first:
            here, there = (shown(f"{p.theme}/{p.id}/policy.yaml") for p in (policy, first[policy.id]))
            problems.append(f"{here}: id: {policy.id} is the id of {there.rpartition('/')[0]} too.")
        first.setdefault(policy.id, policy)
    return problems


def _untranslatable(shown: Callable[[str], str], policies: list[Policy]) -> list[str]:
    problems = []
    with Engine() as engine:
        for policy in policies:
            found = queries.problem(policy, engine)
            if found:
                line = f", line {found.line}" if found.line else ""
                problems.append(f"{shown(f'{policy.theme}/{policy.id}/query.kql')}{line}: {found.message}")
    return problems
