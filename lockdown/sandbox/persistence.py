"""The state of a sandbox on disk: written whole and atomically, refused when it is not what was written.

The first line says what the file is and carries the SHA-256 of the second, which holds the content as JSON.
"""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from lockdown.errors import ToolError, UsageError
from lockdown.sandbox.state import Change, Document, Principal, State

_FORMAT = "coa-lockdown-sandbox-state/1"


@dataclass(frozen=True)
class Origin:
    """What a state began as: all that a restart needs beside documents and changes.

    Attributes:
        subscriptions: id and display name of each.
        config: the text of the scenario's lockdown.yaml.
    """

    scenario: str
    options: Mapping[str, str]
    tenant: str
    subscriptions: Sequence[tuple[str, str]]
    config: str


@dataclass(frozen=True)
class Saved:
    """A state as it was read from disk."""

    origin: Origin
    documents: tuple[Document, ...]
    changes: tuple[Change, ...]


class Keeper:
    """Writes a state to its file when it has changed. Without a file it does nothing."""

    def __init__(self, path: Path | None, origin: Origin, state: State) -> None:
        self._path = path
        self._origin = origin
        self._state = state
        self._saved = -1

    def save(self) -> None:
        """Write the state if it has changed since the last time.

        Raises:
            ToolError: the disk refuses.
        """
        revision = self._state.revision
        if self._path is None or revision == self._saved:
            return
        content = {
            **asdict(self._origin),
            "documents": list(self._state.documents()),
            "changes": [asdict(change) for change in self._state.changes()],
        }
        body = orjson.dumps(content)
        header = orjson.dumps({"format": _FORMAT, "sha256": sha256(body).hexdigest()})
        try:
            write_private(self._path, header + b"\n" + body + b"\n")
        except OSError as error:
            raise ToolError(
                f"The state of the sandbox could not be written to {self._path}: {error.strerror}.",
                "Free space there, or name another file with --state.",
            ) from error
        self._saved = revision


def read(path: Path) -> Saved | None:
    """Return the state in a file, or None if there is no such file.

    Raises:
        UsageError: the file cannot be read, or is not what was written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"The state file {path} cannot be read: {error.strerror}.", "Name another file.") from error
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} does not hold the whole state of a sandbox: it is damaged, or another kind of file.",
            "Name another file, or delete this one to start anew.",
        ) from error


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, complete when it exists."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _parse(data: bytes) -> Saved:
    first, _, rest = data.partition(b"\n")
    header = json.loads(first)
    body = rest.removesuffix(b"\n")
    if header["format"] != _FORMAT or header["sha256"] != sha256(body).hexdigest():
        raise ValueError("not what was written")
    content = orjson.loads(body)
    origin = Origin(
        scenario=content["scenario"],
        options=content["options"],
        tenant=content["tenant"],
        subscriptions=tuple((subscription, name) for subscription, name in content["subscriptions"]),
        config=content["config"],
    )
    return Saved(origin, tuple(content["documents"]), tuple(_change(found) for found in content["changes"]))


def _change(found: dict[str, Any]) -> Change:
    time, principal = datetime.fromisoformat(found["time"]), Principal(**found["principal"])
    return Change(**{**found, "time": time, "principal": principal})
