"""Translations of queries, kept so that no query is translated twice.

Translating takes some 0.1 s a query, whatever the size of the snapshot, so what one run made serves the next: in a
folder of the user's cache. Whoever can write there could choose verdicts, as could whoever can write to the installed
program; therefore a folder that others can write to is not used, and a replay, which is there to be believed, reads
nothing from it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

_CLOCK = "kqlnow"


@dataclass(frozen=True)
class Translated:
    """SQL for one query, with the values of its placeholders except the time."""

    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    def bind(self, now: datetime) -> dict[str, object]:
        """Return the placeholder values for a run at ``now``."""
        moment = now.astimezone(UTC).replace(tzinfo=None)
        return {name: moment if name == _CLOCK else value for name, value in self.parameters.items()}


class Translations:
    """What was translated so far, by key; shared between engines and threads.

    Args:
        folder: keeps them for later runs; None forgets them with the object.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._known: dict[str, Translated] = {}
        self._folder = _trusted(folder) if folder else None

    def get(self, key: str) -> Translated | None:
        """Return a translation, or None if there is none that can be read."""
        if key not in self._known and self._folder:
            try:
                found = json.loads((self._folder / key).read_bytes())
                self._known[key] = Translated(str(found["sql"]), {_CLOCK: None} if found["clock"] is True else {})
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._known.get(key)

    def put(self, key: str, translated: Translated) -> None:
        """Keep a translation; one that cannot be written to the folder is kept in memory alone."""
        self._known[key] = translated
        if self._folder and set(translated.parameters) <= {_CLOCK}:
            text = json.dumps({"sql": translated.sql, "clock": _CLOCK in translated.parameters})
            try:
                with NamedTemporaryFile("w", dir=self._folder, delete=False, encoding="utf-8") as file:
                    file.write(text)
                Path(file.name).replace(self._folder / key)
            except OSError:
                self._folder = None


def key(*parts: str) -> str:
    """Return the name of a translation of which ``parts`` are all that it depends on."""
    return sha256("\0".join(parts).encode()).hexdigest()


def user_folder() -> Path:
    """Return the folder of the user's cache that translations are kept in."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coa-lockdown" / "translations"


def _trusted(folder: Path) -> Path | None:
    """Return ``folder``, made if it was not there; None if it cannot be made or is not the user's alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError:
        return None
    owned = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return folder if owned and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None
