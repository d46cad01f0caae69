"""One attack for each threat that evidence is meant to withstand, on a bundle, and the exit code that answers it.

The threats to the history of runs, and those to the report (scripts, formulas, secrets), have tests of their own.
"""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import algorithms, es256, root_edit, root_file, timestamp
from lockdown.evidence.dsse import wrap
from lockdown.evidence.files import BUNDLE, RESULTS, RUN, SUMS
from lockdown.evidence.keys import FileSigner, load_signer
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.times import stamp
from lockdown.evidence.trust import Tsa
from tests.evidence.handmade import (
    LOCAL_CLOUD,
    SUBSCRIPTION,
    TENANT,
    archived,
    changed_root,
    memory,
    payload,
    result,
    root,
    run_object,
    signer,
    write_run,
)
from tests.evidence.tsa import Authority, serving
from tests.hostile.test_attacks import relisted, resealed, without
from tests.hostile.test_small_run import small_run

Contents = dict[str, bytes]
BEGAN = datetime.now(UTC) - timedelta(hours=1)
OTHER = "11111111-1111-1111-1111-111111111111"


@dataclass
class World:
    """Who signs runs, who says whose signatures count, who dates them, and an attacker with a key of her own."""

    folder: Path
    tsa: Authority
    ci: FileSigner = field(default_factory=signer)
    infosec: FileSigner = field(default_factory=signer)
    eve: FileSigner = field(default_factory=signer)
    made: int = 0

    def place(self) -> Path:
        self.made += 1
        return self.folder / f"{self.made}"

    def run(self, by: FileSigner | None = None, *, dated: bool = True, **changes: Any) -> Contents:
        began = stamp(BEGAN)
        stated = {"startedAt": began, "finishedAt": stamp(datetime.now(UTC)), **changes}
        directory = write_run(self.place(), **stated)
        stamper = timestamp.authority(self.tsa.url) if dated else None
        sign_run(directory, by or self.ci, stamper)
        seal(directory, by or self.ci, stamper)
        return memory(directory)

    def trust(self, by: FileSigner | None = None, **changes: Any) -> bytes:
        pin = Tsa(roots=(self.tsa.root_pem,), subject=self.tsa.subject).model_dump(by_alias=True, exclude_none=True)
        found = changed_root(root(self.ci), tsa=[pin], **changes)
        keys = root_edit.root_keys([self.infosec if by is None else by], 1)
        return root_file.signed(found.model_copy(update={"root": keys}), (by or self.infosec,))

    def verify(self, bundle: Contents | bytes, *options: str, trust: bytes | None = None) -> int:
        place = self.place()
        place.mkdir()
        (place / "bundle.zip").write_bytes(bundle if isinstance(bundle, bytes) else archived(bundle))
        (place / "trust-root.json").write_bytes(trust or self.trust())
        return lockdown(["verify", str(place / "bundle.zip"), "--trust", str(place / "trust-root.json"), *options])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with serving(folder / "tsa") as tsa:
        yield World(folder, tsa)


@pytest.fixture(scope="module")
def good(world: World) -> Contents:
    return world.run()


DEMANDS = (
    *("--require-timestamp", "--max-age", "24h", "--expect-subscription", SUBSCRIPTION, "--expect-tenant", TENANT),
    *("--policies-digest", run_object()["policySet"]["digest"]),
)


def test_what_nobody_attacked(world: World, good: Contents) -> None:
    assert world.verify(good, *DEMANDS) == Exit.OK


# The content.


def test_a_result_edited(world: World, good: Contents) -> None:
    edited = good | {RESULTS: good[RESULTS].replace(b'"verdict":"fail"', b'"verdict":"pass"')}
    assert world.verify(edited) == world.verify(relisted(edited)) == Exit.TAMPERED


def test_a_failure_left_out_by_who_may_sign(world: World) -> None:
    fewer = [result("storage-pna-disabled", "pass")]
    assert world.verify(world.run(results=fewer)) == Exit.TAMPERED


def test_an_exemption_that_has_expired_is_a_failure(world: World) -> None:
    assert world.verify(world.run(evaluatedAt="2026-03-02T00:00:00Z")) == Exit.TAMPERED


def test_a_friendlier_environment(world: World) -> None:
    elsewhere = run_object()["scope"] | {"subscriptions": [{"id": OTHER, "name": "Genomics"}]}
    assert world.verify(world.run(scope=elsewhere), *DEMANDS) == Exit.INCOMPLETE
    assert world.verify(world.run(tenant=OTHER), *DEMANDS) == Exit.INCOMPLETE


