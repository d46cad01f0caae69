"""AKS run-command: a command in the cluster, by way of Resource Manager alone, with files beside it.

Source: Microsoft Learn, "Access a private AKS cluster using the command invoke feature": the command runs in a pod of
the cluster, as the caller; the pod must find a place within 60 seconds; 512 kB of what it prints are kept. The files
stand in a zip archive in the request.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.graph import Hands, at

API_VERSION = "2026-08-01"
"""Of Microsoft.ContainerService, as blueprint.cluster."""

SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application that stands for the API of every AKS cluster with Entra ID, in all clouds."""

MOST_CONTEXT = 512 * 1024
"""Bytes of files that are sent with a command: what the service takes is not documented, a Secret holds 1 MiB."""

MOST_LOGS = 512 * 1024
_FORBIDDEN = "forbidden"
_LAG = 900.0
_UNPLACED_TRIES = 3
_PAUSE = 20.0
_SHOWN = 2000
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Ran:
    """What came of a command. ``logs`` is what it printed, errors included: hostile text for a terminal."""

    command: str
    exit_code: int
    logs: str

    def checked(self) -> Ran:
        """Return this, if the command succeeded.

        Raises:
            RefusedError: it did not.
        """
        if self.exit_code == 0:
            return self
        what = self.command.partition(" --")[0]
        raise failed("CommandFailed", f"{what} ended with {self.exit_code}: {_end(self.logs)}")

    def document(self) -> dict[str, Any]:
        """Return the JSON object that the command printed; warnings may stand before and after it.

        Raises:
            RefusedError: there is none.
        """
        if len(self.logs.encode()) >= MOST_LOGS:
            raise failed("OutputTruncated", f"{self.command} prints more than run-command keeps")
        start = self.logs.find("{")
        try:
            found, _ = json.JSONDecoder().raw_decode(self.logs[max(start, 0) :])
        except ValueError as error:
            raise failed("OutputUnreadable", f"{self.command} printed no JSON: {_end(self.logs)}") from error
        if not isinstance(found, dict):
            raise failed("OutputUnreadable", f"{self.command} printed no object: {_end(self.logs)}")
        return found


def run(hands: Hands, cluster: str, command: str, files: Mapping[str, bytes] | None = None) -> Ran:
    """Run a command in a cluster, and return what came of it.

    A cluster learns of a role within minutes: until then it forbids, and is asked again. So it is if the command's pod
    found no place. What is run must bear being run again.

    Raises:
        RefusedError: run-command is refused, or its pod never ran.
    """
    began, tries = hands.now(), 0
    while True:
        body = {"command": command, "context": context(files or {}), "clusterToken": hands.token(SERVER)}
        document = hands.post(f"{cluster}/runCommand", API_VERSION, body)
        state, code = at(document, "properties.provisioningState"), at(document, "properties.exitCode")
        logs = str(at(document, "properties.logs") or "")
        if code is None:
            tries += 1
            reason = at(document, "properties.reason") or "it does not say why"
            if tries == _UNPLACED_TRIES:
                raise failed("CommandNotRun", f"the pod of run-command did not run ({state}): {reason}")
            hands.wait(f"the pod of run-command did not run: {reason}", _PAUSE)
            continue
        if code != 0 and _FORBIDDEN in logs.lower() and hands.now() - began < _LAG:
            hands.wait("the cluster does not know yet that the caller administers it", _PAUSE)
            continue
        return Ran(command, int(code), logs)


def context(files: Mapping[str, bytes]) -> str:
    """Return files as run-command takes them: a zip archive in base64, the same for the same files.

    Raises:
        RefusedError: they are too many.
    """
    if not files:
        return ""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(files):
            made.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    text = base64.b64encode(archive.getvalue()).decode()
    if len(text) > MOST_CONTEXT:
        raise failed(
            "ContextTooLarge", f"the files of the command are {len(text)} bytes; {MOST_CONTEXT} are sent at most"
        )
    return text


def failed(code: str, message: str) -> RefusedError:
    """Return the error that the cluster's side of a step is: it is not worth trying again by itself."""
    return RefusedError(400, code, message, "", "")


def _end(logs: str) -> str:
    text = logs.strip()
    return text if len(text) <= _SHOWN else f"... {text[-_SHOWN:]}"
