"""Microsoft's own parser, run by the Node that the dev extra brings. The first run fetches it with npm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lockdown.errors import ToolError
from lockdown.model import Policy
from lockdown.policy import kusto
from tests.policy.sample import QUERY

Make = Callable[..., Policy]


def test_a_right_query_has_no_error(policy_with: Make) -> None:
    query = QUERY.replace("expected = 'Disabled'", "expected = tostring(boundary.subscriptions)")
    checked = kusto.check([policy_with(query=query)], fetch=True)
    assert checked.summary() == "Microsoft's parser 12.4.1: 1 queries, 0 errors"


def test_errors_have_their_line_and_query(policy_with: Make) -> None:
    right = policy_with()
    wrong = policy_with(query=QUERY.replace("observed = access", "observed = acess"))
    untyped = policy_with(query=QUERY.replace("type =~ 'microsoft.storage/storageaccounts'", "properties.a"))
    checked = kusto.check([right, wrong, untyped], fetch=True)
    assert [(f.line, f.rule, f.message.split(":")[0]) for f in checked.findings] == [
        (9, "kusto", "KS142"),
        (2, "kusto", "KS141"),
    ]
    assert checked.findings[0].file == "public-network-access/storage-closed/query.kql"
    assert checked.queries == 3


def test_nothing_is_fetched_unasked(policy_with: Make, tmp_path: Path) -> None:
    checked = kusto.check([policy_with()], cache=tmp_path / "parser")
    assert checked.summary().startswith("Microsoft's parser: not run: the parser is not installed")
    assert (checked.findings, checked.queries) == ((), 0)
    assert not (tmp_path / "parser").exists()


def test_without_node_it_says_so_or_fails_if_it_must_run(
    policy_with: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kusto, "find_spec", lambda _name: None)
    assert "Node is not installed" in kusto.check([policy_with()]).summary()
    with pytest.raises(ToolError, match="Node is not installed"):
        kusto.check([policy_with()], fetch=True)


def test_a_fetch_that_fails_leaves_nothing(policy_with: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(ToolError, match="npm could not fetch"):
        kusto.check([policy_with()], fetch=True, cache=tmp_path / "parser")
    assert list((tmp_path / "parser").iterdir()) == []


def test_the_parser_is_pinned_by_hash_and_by_no_host() -> None:
    lock = json.loads((Path(kusto.__file__).parent / "kusto_parser/package-lock.json").read_text())
    package = lock["packages"]["node_modules/@kusto/language-service-next"]
    assert (package["version"], package["integrity"][:7]) == (kusto.VERSION, "sha512-")
    assert "resolved" not in package
