"""Not one byte of a run can change unnoticed: not in a result, a list, an envelope, its white space or its base64."""

from __future__ import annotations

import pytest

from lockdown.errors import Exit
from lockdown.evidence.files import BUNDLE, BY_HAND, RESULTS, RUN, SUMS
from lockdown.evidence.trust import TrustRoot
from tests.evidence.handmade import check

FLIPS = (0x01, 0x20, 0x80)


def test_the_run_is_small_and_genuine(genuine: dict[str, bytes], trusted: TrustRoot) -> None:
    assert sum(map(len, genuine.values())) <= 32 * 1024
    assert check(genuine, trusted).exit_code is Exit.OK


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("name", [RUN, BUNDLE, RESULTS, SUMS, BY_HAND, "the others"])
def test_every_byte_flipped_is_noticed(genuine: dict[str, bytes], trusted: TrustRoot, name: str, flip: int) -> None:
    named = {RUN, BUNDLE, RESULTS, SUMS, BY_HAND}
    unnoticed = [
        (file, position)
        for file in (genuine.keys() - named if name == "the others" else [name])
        for position in range(len(genuine[file]))
        if check(genuine | {file: flipped(genuine[file], position, flip)}, trusted).exit_code is Exit.OK
    ]
    assert unnoticed == []


def flipped(data: bytes, position: int, flip: int) -> bytes:
    return data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :]
