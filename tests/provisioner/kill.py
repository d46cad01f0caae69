"""A sandbox that is asked in process, and can be set back to where it was before or after any write of a run.

Everything else is what a run uses: the whole pipeline of the SDK, the sandbox's gate with its faults, its Resource
Manager. Only the socket is left out, so that thousands of runs take minutes.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from lockdown.provisioner import plan
from lockdown.provisioner.apply import apply
from lockdown.provisioner.graph import Blueprint, Resource, Step
from lockdown.provisioner.graph import blueprint as graph
from lockdown.provisioner.outcome import Outcome, Silent
from lockdown.sandbox import faults
from lockdown.sandbox.gate import TRANSPORT
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import WRITES, Transport, connect, credential

GUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_RANDOM = re.compile(
    r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)|(?<=aks-nodepool1-)\d+|(?<=aks-agentpool-)\d+"
    r'|(?<=-)[0-9a-f]{8}(?=[."/])|[0-9a-f]{32}|\b10\.1\.\d+\.\d+\b(?!/)'
)
"""Times; the suffixes of a cluster's nodes and name; the versions of keys; addresses, which are given as they come."""


@dataclass(frozen=True)
class Write:
    """A request that changes something."""

    method: str
    path: str

    @property
    def kind(self) -> str:
        """The type that it is about, in lower case; an action's with its name, whatever provider it registers."""
        path = self.path.lower().strip("/")
        if path.endswith("/register") and "/features/" not in path:
            return "microsoft.resources/providers/register"
        _, found, rest = path.rpartition("/providers/")
        if not found and not path.startswith("providers/"):
            return "microsoft.resources/subscriptions/resourcegroups"
        namespace, *segments = (rest or path.removeprefix("providers/")).split("/")
        return "/".join([namespace, *segments[::2]])


@dataclass(frozen=True)
class Moment:
    """Everything that a sandbox knows at one time, so that it can be set back to it."""

    documents: dict[str, Any]
    changes: list[Any]
    grants: Any
    operations: dict[str, Any]
    running: dict[str, Any]
    skipped: Any


def remember(sandbox: Sandbox) -> Moment:
    # Stored documents are never changed in place, and what an operation does at its end goes by the state of then.
    state, operations = sandbox.state, sandbox.operations
    return Moment(
        dict(state._documents),
        list(state._changes),
        state._grants,
        dict(operations._all),
        dict(operations._running),
        sandbox.clock._skipped,
    )


def restore(sandbox: Sandbox, moment: Moment) -> None:
    state, operations = sandbox.state, sandbox.operations
    state._documents, state._changes, state._grants = dict(moment.documents), list(moment.changes), moment.grants
    state.revision += 1
    operations._all, operations._running = dict(moment.operations), dict(moment.running)
    sandbox.clock._skipped = moment.skipped
    sandbox._gate.faults._left.clear()