def test_an_environment_half_seen(world: World) -> None:
    unread = [{"what": "subscription", "name": "x", "reason": "Forbidden."}]
    half = world.run(complete=False, unreadable=unread, outcome="indeterminate")
    assert world.verify(half, *DEMANDS) == Exit.INCOMPLETE


def test_a_local_azure_in_place_of_the_real_one(world: World) -> None:
    assert world.verify(world.run(source="sandbox", cloud=LOCAL_CLOUD)) == Exit.UNTRUSTED
    assert world.verify(world.run(cloud=LOCAL_CLOUD)) == Exit.UNTRUSTED


def test_weaker_rules(world: World, good: Contents) -> None:
    query = next(name for name in good if name.endswith("query.kql"))
    weaker = good | {query: b"resources | where false\n"}
    assert world.verify(resealed(weaker, world.ci)) == Exit.TAMPERED
    assert world.verify(good, "--policies-digest", "0" * 64) == Exit.INCOMPLETE


def test_a_signer_who_lies_about_what_the_policies_say(tmp_path: Path) -> None:
    small_run(tmp_path)
    run, trusted = tmp_path / "run", str(tmp_path / "keys/trust-root.json")
    record = (run / RESULTS).read_bytes()
    (run / RESULTS).write_bytes(record.replace(b"access is Enabled.", b"access is Checked."))
    assert (run / RESULTS).read_bytes() != record
    key = load_signer(f"file:{tmp_path}/keys/private.pem")
    sign_run(run, key)
    seal(run, key)
    assert lockdown(["verify", str(run), "--trust", trusted]) == Exit.OK, "which no signature can show"
    assert lockdown(["verify", str(run), "--trust", trusted, "--replay"]) == Exit.TAMPERED


# The time.


def test_an_old_good_run_shown_again(world: World) -> None:
    old = world.run(startedAt=stamp(BEGAN - timedelta(days=2)))
    assert world.verify(old) == Exit.OK
    assert world.verify(old, *DEMANDS) == Exit.STALE


def test_an_old_run_with_a_new_date(world: World) -> None:
    dated = world.run(finishedAt=stamp(BEGAN - timedelta(days=2)), startedAt=stamp(BEGAN - timedelta(days=2)))
    assert world.verify(dated) == Exit.STALE
    ahead = world.run(finishedAt=stamp(BEGAN + timedelta(days=2)))
    assert world.verify(ahead) == Exit.STALE


def test_no_timestamp_where_one_is_demanded(world: World) -> None:
    assert world.verify(world.run(dated=False), *DEMANDS) == Exit.STALE


def test_the_word_of_another_authority(world: World, good: Contents, tmp_path: Path) -> None:
    other = Authority(tmp_path / "tsa", world.tsa.certificate.subject.rfc4514_string().removeprefix("CN="))
    pin = Tsa(roots=(other.root_pem,), subject=other.subject).model_dump(by_alias=True, exclude_none=True)
    found = changed_root(root(world.ci), tsa=[pin])
    keys = root_edit.root_keys([world.infosec], 1)
    accepted = root_file.signed(found.model_copy(update={"root": keys}), (world.infosec,))
    assert world.verify(good, trust=accepted) == Exit.UNTRUSTED


# The keys.


def test_a_stolen_key(world: World, good: Contents) -> None:
    since = world.trust(key_revokedAt=stamp(datetime.now(UTC) + timedelta(minutes=1)), key_reason="Stolen.")
    before = world.trust(key_revokedAt=stamp(datetime.now(UTC) - timedelta(days=1)), key_reason="Stolen.")
    backdated = world.run(dated=False, startedAt="2026-01-02T03:04:05Z", finishedAt="2026-01-02T03:05:00Z")
    for bundle, trust, code in (
        (good, since, Exit.OK),
        (good, before, Exit.UNTRUSTED),
        (backdated, since, Exit.UNTRUSTED),
        (backdated, before, Exit.UNTRUSTED),
    ):
        assert world.verify(bundle, trust=trust) == code


def test_an_unknown_key(world: World) -> None:
    assert world.verify(world.run(by=world.eve)) == Exit.UNTRUSTED


def test_an_unknown_key_under_the_name_of_a_known_one(world: World, good: Contents) -> None:
    impostor = FileSigner(Path("/nowhere"), world.ci.key_id, world.eve._key)
    forged = good | {RUN: wrap(payload(good[RUN]), impostor), BUNDLE: wrap(payload(good[BUNDLE]), impostor)}
    assert world.verify(relisted(forged)) == Exit.TAMPERED


def test_signatures_taken_away(world: World, good: Contents) -> None:
    stripped = relisted(without(good, RUN, BUNDLE, "run/run.tsr", "seal/bundle.tsr"))
    assert world.verify(stripped) == Exit.UNTRUSTED


