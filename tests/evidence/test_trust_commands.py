"""lockdown trust, and what verify does with what it makes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys, root_file
from lockdown.evidence.seal import seal, sign_run
from tests.evidence.handmade import write_run

Captured = pytest.CaptureFixture[str]


class Place:
    """A folder with keys, a run signed by one of them, and a trust root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trust = folder / "trust-root.json"
        self.state = folder / "state.json"
        for name in ("alice", "bob", "ci", "ci2"):
            keys.generate(folder / name)
        self.run = write_run(folder / "run-1")
        sign_run(self.run, self.signer("ci"))
        seal(self.run, self.signer("ci"))

    def uri(self, name: str) -> str:
        return f"file:{self.folder / name / 'private.pem'}"

    def public(self, name: str) -> str:
        return str(self.folder / name / "public.pem")

    def signer(self, name: str) -> keys.Signer:
        return keys.load_signer(self.uri(name))

    def init(self, *options: str) -> int:
        given = ["--public-key", self.public("ci"), "--out", str(self.trust), *options]
        return lockdown(["trust", "init", "--root-key", self.uri("alice"), *given])

    def change(self, action: str, *options: str, by: str = "alice") -> int:
        return lockdown(["trust", action, str(self.trust), *options, "--root-key", self.uri(by)])

    def verify(self, *options: str) -> int:
        return lockdown(["verify", str(self.run), "--trust", str(self.trust), *options])

    def remembered(self, *options: str) -> int:
        return self.verify("--trust-state", str(self.state), *options)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_trust_root_is_made_and_trusted(place: Place, capsys: Captured) -> None:
    assert place.init() == Exit.OK
    assert capsys.readouterr().out == f"{place.trust}\n"
    assert place.verify() == Exit.OK
    told = capsys.readouterr().out
    assert "LABORATORY" not in told
    assert "not checked whether there is a newer one (--trust-state)" in told
    assert place.init() == Exit.USAGE, "and never written over"


def test_its_fingerprint_can_be_had_without_lockdown_and_pinned(place: Place, capsys: Captured) -> None:
    place.init()
    script = f"jq -r .payload {place.trust} | base64 -d | sha256sum"
    by_hand = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout.split()[0]
    capsys.readouterr()
    assert lockdown(["trust", "show", str(place.trust), "--json"]) == Exit.OK
    shown = json.loads(capsys.readouterr().out)
    assert shown["fingerprint"] == by_hand
    assert shown["signedBy"] == [place.signer("alice").key_id]
    assert place.verify("--trust-fingerprint", by_hand.upper()) == Exit.OK
    assert place.verify("--trust-fingerprint", "0" * 64) == Exit.UNTRUSTED
    assert "has the fingerprint" in capsys.readouterr().out


