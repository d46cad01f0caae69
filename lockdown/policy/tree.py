"""Which files make a policy set, and their bytes: the one place where policy content is read from a disk or a wheel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

from lockdown.errors import UsageError

MAX_FILE = 1024 * 1024
MAX_FILES = 10_000
PARTS = ("policy.yaml", "query.kql", "cases.yaml")
SHARED = ("arm-reads.yaml", "redaction.yaml", "drift-noise.yaml")

_WORD = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_PLACE = re.compile(
    rf"(?:redaction|drift-noise|arm-reads)\.yaml|frameworks/{_WORD}\.yaml|(?!frameworks/){_WORD}/{_WORD}/"
    r"(?:policy\.yaml|query\.kql|cases\.yaml)"
)


def belongs(path: str) -> bool:
    """Return True if a policy set has a file of that relative path."""
    return _PLACE.fullmatch(path) is not None


def read(root: Traversable | Path, name: str) -> dict[str, bytes]:
    """Return the files of a policy set by relative path. README.md and names that start with a dot are left out.

    Raises:
        UsageError: ``root`` is no folder, or holds something that is no part of a policy set, or too much.
    """
    if not root.is_dir():
        raise UsageError(f"{name} is not a folder.", "Name a folder of policies: <theme>/<policy-id>/policy.yaml.")
    files: dict[str, bytes] = {}
    problems: list[str] = []
    try:
        for path, item in _walk(root, "", 0):
            if item.is_dir():
                problems.append(f"{name}/{path} is not the folder of a policy: it lacks {', '.join(PARTS)}.")
            elif not belongs(path) or not item.is_file():
                problems.append(f"{name}/{path} is no part of a policy set.")
            else:
                with item.open("rb") as file:
                    files[path] = file.read(MAX_FILE + 1)
                if len(files[path]) > MAX_FILE:
                    problems.append(f"{name}/{path} is longer than {MAX_FILE} bytes.")
            if len(files) + len(problems) > MAX_FILES:
                raise UsageError(f"{name} holds more than {MAX_FILES} files.", "Name a folder of policies only.")
    except OSError as error:
        raise UsageError(f"{error.filename or name} cannot be read: {error.strerror}.") from error
    if problems:
        raise UsageError("\n".join(problems))
    return files


def _walk(folder: Traversable, prefix: str, depth: int) -> Iterator[tuple[str, Traversable]]:
    items = [item for item in folder.iterdir() if not item.name.startswith(".") and item.name != "README.md"]
    if not items and depth:
        yield prefix.rstrip("/"), folder
    for item in sorted(items, key=lambda entry: entry.name):
        if depth < 2 and item.is_dir():  # noqa: PLR2004 - theme, then policy
            yield from _walk(item, f"{prefix}{item.name}/", depth + 1)
        else:
            yield f"{prefix}{item.name}", item
