"""Answers, kept while their pages are fetched: a hundred pages cost one execution."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from threading import Lock

from lockdown.sandbox.resource_graph.body import Body
from lockdown.sandbox.resource_graph.changes import RETENTION
from lockdown.sandbox.resource_graph.hierarchy import hierarchy
from lockdown.sandbox.resource_graph.index import Index
from lockdown.sandbox.resource_graph.limits import Prepared
from lockdown.sandbox.resource_graph.scopes import Scope, inside, scope_of, visible
from lockdown.sandbox.state import Principal, State
from lockdown.snapshot.engine import Answer

_ANSWERS = 8
_VIEWS = 8


@dataclass(frozen=True)
class View:
    """What one caller sees in one scope."""

    index: Index
    scope: Scope


@dataclass(frozen=True)
class Kept:
    """An answer and the view that it is of."""

    answer: Answer
    view: View


class Answers:
    """Runs queries over the state, as it was ``lag`` seconds ago. Thread-safe.

    What is kept is of one moment: when the state that queries see has changed, all of it is dropped.
    """

    def __init__(self, state: State, lag: float) -> None:
        self._state = state
        self._lag = timedelta(seconds=lag)
        self._moment: Hashable = None
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._views: OrderedDict[Hashable, View] = OrderedDict()
        self._indexes: dict[bytes, Index] = {}
        self._keeping = Lock()
        self._working = Lock()

    def answer(self, body: Body, query: Prepared, principal: Principal, digest: str) -> Kept:
        """Return the answer to a query; the request for a further page finds the same answer again.

        Raises:
            GraphError: the caller can read nothing in the scope, or the query cannot be run.
        """
        now = self._state.clock.now()
        moment = self._moment_at(now)
        first = not body.token and not body.skip
        found = None if first and query.timed else self._find(moment, digest)
        if found is None:
            with self._working:
                found = None if first and query.timed else self._find(moment, digest)
                if found is None:
                    view = self._view(body, principal, moment, now)
                    found = Kept(view.index.run(query, now), view)
                    self._keep(moment, digest, found)
        return found

    def _find(self, moment: Hashable, digest: str) -> Kept | None:
        with self._keeping:
            found = self._kept.get(digest) if moment == self._moment else None
            if found is not None:
                self._kept.move_to_end(digest)
            return found

    def _keep(self, moment: Hashable, digest: str, found: Kept) -> None:
        with self._keeping:
            if moment == self._moment:
                self._kept[digest] = found
                while len(self._kept) > _ANSWERS:
                    self._kept.popitem(last=False)

    def _moment_at(self, now: datetime) -> Hashable:
        """Return what the rows follow from: the same value, the same rows."""
        times = [change.time for change in self._state.changes()]
        return self._state.revision, bisect_right(times, now - self._lag), bisect_right(times, now - RETENTION)

    def _view(self, body: Body, principal: Principal, moment: Hashable, now: datetime) -> View:
        if moment != self._moment:
            with self._keeping:
                self._moment = moment
                self._kept.clear()
            self._views.clear()
            self._indexes.clear()
        asked = (body.subscriptions, body.management_groups, body.scope_filter, body.allow_partial_scopes)
        key = (principal.object_id, asked)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._look(body, principal, now)
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
                self._indexes.clear()
        return view

    def _look(self, body: Body, principal: Principal, now: datetime) -> View:
        state = self._state
        documents = list(state.as_of(self._lag.total_seconds()))
        tree = hierarchy(documents)
        scope = scope_of(body, documents, tree)
        seen = visible(documents, scope, tree, lambda resource_id: state.can_read(principal, resource_id))

        seen_changes = [
            change
            for change in state.changes()
            if now - RETENTION < change.time <= now - self._lag
            and inside(change.resource_id, scope)
            and state.can_read(principal, change.resource_id)
        ]
        names = [*(str(document["id"]) for document in seen), *(f"{c.time} {c.resource_id}" for c in seen_changes)]
        key = blake2b("\n".join(names).encode()).digest()
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = Index(state.tenant, tree, seen, seen_changes)
        return View(index, scope)
