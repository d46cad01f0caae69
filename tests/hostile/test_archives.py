"""What somebody might do to a bundle as a file: no archive but the one that lockdown writes is accepted."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockdown.errors import Exit, UsageError
from lockdown.evidence import archive
from lockdown.evidence.archive import ArchiveFiles
from lockdown.evidence.files import RESULTS, SUMS
from lockdown.evidence.trust import TrustRoot
from lockdown.evidence.verify import Verification, verify
from tests.evidence.handmade import NOW, archived, failures

Contents = dict[str, bytes]
Entry = tuple[str, bytes]


@pytest.fixture(scope="module")
def bundle(genuine: Contents) -> bytes:
    return archived(genuine)


def check(data: bytes, trusted: TrustRoot) -> Verification:
    return verify(ArchiveFiles(io.BytesIO(data)), trusted, now=NOW)


def refused(data: bytes, trusted: TrustRoot, says: str = "") -> None:
    found = check(data, trusted)
    assert (found.exit_code, failures(found)[0]) == (Exit.TAMPERED, "structure")
    assert says in found.checks[0].detail
    assert found.checks[0].detail.isprintable()


def zipped(
    entries: list[Entry], change: Callable[[zipfile.ZipInfo], None] = lambda _: None, comment: bytes = b""
) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as file:
        warnings.simplefilter("ignore")  # of names given twice
        for name, data in entries:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            change(entry)
            file.writestr(entry, data)
        file.comment = comment
    return made.getvalue()


def test_a_genuine_bundle(bundle: bytes, genuine: Contents, trusted: TrustRoot) -> None:
    assert bundle == zipped(sorted(genuine.items()))
    assert check(bundle, trusted).exit_code is Exit.OK


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_every_byte_counts_those_of_headers_too(bundle: bytes, trusted: TrustRoot, flip: int) -> None:
    assert len(bundle) <= 32 * 1024
    for at in range(len(bundle)):
        flipped = bundle[:at] + bytes([bundle[at] ^ flip]) + bundle[at + 1 :]
        assert check(flipped, trusted).exit_code is Exit.TAMPERED, at


def test_cut_anywhere(bundle: bytes, trusted: TrustRoot) -> None:
    for size in range(len(bundle)):
        assert check(bundle[:size], trusted).exit_code is Exit.TAMPERED, size


@pytest.mark.parametrize("junk", [b"\0", b"#!/bin/sh\n", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18])
def test_data_before_and_after(bundle: bytes, trusted: TrustRoot, junk: bytes) -> None:
    refused(junk + bundle, trusted)
    refused(bundle + junk, trusted)


def test_an_archive_in_an_archive(bundle: bytes, trusted: TrustRoot) -> None:
    refused(bundle + bundle, trusted)


def test_data_between_the_files(genuine: Contents, trusted: TrustRoot) -> None:
    plain = zipped(sorted(genuine.items()))
    directory = plain.index(b"PK\x01\x02")
    moved = bytearray(plain[:directory] + b"hidden" + plain[directory:])
    struct.pack_into("<I", moved, len(moved) - 6, directory + 6)
    assert zipfile.ZipFile(io.BytesIO(bytes(moved))).testzip() is None, "others would take it"
    refused(bytes(moved), trusted, "between")


def test_a_name_given_twice(genuine: Contents, trusted: TrustRoot) -> None:
    entries = sorted([*genuine.items(), (RESULTS, b"{}")], key=lambda entry: entry[0])
    refused(zipped(entries), trusted, "twice")


def test_names_that_are_one_on_some_disks(genuine: Contents, trusted: TrustRoot) -> None:
    for other in ("verify.txt", "sha256sums", "results/results.json/x", "inputs"):
        refused(archived(genuine | {other: b""}), trusted, "on some disks")


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a/../x", "a\\b", "c:x", "inputs//x", "inputs/", "A", "a b", "\u202ex", "\x1b[2J", ""],
)
def test_a_name_that_could_lead_elsewhere(genuine: Contents, trusted: TrustRoot, name: str) -> None:
    refused(zipped(sorted([*genuine.items(), (name, b"")])), trusted)


def test_a_link_although_its_target_is_right(genuine: Contents, trusted: TrustRoot) -> None:
    def link(entry: zipfile.ZipInfo) -> None:
        if entry.filename == RESULTS:
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16

    refused(zipped(sorted(genuine.items()), link), trusted, "a link")


def test_a_device_and_another_mode(genuine: Contents, trusted: TrustRoot) -> None:
    for mode in (stat.S_IFIFO | 0o644, stat.S_IFBLK | 0o644, stat.S_IFREG | 0o755, stat.S_IFREG | stat.S_ISUID | 0o644):

        def change(entry: zipfile.ZipInfo, mode: int = mode) -> None:
            entry.external_attr = mode << 16

        refused(zipped(sorted(genuine.items()), change), trusted)


def test_a_compressed_bundle_and_a_bomb(genuine: Contents, trusted: TrustRoot) -> None:
    def deflated(entry: zipfile.ZipInfo) -> None:
        entry.compress_type = zipfile.ZIP_DEFLATED

    refused(zipped(sorted(genuine.items()), deflated), trusted, "compressed")
    bomb = zipped([(SUMS, b""), ("results/results.json", b"\0" * 50_000_000)], deflated)
    refused(bomb, trusted, "compressed")


def test_an_encrypted_file(bundle: bytes, trusted: TrustRoot) -> None:
    locked = bytearray(bundle)
    locked[bundle.index(b"PK\x01\x02") + 8] |= 1
    refused(bytes(locked), trusted, "encrypted")


def test_a_comment_an_extra_field_another_date_another_order(genuine: Contents, trusted: TrustRoot) -> None:
    def extra(entry: zipfile.ZipInfo) -> None:
        entry.extra = b"\x99\x99\x00\x00"

    def dated(entry: zipfile.ZipInfo) -> None:
        entry.date_time = (2026, 1, 1, 0, 0, 0)

    entries = sorted(genuine.items())
    refused(zipped(entries, comment=b"trust me"), trusted)
    refused(zipped(entries, extra), trusted, "extra field")
    refused(zipped(entries, dated), trusted)
    refused(zipped(entries[::-1]), trusted, "order")


def test_more_files_than_a_run_has(trusted: TrustRoot) -> None:
    refused(zipped([(f"{number:05}", b"") for number in range(archive.MAX_FILES + 1)]), trusted, "larger")


def test_sizes_that_lie(bundle: bytes, trusted: TrustRoot) -> None:
    at = bundle.index(b"PK\x01\x02")
    for field in (16, 20, 24, 28, 30, 32, 34, 36, 38, 42):
        for value in (0, 0xFFFF):
            lying = bytearray(bundle)
            struct.pack_into("<H", lying, at + field, value ^ 1)
            refused(bytes(lying), trusted)
    for field in range(4, 22):
        lying = bytearray(bundle)
        lying[len(bundle) - 22 + field] ^= 0xFF
        refused(bytes(lying), trusted)


def test_each_file_removed_swapped_and_cut(genuine: Contents, trusted: TrustRoot) -> None:
    names = sorted(genuine)
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        without = {key: data for key, data in genuine.items() if key != name}
        swapped = genuine | {name: genuine[other], other: genuine[name]}
        for changed in (without, swapped, genuine | {name: genuine[name][:-1]}, genuine | {name + "2": b""}):
            if changed != genuine:
                assert check(archived(changed), trusted).exit_code is Exit.TAMPERED, name


WILD = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@WILD
@given(st.integers(0, 40_000), st.integers(0, 60), st.binary(max_size=60))
def test_bytes_replaced_anywhere(bundle: bytes, trusted: TrustRoot, start: int, length: int, new: bytes) -> None:
    at = start % (len(bundle) + 1)
    changed = bundle[:at] + new + bundle[at + length :]
    if changed != bundle:
        assert check(changed, trusted).exit_code is Exit.TAMPERED


@WILD
@given(st.binary(max_size=300), st.binary(max_size=80))
def test_anything_that_ends_like_an_archive(trusted: TrustRoot, data: bytes, end: bytes) -> None:
    assert check(data + b"PK\x05\x06" + end, trusted).exit_code is Exit.TAMPERED


@WILD
@given(st.dictionaries(st.text("ab./-", max_size=6), st.binary(max_size=20), max_size=4))
def test_any_files_in_a_proper_archive(genuine: Contents, trusted: TrustRoot, files: Contents) -> None:
    assert check(archived(genuine | files), trusted).exit_code is Exit.TAMPERED or not files
    if not {RESULTS, SUMS} & files.keys():
        with pytest.raises(UsageError):
            check(archived(files), trusted)
