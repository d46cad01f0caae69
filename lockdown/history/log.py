"""Reading and appending to the records in a store."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

from lockdown.errors import TamperedError, ToolError, UsageError
from lockdown.evidence import dsse
from lockdown.evidence.entry import MAX_BYTES
from lockdown.evidence.keys import Signer
from lockdown.evidence.times import stamp
from lockdown.history import records
from lockdown.history.records import STORE, Link, Origin, Record
from lockdown.history.store import ORIGIN, RECORDS, Store

_NAME = re.compile(r"records/(?!00000000)([0-9]{8})\.dsse\.json")
_READERS = 8
_ATTEMPTS = 100
_BASIS = "45 CFR 164.316(b)(2)(i): six years from creation or last effect, and one more"


@dataclass(frozen=True)
class Head:
    """The end of a history: the number of its last record, and the digest that the next one must name."""

    sequence: int
    digest: str


def name_of(sequence: int) -> str:
    """Return the name of a record's file."""
    return f"{RECORDS}{sequence:08d}.dsse.json"


def origin(store: Store) -> tuple[Origin, str] | None:
    """Return what the store is, with the digest that its first record names; None if nothing is there.

    Raises:
        TamperedError: store.json is not one.
    """
    data = store.read(ORIGIN, MAX_BYTES)
    return None if data is None else (records.origin(data, name=ORIGIN), sha256(data).hexdigest())


def begin(store: Store, retention_days: int) -> None:
    """Make the store if it is not one yet."""
    made = Origin(
        format=STORE,
        id=str(uuid4()),
        created_at=stamp(datetime.now(UTC)),
        retention_days=retention_days,
        retention_basis=_BASIS,
    )
    if store.read(ORIGIN, MAX_BYTES) is None:
        store.create(ORIGIN, records.written(made))


def links(store: Store, up_to: int | None = None) -> list[Link]:
    """Return the records in order.

    Raises:
        UsageError: there is no history.
        TamperedError: a file is not a record, or not the one that its name says.
    """
    numbers = _numbers(store)
    if store.read(ORIGIN, MAX_BYTES) is None:
        raise UsageError(f"{store.url} holds no history.", "Check --store, or evidence.store in lockdown.yaml.")
    wanted = [number for number in numbers if up_to is None or number <= up_to]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(lambda number: _link(store, number), wanted))


def append(store: Store, make: Callable[[Head], Record], signer: Signer) -> Link:
    """Sign a record and put it at the end; if another comes first, the next place is taken.

    Raises:
        TamperedError: the last record cannot be read.
        ToolError: the store cannot be written, or others come first again and again.
    """
    for _ in range(_ATTEMPTS):
        head = _head(store)
        record = make(head)
        data = dsse.wrap(records.payload(record), signer)
        name = name_of(record.sequence)
        # What a retry finds there may be what the first attempt left, whose answer was lost.
        if store.create(name, data) or store.read(name, MAX_BYTES) == data:
            return records.read(data, name=name)
    raise ToolError(f"{store.url} is so busy that no record could be added.", "Try again.")


def _head(store: Store) -> Head:
    numbers = _numbers(store)
    if numbers:
        return Head(numbers[-1], _link(store, numbers[-1]).digest)
    found = origin(store)
    if found is None:
        raise ToolError(f"{ORIGIN} is gone from {store.url}.", "Look at who may delete there.")
    return Head(0, found[1])


def _numbers(store: Store) -> list[int]:
    found = []
    for name in store.names(RECORDS):
        match = _NAME.fullmatch(name)
        if match is None:
            raise TamperedError(f"{name!a} does not belong in a history.")
        found.append(int(match[1]))
    return found


def _link(store: Store, number: int) -> Link:
    name = name_of(number)
    data = store.read(name, MAX_BYTES)
    if data is None:
        raise TamperedError(f"{name} was listed and is gone.")
    link = records.read(data, name=name)
    if link.record.sequence != number:
        raise TamperedError(f"{name} holds record {link.record.sequence}.")
    return link
