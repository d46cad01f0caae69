"""When anything accepted public traffic, and which request opened and closed it: read from what happened."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lockdown.sandbox.openings import affected, of
from lockdown.sandbox.openings.rule import Documents, Opening
from lockdown.sandbox.state import Change, Document


@dataclass(frozen=True)
class Moment:
    """A change that opened or closed something.

    Attributes:
        time: when it happened, UTC; a resource that goes slowly goes at the end of that.
        number: of the request that asked for it, among all that arrived; 0 where none did.
        request: its method and path, such as ``PUT /subscriptions/...``; '' where there was none.
        operation: such as ``Microsoft.Storage/storageAccounts/write``.
    """

    time: datetime
    number: int
    request: str
    operation: str
    correlation_id: str


@dataclass(frozen=True)
class Exposure:
    """An interval in which a resource was open.

    Attributes:
        resource_id: as its document writes it.
        why: what was open.
        opened: by what; None where it was so from the start.
        closed: by what; None where it is open still.
        bypass: whether it is a way in for services of Azure or through Resource Manager, and no public traffic.
    """

    resource_id: str
    why: str
    opened: Moment | None
    closed: Moment | None = None
    bypass: bool = False


def record(before: Iterable[Document], changes: Iterable[Change]) -> tuple[Exposure, ...]:
    """Return every interval, in the order of opening, from what there was and what happened to it.

    After every single change all that it may have touched is looked at anew: what the next one closes was open.
    """
    watch = _Watch()
    for document in before:
        watch.documents.put(document)
    for document in watch.documents:
        watch.look(document, None)
    for change in changes:
        watch.see(change)
    return tuple(watch.intervals())


def text(exposures: Iterable[Exposure], bypasses: Iterable[Exposure]) -> str:
    """Return a record as JSON, for people and programs."""
    found = {"exposures": [_shown(one) for one in exposures], "bypasses": [_shown(one) for one in bypasses]}
    return json.dumps(found, indent=2) + "\n"


def _shown(found: Exposure) -> dict[str, object]:
    moments = {"opened": found.opened, "closed": found.closed}
    told = {name: None if moment is None else _told(moment) for name, moment in moments.items()}
    return {"resource": found.resource_id, "why": found.why, **told}


def _told(moment: Moment) -> dict[str, object]:
    return {
        "time": moment.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "number": moment.number,
        "request": moment.request,
        "operation": moment.operation,
        "correlationId": moment.correlation_id,
    }


class _Watch:
    """What is open, document by document, while changes pass."""

    def __init__(self) -> None:
        self.documents = Documents()
        self._open: dict[str, dict[Opening, int]] = {}
        self._intervals: list[Exposure] = []

    def intervals(self) -> list[Exposure]:
        return self._intervals

    def see(self, change: Change) -> None:
        moment = Moment(change.time, change.number, change.request, change.operation, change.correlation_id)
        key = change.resource_id.lower()
        if change.after is None:
            self.documents.remove(key)
            self._settle(key, frozenset(), moment)
        else:
            self.documents.put(change.after)
            self.look(change.after, moment)
        for type_ in affected(change.type.lower()):
            for document in self.documents.of_type(type_):
                self.look(document, moment)

    def look(self, document: Document, moment: Moment | None) -> None:
        self._settle(str(document["id"]).lower(), frozenset(of(document, self.documents)), moment)

    def _settle(self, key: str, found: frozenset[Opening], moment: Moment | None) -> None:
        known = self._open.setdefault(key, {})
        for gone in known.keys() - found:
            at = known.pop(gone)
            was = self._intervals[at]
            self._intervals[at] = Exposure(was.resource_id, was.why, was.opened, moment, was.bypass)
        for new in sorted(found - known.keys(), key=lambda opening: (opening.resource_id, opening.why)):
            known[new] = len(self._intervals)
            self._intervals.append(Exposure(new.resource_id, new.why, moment, bypass=new.bypass))