class Process(HTTPAdapter):
    """Answers requests by calling the sandbox's gate, one at a time, as its event loop does.

    Attributes:
        after: is told of each write once it was answered, before anything else happens.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.lock = threading.RLock()
        self.before: Callable[[Write], None] = lambda _: None
        self.after: Callable[[Write], None] = lambda _: None
        self.asked = 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        write = Write(request.method or "", unquote(parts.path)) if request.method in WRITES else None
        body = request.body or b""
        with self.lock:
            self.asked += 1
            if write is not None:
                self.before(write)
            status, headers, content = self._ask(request, parts.path, parts.query, body)
            if write is not None and status < 400:
                self.after(write)
        raw = HTTPResponse(io.BytesIO(content), headers, status, preload_content=False)
        return self.build_response(request, raw)

    def _ask(
        self, request: requests.PreparedRequest, path: str, query: str, body: bytes | str
    ) -> tuple[int, dict[str, str], bytes]:
        connection, sent = _Connection(), list[Any]()
        asked = iter([{"type": "http.request", "body": body.encode() if isinstance(body, str) else body}])

        async def receive() -> Any:
            return next(asked, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "http_version": "1.1", "method": request.method, "scheme": "https", "root_path": "",
            "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(),
            "headers": [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()],
            "extensions": {TRANSPORT: connection},
        }  # fmt: skip
        _run(self.sandbox._gate(scope, receive, send))
        if connection.closed:
            raise requests.exceptions.ConnectionError("the connection was closed")
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


class _Connection:
    closed = False

    def abort(self) -> None:
        self.closed = True

    close = abort


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run what waits for nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("the sandbox waited for something")


# Runs


class Harm(StrEnum):
    """What becomes of one write."""

    KILLED = "killed"
    DROPPED_AFTER = "dropped after"
    DROPPED_BEFORE = "dropped before"
    CONFLICT = "409"
    THROTTLED = "429"
    BROKEN = "500"


_FAULTS = {
    Harm.DROPPED_AFTER: "drop-after 1",
    Harm.DROPPED_BEFORE: "drop-before 1",
    Harm.CONFLICT: "fail:409:Conflict 1",
    Harm.THROTTLED: "throttle:1 1",
    Harm.BROKEN: "fail:500:InternalServerError",
}
"""A 500 stays for the whole run, so that the step fails as after a 409; the others come once."""


@dataclass(frozen=True)
class Record:
    """One write of an undisturbed run, and all there was before and after it."""

    write: Write
    before: Moment
    after: Moment


class Lab:
    """An environment in a sandbox, built once without harm.

    Attributes:
        blueprint: what is built.
        records: the writes of the undisturbed run that Azure accepted, as they came.
        target: what that run left, masked.
    """

    def __init__(self, sandbox: Sandbox, blueprint: Blueprint) -> None:
        self.sandbox, self.blueprint = sandbox, blueprint
        self._process = Process(sandbox)
        self._credential = credential(sandbox)
        self._made = frozenset(GUID.findall(repr(blueprint).lower())) | {sandbox.subscription, sandbox.tenant}
        self.records: list[Record] = []
        before: list[Moment] = []
        self._process.before = lambda _: before.append(remember(sandbox))
        self._process.after = lambda write: self.records.append(Record(write, before[-1], remember(sandbox)))
        outcome = self.run()
        assert outcome.complete, outcome
        self._process.before = self._process.after = lambda _: None
        self.target = self.masked()
        asked = self.run()
        assert asked == Outcome(), "a second run does nothing"

    def run(self) -> Outcome:
        """Provision as a new process does that knows nothing of another."""
        transport = Transport(self.sandbox)
        transport.session.mount("https://", self._process)
        with connect(self.sandbox, transport=transport, proof=self._credential) as arm:
            return apply(self.blueprint, plan.make(self.blueprint, arm), arm, Silent())

    def after(self, record: Record, harm: Harm) -> str:
        """Do harm to a write, and run again; return what is wrong then, or ''.

        What was before the write is what was before it in the undisturbed run, with all that was under way.
        """
        if harm is Harm.KILLED:
            restore(self.sandbox, record.after)
        else:
            restore(self.sandbox, record.before)
            fault = f"{record.write.method} {record.write.path}[?]* {_FAULTS[harm]}"
            self.sandbox.fault(fault)
            first = self.run()
            if self._is_left(fault):
                return f"the run never sent it: {first}"
            if first.interrupted or first.left_open:
                return f"the run did not end as it should: {first}"
            self.sandbox._gate.faults._left.clear()
        last = self.run()
        if not last.complete:
            return f"the next run did not finish: {last}"
        return "; ".join(itertools.islice(differing(self.target, self.masked()), 5))

    def _is_left(self, fault: str) -> bool:
        parsed = faults.parse(fault)
        return any(found == parsed and left == [parsed.count or 0] for found, left in self.sandbox._gate.faults._left)

    def masked(self) -> dict[str, Any]:
        return masked(self.sandbox, self._made)

    def first_of_each_type(self) -> list[Record]:
        return list({record.write.kind: record for record in reversed(self.records)}.values())[::-1]


# What is compared


def masked(sandbox: Sandbox, made: frozenset[str]) -> dict[str, Any]:
    """Return all that exists, by id, without what Azure draws by lot; the GUIDs in ``made`` are lockdown's own."""
    text = json.dumps(
        {
            str(document["id"]).lower(): {name: value for name, value in document.items() if name[:1] != "_"}
            for document in sandbox.state.documents()
            if str(document["id"]).lower().startswith("/subscriptions/")
        },
        default=str,
    )
    text = GUID.sub(lambda found: found[0] if found[0] in made else "*", _RANDOM.sub("*", text))
    found: dict[str, Any] = json.loads(text)
    return {identifier: _sorted(document) for identifier, document in found.items()}


def _sorted(value: Any) -> Any:
    """Return a value without the order of its arrays, which follows that of the writes."""
    if isinstance(value, Mapping):
        return {name: _sorted(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Yield in words where two states differ."""
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found:
            yield f"{key} is missing"
        elif key not in wanted:
            yield f"{key} is there"
        elif wanted[key] != found[key]:
            before, after = Counter(_leaves(wanted[key])), Counter(_leaves(found[key]))
            yield f"{key} has {sorted(after - before)} for {sorted(before - after)}"


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{path}[]")
    else:
        yield f"{path}={value}"


def kind_of(step: Step) -> str:
    return Write("PUT", step.id if isinstance(step, Resource) else step.path).kind


def one_of_each_type(whole: Blueprint) -> Blueprint:
    """Return a blueprint that holds every type of another, and with each step what it needs and what needs its windows.

    Of a type that is there many times, the step is kept that brings the least with it.
    """
    kinds = {step.key: kind_of(step) for step in whole}
    by_kind: dict[str, list[str]] = {}
    for key, kind in kinds.items():
        by_kind.setdefault(kind, []).append(key)
    kept: set[str] = set()
    for kind, keys in sorted(by_kind.items(), key=lambda pair: len(pair[1])):
        if kind not in {kinds[key] for key in kept}:
            kept |= min((_with(whole, key) - kept for key in keys), key=len)
    return graph(step for step in whole if step.key in kept)


def _with(whole: Blueprint, key: str) -> frozenset[str]:
    found: set[str] = set()
    waiting = [key]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            step = whole.steps[one]
            waiting += whole.needs[one]
            waiting += (user for window in getattr(step, "windows", ()) for user in window.needed_by)
    return frozenset(found)
