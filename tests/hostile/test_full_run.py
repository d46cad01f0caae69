"""A run of all policies: each of its files at its first, middle, last and some random bytes, flipped in turn."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from benchmarks import sealed
from lockdown.errors import Exit
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.trust import TrustRoot
from tests.evidence.handmade import check, memory, root

RESULTS = 360
OF_ITS_OWN, OF_A_POLICY = 50, 3
"""Random bytes of each file; policies have some hundred files, all of them read alike."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, key: FileSigner) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("full") / "run"
    sealed.make(directory, RESULTS)
    sign_run(directory, key)
    seal(directory, key)
    return memory(directory)


def positions(name: str, length: int) -> Iterator[int]:
    chosen = Random(name)  # noqa: S311 - the same bytes in every run
    yield from {0, length // 2, length - 1}
    for _ in range(OF_A_POLICY if name.startswith("policies/") else OF_ITS_OWN):
        yield chosen.randrange(length)


def test_no_byte_is_changed_unnoticed(full: dict[str, bytes], key: FileSigner) -> None:
    trusted: TrustRoot = root(key, lab=True)
    assert check(full, trusted).exit_code is Exit.OK
    unnoticed = []
    for name, data in full.items():
        for position in positions(name, len(data)) if data else ():
            flipped = data[:position] + bytes([data[position] ^ 0x04]) + data[position + 1 :]
            if check(full | {name: flipped}, trusted).exit_code is not Exit.TAMPERED:
                unnoticed.append((name, position))
    # Another key id is no forgery but a key that nobody trusts.
    assert {name for name, _ in unnoticed} <= {"run/run.dsse.json", "seal/bundle.dsse.json"}
    for name, position in unnoticed:
        data = full[name]
        flipped = data[:position] + bytes([data[position] ^ 0x04]) + data[position + 1 :]
        assert check(full | {name: flipped}, trusted).exit_code is not Exit.OK


def test_no_file_is_removed_unnoticed(full: dict[str, bytes], key: FileSigner) -> None:
    trusted = root(key, lab=True)
    for name in full:
        without = {other: data for other, data in full.items() if other != name}
        assert check(without, trusted).exit_code is Exit.TAMPERED, name