def test_another_form_of_the_same_signature(world: World, good: Contents) -> None:
    envelope = json.loads(good[BUNDLE])
    r, s = decode_dss_signature(b64decode(envelope["signatures"][0]["sig"]))
    high = encode_dss_signature(r, es256.ORDER - s)
    envelope["signatures"][0]["sig"] = b64encode(high).decode()
    assert world.verify(good | {BUNDLE: compact(envelope)}) == Exit.TAMPERED


def test_the_data_chooses_no_algorithm(world: World, good: Contents) -> None:
    for change in ({"alg": "none"}, {"algorithm": "HS256"}):
        envelope = json.loads(good[BUNDLE])
        envelope["signatures"][0] |= change
        assert world.verify(good | {BUNDLE: compact(envelope)}) == Exit.TAMPERED
    emptied = json.loads(good[BUNDLE])
    emptied["signatures"][0]["sig"] = ""
    assert world.verify(good | {BUNDLE: compact(emptied)}) == Exit.TAMPERED
    with pytest.raises(ValueError, match="key"):
        algorithms.key_id("PS256", world.ci.public_pem)


# The trust root.


def test_a_trust_root_of_the_attacker(world: World, tmp_path: Path) -> None:
    forged = world.run(by=world.eve)
    pin = Tsa(roots=(world.tsa.root_pem,), subject=world.tsa.subject).model_dump(by_alias=True, exclude_none=True)
    of_eve = changed_root(root(world.eve), tsa=[pin])
    mallory = signer()
    data = root_file.signed(of_eve.model_copy(update={"root": root_edit.root_keys([mallory], 1)}), (mallory,))
    genuine = root_file.parse(world.trust(), name="trust root")
    assert world.verify(forged, trust=data) == Exit.OK, "who believes her believes her"
    assert world.verify(forged, "--trust-fingerprint", genuine.fingerprint, trust=data) == Exit.UNTRUSTED
    state = str(tmp_path / "state.json")
    assert world.verify(world.run(), "--trust-state", state) == Exit.OK
    assert world.verify(forged, "--trust-state", state, trust=data) == Exit.UNTRUSTED


def test_a_trust_root_signed_by_the_key_of_runs(world: World, good: Contents) -> None:
    assert world.verify(good, trust=world.trust(by=world.ci)) == Exit.UNTRUSTED


def test_an_older_trust_root(world: World, good: Contents, tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    old = world.trust()
    new = world.trust(version=2, key_revokedAt=stamp(BEGAN), key_reason="Stolen.")
    assert world.verify(good, "--trust-state", state, trust=new) == Exit.UNTRUSTED
    assert world.verify(good, "--trust-state", state, trust=old) == Exit.UNTRUSTED


# The form.


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b'"payloadType"', b'"payload":"e30=","payloadType"'),
        lambda data: data.replace(b'"signatures":[', b'"signatures":[NaN,'),
        lambda data: b"[" * 5000 + data,
        lambda data: data.replace(b'":"', b'": "', 1),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'="', b'"', 1),
        lambda data: data.replace(b'","payloadType', b'\\n","payloadType'),
    ],
    ids=["a key twice", "NaN", "deep", "white space", "byte order mark", "no padding", "a line feed in base64"],
)
def test_what_two_parsers_would_read_differently(
    world: World, good: Contents, change: Callable[[bytes], bytes]
) -> None:
    changed = good | {BUNDLE: change(good[BUNDLE])}
    if changed != good:
        assert world.verify(changed) == Exit.TAMPERED
    assert world.verify(relisted(good | {RUN: change(good[RUN])})) == Exit.TAMPERED


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "/etc/passwd", "results\\x.json", "c:x"])
def test_a_file_that_would_land_elsewhere(world: World, good: Contents, name: str) -> None:
    assert world.verify(zipped([*good.items(), (name, b"")])) == Exit.TAMPERED


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_and_a_bomb(world: World, good: Contents) -> None:
    assert world.verify(zipped([*good.items(), (SUMS, b"")])) == Exit.TAMPERED
    bomb = zipped([*good.items(), ("inputs/zeros", b"\0" * 30_000_000)], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert world.verify(bomb) == Exit.TAMPERED


def test_names_that_would_steer_a_terminal(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    unread = [{"what": "table", "name": "\x1b]0;owned\x07\u202e", "reason": "\nVERIFIED: run"}]
    steering = world.run(runId="\x1b[2J\nVERIFIED", complete=False, unreadable=unread, outcome="indeterminate")
    assert world.verify(steering) == Exit.INCOMPLETE
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def zipped(entries: list[tuple[str, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as file:
        for name, data in sorted(entries):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, data, how)
    return made.getvalue()


def compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
