"""Trust roots: what a new one allows, and what is not a trust root."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lockdown.errors import UntrustedError, UsageError
from lockdown.evidence import root_file, trust
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.predicate import AuditRun, from_run
from lockdown.evidence.times import stamp
from lockdown.model import Source
from tests.evidence.handmade import LOCAL_CLOUD, NOW, PUBLIC_CLOUD, changed_root, root, run_object, signer

CLOUDS = {
    "AzureCloud": ("management.azure.com", "login.microsoftonline.com"),
    "AzureUSGovernment": ("management.usgovcloudapi.net", "login.microsoftonline.us"),
    "AzureChinaCloud": ("management.chinacloudapi.cn", "login.chinacloudapi.cn"),
    "AzureChinaCloud, as now named": ("management.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
}


def claim(**changes: object) -> AuditRun:
    return from_run(run_object(**changes), name="run")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_new_trust_root_allows_live_runs_on_microsofts_clouds(key: FileSigner, cloud: str) -> None:
    manager, authority = CLOUDS[cloud]
    hosts = {"name": cloud, "resourceManager": f"https://{manager}/", "authority": authority}
    root(key).check_origin(claim(cloud=hosts))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"source": "sandbox"}, "source is sandbox"),
        ({"source": "file"}, "source is file"),
        ({"cloud": LOCAL_CLOUD}, "127.0.0.1:8443"),
        ({"cloud": PUBLIC_CLOUD | {"authority": "login.example.org"}}, "login.example.org"),
        ({"cloud": PUBLIC_CLOUD | {"resourceManager": "https://management.azure.com.example.org"}}, "example.org"),
        ({"cloud": PUBLIC_CLOUD | {"resourceManager": "https://management.azure.com:8443"}}, ":8443"),
    ],
)
def test_it_allows_nothing_else(key: FileSigner, changes: dict[str, object], refused: str) -> None:
    with pytest.raises(UntrustedError, match=refused):
        root(key).check_origin(claim(**changes))


def test_a_laboratorys_allows_every_source_and_host(key: FileSigner) -> None:
    for source in Source:
        root(key, lab=True).check_origin(claim(source=source.value, cloud=LOCAL_CLOUD))


def test_it_is_written_and_read_back(key: FileSigner, tmp_path: Path) -> None:
    (tmp_path / "trust-root.json").write_bytes(trust.written(root(key, lab=True)))
    assert root_file.load(tmp_path / "trust-root.json") == root(key, lab=True)


def test_it_expires(key: FileSigner) -> None:
    root(key).check_current(NOW)
    with pytest.raises(UntrustedError, match="expired at"):
        root(key).check_current(NOW + trust.LIFETIME + timedelta(seconds=2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"key_surprise": 1}, "keys.0.surprise"),
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"version": True}, "version"),
        ({"threshold": 2}, "threshold"),
        ({"lab": 0}, "lab"),
        ({"keys": []}, "keys"),
        ({"hosts": ["*"]}, "only a laboratory"),
        ({"sources": ["live", "dream"]}, "sources.1"),
        ({"predicateTypes": []}, "predicateTypes"),
        ({"expires": "2026-13-01T00:00:00Z"}, "expires"),
        ({"expires": "2026-01-01"}, "expires"),
        ({"key_algorithm": "none"}, "algorithm"),
        ({"key_keyid": "ab" * 32}, "keyid is not the SHA-256"),
        ({"key_pem": "no key"}, "not a public key"),
        ({"key_notAfter": "tomorrow"}, "notAfter"),
    ],
)
def test_what_is_not_a_trust_root_is_told_by_field(key: FileSigner, changes: dict[str, object], says: str) -> None:
    with pytest.raises(UntrustedError, match=says):
        changed_root(root(key), **changes)


def test_a_key_listed_twice_is_refused(key: FileSigner) -> None:
    twice = trust.written(root(key))
    entry = twice[twice.index(b"    {") : twice.index(b"    }") + 5]
    with pytest.raises(UntrustedError, match="listed twice"):
        trust.parse(twice.replace(entry, entry + b",\n" + entry), name="trust root")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"{", b"\xff", b'{"version":1,"version":2}', b"null"])
def test_broken_files_are_not_trust_roots(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "trust-root.json").write_bytes(data)
    with pytest.raises(UntrustedError, match=r"trust-root\.json"):
        root_file.load(tmp_path / "trust-root.json")


def test_a_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        root_file.load(tmp_path / "nothing.json")


def test_two_keys_are_both_accepted(key: FileSigner) -> None:
    other = root(signer())
    both = root(key).model_copy(update={"keys": (*root(key).keys, *other.keys)})
    assert trust.parse(trust.written(both), name="trust root").keys == both.keys


def test_times_as_text_sort_in_time() -> None:
    assert stamp(NOW) < stamp(NOW + timedelta(seconds=1)) < stamp(NOW + timedelta(days=400))