def test_it_is_shown_to_people(place: Place, capsys: Captured) -> None:
    place.init("--max-age-hours", "48")
    place.change("revoke", place.signer("ci").key_id, "--reason", "\x1b[31mlost\nsigns this")
    capsys.readouterr()
    assert lockdown(["trust", "show", str(place.trust)]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert [line.split()[0] for line in lines].count("signs") == 2
    assert "version      2" in lines


def test_the_key_that_signs_runs_does_not_sign_it(place: Place, capsys: Captured) -> None:
    options = ["--public-key", place.public("ci"), "--out", str(place.trust)]
    assert lockdown(["trust", "init", "--root-key", place.uri("ci"), *options]) == Exit.USAGE
    assert "must not sign runs" in capsys.readouterr().err
    assert not place.trust.exists()


def test_who_may_not_change_it_cannot(place: Place, capsys: Captured) -> None:
    place.init()
    before = place.trust.read_bytes()
    assert place.change("add-key", "--public-key", place.public("ci2"), by="bob") == Exit.USAGE
    assert "does not sign this trust root" in capsys.readouterr().err
    assert place.trust.read_bytes() == before


def test_a_key_is_added(place: Place) -> None:
    place.init()
    other = write_run(place.folder / "run-2")
    sign_run(other, place.signer("ci2"))
    seal(other, place.signer("ci2"))
    assert lockdown(["verify", str(other), "--trust", str(place.trust)]) == Exit.UNTRUSTED
    assert place.change("add-key", "--public-key", place.public("ci2")) == Exit.OK
    assert lockdown(["verify", str(other), "--trust", str(place.trust)]) == Exit.OK
    assert place.verify() == Exit.OK


def test_a_key_counts_from_when_to_when(place: Place, capsys: Captured) -> None:
    place.init("--not-before", "2026-01-01")
    assert root_file.load(place.trust).keys[0].not_before == "2026-01-01T00:00:00Z"
    times = ("--not-before", "2026-02-01T00:00:00+01:00", "--not-after", "2026-03-01")
    assert place.change("add-key", "--public-key", place.public("ci2"), *times) == Exit.OK
    added = root_file.load(place.trust).keys[1]
    assert (added.not_before, added.not_after) == ("2026-01-31T23:00:00Z", "2026-03-01T00:00:00Z")
    for wrong in (("--not-after", "2020-01-01"), ("--not-after", "tomorrow")):
        assert place.change("add-key", "--public-key", place.public("bob"), *wrong) == Exit.USAGE
    assert "before it begins" in capsys.readouterr().err


def test_a_key_is_revoked(place: Place, capsys: Captured) -> None:
    place.init()
    assert place.change("revoke", place.signer("ci").key_id[:16], "--reason", "The runner was taken over.") == Exit.OK
    assert place.verify() == Exit.UNTRUSTED
    assert "The runner was taken over." in capsys.readouterr().out


def test_an_older_one_is_noticed_only_by_who_remembers(place: Place, capsys: Captured) -> None:
    place.init()
    old = place.trust.read_bytes()
    assert place.remembered() == Exit.OK
    place.change("revoke", place.signer("ci").key_id, "--reason", "Stolen.")
    assert place.remembered() == Exit.UNTRUSTED
    place.trust.write_bytes(old)
    assert place.verify() == Exit.OK
    capsys.readouterr()
    assert place.remembered() == Exit.UNTRUSTED
    assert "it was rolled back" in capsys.readouterr().out


def test_it_is_handed_on_to_other_root_keys(place: Place, capsys: Captured) -> None:
    place.init()
    assert place.remembered() == Exit.OK
    capsys.readouterr()
    assert place.change("rotate", "--new-root-key", place.uri("bob")) == Exit.OK
    assert "lacks" not in capsys.readouterr().err
    assert place.remembered() == Exit.OK
    assert place.change("rotate", by="alice") == Exit.USAGE
    assert place.change("rotate", "--days", "30", by="bob") == Exit.OK
    assert place.remembered() == Exit.OK
    assert root_file.load(place.trust).version == 3


def test_two_people_sign(place: Place, capsys: Captured) -> None:
    place.init()
    both = ["--new-root-key", place.uri("alice"), "--new-root-key", place.uri("bob"), "--threshold", "2"]
    assert place.change("rotate", *both) == Exit.OK
    assert place.change("add-key", "--public-key", place.public("ci2")) == Exit.OK
    assert "lacks 1 signatures" in capsys.readouterr().err
    assert place.verify() == Exit.UNTRUSTED
    assert place.change("sign", by="bob") == Exit.OK
    assert place.verify() == Exit.OK


def test_terms(place: Place) -> None:
    terms = ["--allow-source", "sandbox", "--allow-host", "127.0.0.1:8443", "--days", "2", "--max-age-hours", "24"]
    assert place.init(*terms) == Exit.OK
    found = root_file.load(place.trust)
    assert (found.sources, found.hosts, found.max_age_hours) == (("sandbox",), ("127.0.0.1:8443",), 24)
    assert place.change("rotate") == Exit.OK
    assert root_file.load(place.trust).hosts == found.hosts


@pytest.mark.parametrize(
    "options",
    [
        ("--allow-host", "*"),
        ("--threshold", "2"),
        ("--tsa-subject", "CN=x"),
        ("--public-key", __file__),
        ("--days", "0"),
    ],
)
def test_terms_that_make_no_sense(place: Place, options: tuple[str, ...]) -> None:
    assert place.init(*options) == Exit.USAGE
    assert not place.trust.exists()


def test_a_laboratorys_is_not_changed(place: Place, capsys: Captured) -> None:
    place.trust.write_bytes((place.folder / "ci/trust-root.json").read_bytes())
    assert place.change("rotate") == Exit.USAGE
    assert place.change("sign") == Exit.USAGE
    assert "lockdown trust init makes one" in capsys.readouterr().err


def test_state_and_fingerprint_are_about_a_trust_root(place: Place) -> None:
    assert lockdown(["verify", str(place.run), "--trust-state", str(place.state)]) == Exit.USAGE
    place.init()
    assert place.verify("--trust-state", str(place.run / "state.json")) == Exit.USAGE


def test_a_bad_trust_root_does_not_hide_that_a_run_was_changed(place: Place) -> None:
    place.trust.write_text("{}")
    assert place.verify() == Exit.UNTRUSTED
    (place.run / "inputs/scope.json").write_text("{ }\n")
    assert place.verify() == Exit.TAMPERED
