"""Draws the passwords of Cromwell and TES inside the cluster, and stores them as Secrets of its namespace.

What is there stays: a password is drawn once. What is made of it (the files that Cromwell, TES and TriggerService
read, the verifiers that the database gets) is written again each time. Nothing of it is printed.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ACCOUNT = Path(os.environ.get("ACCOUNT_FOLDER", "/var/run/secrets/kubernetes.io/serviceaccount"))
HOST = os.environ["KUBERNETES_SERVICE_HOST"]
PORT = os.environ["KUBERNETES_SERVICE_PORT"]
ROUNDS = 4096
ABSENT, EXISTS = 404, 409


def main() -> None:
    """Make sure that each Secret is there and says what it should."""
    cromwell, tes = password("cromwell-database"), password("tes-database")
    cromwell = keep("cromwell-database", cromwell, cromwell_files)
    tes = keep("tes-database", tes, tes_files)
    write("database-verifiers", {"cromwell": verifier(cromwell), "tes": verifier(tes)})
    sys.stdout.write("The passwords of cromwell and tes are stored.\n")


def cromwell_files(drawn: str) -> dict[str, str]:
    """Return what Cromwell includes in its configuration."""
    return {"password": drawn, "database.conf": f'database.db.password = "{drawn}"\n'}


def tes_files(drawn: str) -> dict[str, str]:
    """Return what TES reads beside its settings, and what TriggerService reads instead of its own."""
    login = {"TesPostgreSql": {"DatabaseUserPassword": drawn}}
    trigger = {"CromwellApiClient": {"BaseUrl": "http://cromwell:8000"}, **login}
    return {"password": drawn, "tes.json": json.dumps(login), "triggerservice.json": json.dumps(trigger)}


def keep(name: str, found: str | None, files: Callable[[str], dict[str, str]]) -> str:
    """Store a password that is new, or that is there; return the one that counts, if another Job was quicker."""
    drawn = found or secrets.token_urlsafe(48)
    if not found and not create(name, files(drawn)):
        drawn = password(name) or drawn
    write(name, files(drawn))
    return drawn


def verifier(drawn: str) -> str:
    """Return what PostgreSQL stores of a password (RFC 5803, SCRAM-SHA-256): the password does not follow from it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", drawn.encode(), salt, ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ROUNDS}:{text(salt)}${text(stored)}:{text(server)}"


def password(name: str) -> str | None:
    """Return the password in a Secret, or None."""
    try:
        found = call("GET", f"/{name}")
    except urllib.error.HTTPError as error:
        if error.code != ABSENT:
            raise
        return None
    return base64.b64decode(found["data"]["password"]).decode()


def create(name: str, files: dict[str, str]) -> bool:
    """Make a Secret; return False if it is there already."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": files}
    try:
        call("POST", "", body)
    except urllib.error.HTTPError as error:
        if error.code != EXISTS:
            raise
        return False
    return True


def write(name: str, files: dict[str, str]) -> None:
    """Make a Secret, or change what it says."""
    if not create(name, files):
        call("PATCH", f"/{name}", {"data": {key: text(value.encode()) for key, value in files.items()}})


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the cluster's API about the Secrets of this namespace."""
    namespace = (ACCOUNT / "namespace").read_text().strip()
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    request = urllib.request.Request(
        f"https://{HOST}:{PORT}/api/v1/namespaces/{namespace}/secrets{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}", "Content-Type": kind},
    )
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trusted, timeout=30) as answer:  # noqa: S310
        return dict(json.load(answer))


def text(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
