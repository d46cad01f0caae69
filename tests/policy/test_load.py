"""A policy set is read strictly: whatever is wrong is refused with file, line and key, and nothing is executed."""

from __future__ import annotations

import os
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast
from zipfile import Path as ZipPath
from zipfile import ZipFile

import pytest

from lockdown.errors import UsageError
from lockdown.model import BuiltIn, Control, Severity
from lockdown.policy.load import load, parse
from lockdown.policy.tree import MAX_FILE, read
from tests.policy.sample import FOLDER, POLICY, QUERY, Spoil


def refusal(root: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(root)
    return caught.value.message.replace(str(root), "policies")


def test_a_set_that_is_right(tree: Path) -> None:
    found = load(tree)
    (policy,) = found.policies
    assert (policy.id, policy.theme, policy.severity) == ("storage-closed", "public-network-access", Severity.CRITICAL)
    assert policy.applies_to == ("microsoft.storage/storageaccounts",)
    assert policy.reads == {"resources": ("microsoft.storage/storageaccounts",)}
    assert policy.controls == (Control("nist", "AC-4", "microsoft"), Control("nist", "SC-7", "project"))
    assert policy.query == QUERY
    assert policy.files["query.kql"] == QUERY.encode()
    assert found.get("storage-closed") is policy
    assert found.redaction.marks == ("AccountKey=",)
    assert found.redaction.paths[0].steps == ("properties", "secret", "*", "value")
    assert sorted(found.files) == sorted(
        [f"{FOLDER}/{name}" for name in ("policy.yaml", "query.kql", "cases.yaml")]
        + ["frameworks/nist.yaml", "frameworks/baseline.yaml", "frameworks/hipaa.yaml"]
        + ["arm-reads.yaml", "redaction.yaml", "drift-noise.yaml"]
    )


def test_the_digest_is_over_paths_and_bytes(tree: Path) -> None:
    found = load(tree)
    lines = [f"{path}\0{sha256(content).hexdigest()}\n" for path, content in found.files.items()]
    assert found.digest == sha256("".join(sorted(lines)).encode()).hexdigest()
    (tree / FOLDER / "query.kql").write_text(QUERY + "\n")
    assert load(tree).digest != found.digest


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("policy.yaml", "severity: critical", "severity: awful", "policy.yaml, line 3: severity: "),
        ("policy.yaml", "rationale:", "rational:", "policy.yaml, line 9: rational: "),
        (
            "policy.yaml",
            "id: storage-closed",
            "id: storage-open",
            "line 1: id: 'storage-open' must be 'storage-closed'",
        ),
        ("policy.yaml", "id: storage-closed", "id: Storage Closed", "policy.yaml, line 1: id: "),
        ("policy.yaml", "access\nseverity", "access.\nseverity", "policy.yaml, line 2: title: "),
        ("policy.yaml", "[AC-4]", "[AC-99]", "line 8: controls.nist.microsoft.0: nist has no control 'AC-99'"),
        ("policy.yaml", "project: [SC-7]", "project: [AC-4]", "line 8: controls.nist.project.0: AC-4 is claimed twice"),
        ("policy.yaml", "  nist:", "  soc2:", "line 8: controls.soc2: there is no such framework; known: baseline, "),
        (
            "policy.yaml",
            "  nist: {microsoft: [AC-4], ",
            "  baseline: {",
            "claim the controls of nist: baseline is derived",
        ),
        ("policy.yaml", "  resources:", "  resorces:", "line 6: reads.resorces"),
        (
            "policy.yaml",
            "{resource}",
            "{password}",
            "line 12: remediation.command: value error, unknown placeholder {pass",
        ),
        ("policy.yaml", "{resource}", "{resource", "line 12: remediation.command: "),
        ("policy.yaml", "azure_policy: []", "azure_policy: [{guid: x, name: y}]", "line 13: azure_policy.0.guid: "),
        (
            "policy.yaml",
            "applies_to: [",
            "applies_to: [VM, ",
            "line 4: applies_to.0: value error, 'VM' is not a resource",
        ),
        ("policy.yaml", "title:", "id: again\ntitle:", "line 2: id: given twice"),
        ("policy.yaml", "title: S", "title: &a S", "line 2: anchors and aliases are not accepted"),
        ("policy.yaml", "title: S", "title: [S", "policy.yaml, line 3: not YAML"),
        ("policy.yaml", "Data is in it.", "Data is \u202ein it.", "line 9: the character U+202E is invisible"),
        ("query.kql", "'fail'", "'fail\u200b'", "query.kql, line 6: the character U+200B is invisible"),
        ("query.kql", "| extend", "| extnd", "query.kql, line 3: it cannot be translated"),
        ("query.kql", "observed = access", "observed = no_such_function(access)", "query.kql, line 9: "),
        ("query.kql", "observed = access", "observed = acess", "query.kql, line 9: "),
        ("query.kql", "(access", "(" * 101 + "access", "query.kql, line 6: brackets are nested deeper than 100 levels"),
        ("query.kql", "resources\n", "resourcecontainers\n", "query.kql, line 1: "),
        (
            "query.kql",
            "expected = 'Disabled'",
            "expected = boundary.planets",
            "query.kql, line 8: boundary.planets does not exist; known: ",
        ),
        ("frameworks/nist.yaml", "id: nist", "id: other", "frameworks/nist.yaml, line 1: id: 'other' must be 'nist'"),
        ("frameworks/nist.yaml", "source: SP 800-53\n", "", "frameworks/nist.yaml, line 1: source: field required"),
        ("frameworks/baseline.yaml", "[SC-7]", "[SC-8]", "baseline.yaml: controls: nist has no control 'SC-8'"),
        (
            "frameworks/baseline.yaml",
            "derives_from: nist",
            "derives_from: none",
            "no framework 'none' lists its own controls",
        ),
        (
            "frameworks/baseline.yaml",
            "derives_from: nist\n",
            "",
            "baseline.yaml, line 4: controls: input should be a valid dict",
        ),
        (
            "frameworks/hipaa.yaml",
            "addressable",
            "optional",
            "hipaa.yaml, line 5: controls.164.312(e)(2)(ii).implementation: input should be ",
        ),
        ("redaction.yaml", "AccountKey=", "'('", "redaction.yaml, line 4: marks.0.pattern: value error, not a regular"),
        ("redaction.yaml", "AccountKey=", "'.*'", "redaction.yaml, line 4: marks.0.pattern: "),
        ("redaction.yaml", "properties.Secret.*.value", "'*'", "redaction.yaml, line 2: paths.0.path: "),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(spoil: Spoil, file: str, old: str, new: str, told: str) -> None:
    assert told in refusal(spoil(file, old, new))


def test_every_problem_of_a_set_is_told_at_once(spoil: Spoil) -> None:
    spoil("policy.yaml", "severity: critical", "severity: awful")
    spoil("policy.yaml", "text: Disable it.", "txt: Disable it.")
    root = spoil("redaction.yaml", "marks:", "marcs:")
    told = refusal(root)
    for part in ("line 3: severity", "remediation.text", "remediation.txt", "redaction.yaml, line 3: marcs"):
        assert part in told


@pytest.mark.parametrize("missing", ["policy.yaml", "query.kql", "cases.yaml"])
def test_a_missing_file_is_named(tree: Path, missing: str) -> None:
    (tree / FOLDER / missing).unlink()
    assert refusal(tree) == f"policies/{FOLDER}/{missing} is missing."


def test_an_id_belongs_to_one_policy(tree: Path) -> None:
    (tree / "public-ip").mkdir()
    (tree / FOLDER).rename(tree / "public-ip/storage-closed")
    (tree / FOLDER).mkdir()
    for file in (tree / "public-ip/storage-closed").iterdir():
        (tree / FOLDER / file.name).write_bytes(file.read_bytes())
    assert "storage-closed is the id of policies/public-ip/storage-closed too" in refusal(tree).replace(
        "policies/public-network-access/storage-closed too", "policies/public-ip/storage-closed too"
    )


@pytest.mark.parametrize("stray", ["evil.py", f"{FOLDER}/query.sql", f"{FOLDER}/deep/query.kql", "Theme/x/policy.yaml"])
def test_what_is_no_part_of_a_set_is_refused(tree: Path, stray: str) -> None:
    (tree / stray).parent.mkdir(parents=True, exist_ok=True)
    (tree / stray).write_text("x")
    assert refusal(tree).startswith("policies/")


def test_readme_and_hidden_files_are_not_part_of_a_set(tree: Path) -> None:
    before = load(tree).digest
    (tree / "README.md").write_text("Our policies")
    (tree / ".DS_Store").write_text("x")
    assert load(tree).digest == before


def test_an_empty_folder_is_no_policy(tree: Path) -> None:
    (tree / "public-ip/nothing").mkdir(parents=True)
    assert "policies/public-ip/nothing is not the folder of a policy" in refusal(tree)


def test_a_set_without_policies_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert "holds no policy" in refusal(tmp_path / "set")
    assert "is not a folder" in refusal(tmp_path / "nowhere")


def test_a_file_that_is_too_long_is_refused(tree: Path) -> None:
    (tree / FOLDER / "query.kql").write_bytes(b"/" * (MAX_FILE + 1))
    assert f"{FOLDER}/query.kql is longer than {MAX_FILE} bytes" in refusal(tree)


def test_a_pipe_in_place_of_a_file_does_not_hang(tree: Path) -> None:
    (tree / FOLDER / "query.kql").unlink()
    os.mkfifo(tree / FOLDER / "query.kql")
    assert f"{FOLDER}/query.kql is no part of a policy set" in refusal(tree)


def test_bytes_that_are_no_text_are_refused(tree: Path) -> None:
    (tree / FOLDER / "query.kql").write_bytes(b"resources \xff")
    assert "query.kql is not UTF-8: invalid start byte at byte 10" in refusal(tree)


def test_a_set_of_ones_own_gets_the_shipped_frameworks_and_redaction(tree: Path) -> None:
    for path in ("frameworks/nist.yaml", "frameworks/baseline.yaml", "frameworks/hipaa.yaml", "redaction.yaml"):
        (tree / path).unlink()
    (tree / "frameworks").rmdir()
    (tree / FOLDER / "policy.yaml").write_text(POLICY.replace("  nist:", "  nist-800-53-r5:"))
    found = load(tree)
    assert "nist-800-53-r5" in found.frameworks
    assert found.redaction.paths
    assert {"redaction.yaml", "frameworks/hipaa.yaml"} <= found.files.keys()


def test_a_set_reads_the_same_from_an_archive_and_from_memory(tree: Path, tmp_path: Path) -> None:
    on_disk = load(tree)
    assert parse(on_disk.files) == parse(read(tree, "set"))
    with ZipFile(tmp_path / "set.zip", "w") as archive:
        for path, content in on_disk.files.items():
            archive.writestr(f"policies/{path}", content)
    zipped = load(cast("Traversable", ZipPath(tmp_path / "set.zip", "policies/")))
    assert (zipped.digest, zipped.policies) == (on_disk.digest, on_disk.policies)


def test_reads_is_the_union_and_all_rows_win(tree: Path) -> None:
    other = tree / "public-ip/other"
    other.mkdir(parents=True)
    (other / "policy.yaml").write_text(
        POLICY.replace("storage-closed", "other").replace(
            "  resources: [Microsoft.Storage/storageAccounts]",
            "  resources: [Microsoft.Network/publicIPAddresses]\n  resourcecontainers: []",
        )
    )
    (other / "query.kql").write_text(QUERY)
    (other / "cases.yaml").write_text("[]")
    found = load(tree)
    assert [policy.id for policy in found.policies] == ["other", "storage-closed"]
    assert found.reads() == {
        "resourcecontainers": (),
        "resources": ("microsoft.network/publicipaddresses", "microsoft.storage/storageaccounts"),
    }


def test_an_unknown_policy_is_a_usage_error(tree: Path) -> None:
    with pytest.raises(UsageError, match="no policy 'nothing'"):
        load(tree).get("nothing")


def test_a_built_in_carries_where_the_policy_differs(spoil: Spoil) -> None:
    guid = "b2982f36-99f2-4db5-8eff-283140c09693"
    entry = f"azure_policy: [{{guid: {guid}, name: Closed, differs: ' stricter '}}]"
    (policy,) = load(spoil("policy.yaml", "azure_policy: []", entry)).policies
    assert policy.built_ins == (BuiltIn(guid, "Closed", "stricter"),)
