from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lockdown.model import Policy
from lockdown.policy.load import load
from tests.policy.sample import ARM_READS, BASELINE, CASES, FOLDER, HIPAA, NIST, POLICY, QUERY, REDACTION, Spoil


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A policy set on disk that is right in every respect."""
    root = tmp_path / "set"
    for path, text in {
        f"{FOLDER}/policy.yaml": POLICY,
        f"{FOLDER}/query.kql": QUERY,
        f"{FOLDER}/cases.yaml": CASES,
        "frameworks/nist.yaml": NIST,
        "frameworks/baseline.yaml": BASELINE,
        "frameworks/hipaa.yaml": HIPAA,
        "arm-reads.yaml": ARM_READS,
        "redaction.yaml": REDACTION,
        "drift-noise.yaml": "rules: []\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def spoil(tree: Path) -> Spoil:
    """Replace one text in one file of the set; the file is named inside the policy's folder, or from the root."""

    def change(file: str, old: str, new: str) -> Path:
        path = tree / FOLDER / file if (tree / FOLDER / file).exists() else tree / file
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new, 1))
        return tree

    return change


@pytest.fixture
def policy_with(tree: Path) -> Callable[..., Policy]:
    """The policy of the set with another query, other cases or other metadata."""

    def make(query: str = QUERY, cases: str = CASES, metadata: str = POLICY) -> Policy:
        for name, text in (("query.kql", query), ("cases.yaml", cases), ("policy.yaml", metadata)):
            (tree / FOLDER / name).write_text(text)
        return load(tree, translate=False).policies[0]

    return make
