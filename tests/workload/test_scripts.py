"""What runs in the Jobs, run here: against an API of a cluster and an Entra of this test, and a real PostgreSQL."""

from __future__ import annotations

import base64
import http.server
import json
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
import trustme

from lockdown.data import tree

SCRIPTS = Path(str(tree("provision"))) / "workload" / "scripts"


class Api(http.server.BaseHTTPRequestHandler):
    """Secrets of one namespace, tokens, and blobs: as much of each as the scripts ask for."""

    held: ClassVar[dict[str, dict[str, str]]] = {}
    asked: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - http.server's names

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, dict(self.headers), body))
        name = self.path.rpartition("/")[2]
        status, answer = 200, b"{}"
        if self.path.endswith("/oauth2/v2.0/token"):
            answer = json.dumps({"access_token": "a-token-of-entra"}).encode()
        elif "/secrets" in self.path:
            status, answer = self._secret(name, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _secret(self, name: str, body: bytes) -> tuple[int, bytes]:
        if self.headers["Authorization"] != "Bearer of-the-pod":
            return 401, b"{}"
        if self.command == "GET":
            found = self.held.get(name)
            return (404, b"{}") if found is None else (200, json.dumps({"data": found}).encode())
        sent = json.loads(body)
        if self.command == "POST":
            made = sent["metadata"]["name"]
            if made in self.held:
                return 409, b"{}"
            texts = sent["stringData"].items()
            self.held[made] = {key: base64.b64encode(value.encode()).decode() for key, value in texts}
            return 201, body
        self.held[name] |= sent["data"]
        return 200, b"{}"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        del format, args


@pytest.fixture
def api(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of a pod that stands in front of such an API."""
    authority = trustme.CA()
    account = tmp_path / "account"
    account.mkdir()
    authority.cert_pem.write_to_path(account / "ca.crt")
    (account / "token").write_text("of-the-pod\n", encoding="utf-8")
    (account / "namespace").write_text("coa", encoding="utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    Api.held, Api.asked = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = str(server.server_address[1])
    yield {
        "PATH": os.environ["PATH"],
        "ACCOUNT_FOLDER": str(account),
        "KUBERNETES_SERVICE_HOST": "localhost",
        "KUBERNETES_SERVICE_PORT": port,
        "SSL_CERT_FILE": str(account / "ca.crt"),
        "AZURE_FEDERATED_TOKEN_FILE": str(account / "token"),
        "AZURE_CLIENT_ID": "the-client",
        "AZURE_TENANT_ID": "the-tenant",
        "AZURE_AUTHORITY_HOST": f"https://localhost:{port}/",
        "TOKEN_SCOPE": "https://storage.azure.com/.default",
        "BLOB_HOST": f"localhost:{port}",
        "PGUSER": "setup",
    }
    server.shutdown()
    server.server_close()


def run(script: str, variables: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPTS / script), *arguments],
        env=variables, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def secret(name: str, key: str) -> str:
    return base64.b64decode(Api.held[name][key]).decode()


def test_passwords_are_drawn_once_stored_and_never_printed(api: dict[str, str]) -> None:
    said = run("passwords.py", api)
    drawn = {name: secret(f"{name}-database", "password") for name in ("cromwell", "tes")}
    assert len(set(drawn.values())) == 2
    assert all(len(value) == 64 for value in drawn.values())
    assert secret("cromwell-database", "database.conf") == f'database.db.password = "{drawn["cromwell"]}"\n'
    assert json.loads(secret("tes-database", "tes.json"))["TesPostgreSql"]["DatabaseUserPassword"] == drawn["tes"]
    trigger = json.loads(secret("tes-database", "triggerservice.json"))
    assert trigger["CromwellApiClient"]["BaseUrl"] == "http://cromwell:8000"
    first = secret("database-verifiers", "tes")
    said += run("passwords.py", api)
    assert {name: secret(f"{name}-database", "password") for name in drawn} == drawn
    assert secret("database-verifiers", "tes") != first
    assert not [value for value in drawn.values() if value in said or value in first]
    assert not [path for _, path, _, _ in Api.asked if any(value in path for value in drawn.values())]


def test_a_secret_of_a_cluster_that_refuses_is_an_error(api: dict[str, str]) -> None:
    Path(api["ACCOUNT_FOLDER"], "token").write_text("of-another", encoding="utf-8")
    with pytest.raises(AssertionError, match="401"):
        run("passwords.py", api)


def test_the_token_for_the_database_is_a_file_for_psql_alone(api: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "pgpass"
    said = run("entra.py", api, str(target))
    assert target.read_text(encoding="utf-8") == "*:*:*:setup:a-token-of-entra\n"
    assert target.stat().st_mode & 0o777 == 0o600
    assert "a-token" not in said
    form = parse_qs(Api.asked[-1][3].decode())
    assert form["client_assertion"] == ["of-the-pod"]
    assert form["client_id"] == ["the-client"]
    assert Api.asked[-1][1] == "/the-tenant/oauth2/v2.0/token"


def test_blobs_are_written_with_a_token(api: dict[str, str], tmp_path: Path) -> None:
    for name in ("entra.py", "blobs.py"):
        shutil.copy(SCRIPTS / name, tmp_path / name)
    (tmp_path / "sizes").write_text("Standard_D2s_v5\n", encoding="utf-8")
    blobs = {**api, "BLOBS": "tes-internal/configuration/allowed-vm-sizes=sizes"}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "blobs.py")], env=blobs, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    method, path, headers, body = Api.asked[-1]
    assert (method, path, body) == ("PUT", "/tes-internal/configuration/allowed-vm-sizes", b"Standard_D2s_v5\n")
    lower = {name.lower(): value for name, value in headers.items()}
    assert lower["authorization"] == "Bearer a-token-of-entra"
    assert lower["x-ms-blob-type"] == "BlockBlob"


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """Return the environment of psql in front of a real server that knows passwords, with the two databases."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None or shutil.which("psql") is None:
        pytest.skip("there is no PostgreSQL on this machine (Debian package postgresql)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(f"/tmp/lockdown-postgres-{os.getpid()}-{port}")  # noqa: S108 - the server's socket has a short path
    folder.mkdir(mode=0o755)
    (folder / "admin").write_text("of-the-administrator", encoding="utf-8")
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    extra: dict[str, Any] = {"user": user} if os.geteuid() == 0 else {}

    def do(*words: str, check: bool = True) -> None:
        subprocess.run(words, check=check, capture_output=True, cwd=folder, timeout=120, **extra)

    data = folder / "data"
    made = ["--username=coa_admin", f"--pwfile={folder}/admin", "--auth=scram-sha-256", "--encoding=UTF8"]
    try:
        do(str(programs / "initdb"), f"--pgdata={data}", *made, "--locale=C.UTF-8")
        options = f"-p {port} -k {folder} -c log_statement=all"
        log = str(folder / "log")
        do(str(programs / "pg_ctl"), "-D", str(data), "-l", log, "-w", "-o", options, "start")
        login = {
            "PATH": os.environ["PATH"], "PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "coa_admin",
            "PGPASSWORD": "of-the-administrator", "PGDATABASE": "postgres", "LOG": log, "LANG": "C.UTF-8",
        }  # fmt: skip
        psql(login, "CREATE DATABASE cromwell_db")
        psql(login, "CREATE DATABASE tes_db")
        yield login
    finally:
        do(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop", check=False)
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


def psql(login: dict[str, str], *statements: str) -> str:
    commands = [f"--command={each}" for each in statements]
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--set=ON_ERROR_STOP=1", *commands],
        env=login, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_users_log_in_with_the_passwords_that_the_server_never_saw(
    api: dict[str, str], database: dict[str, str], tmp_path: Path
) -> None:
    run("passwords.py", api)
    for name in ("cromwell", "tes"):
        (tmp_path / name).write_text(secret("database-verifiers", name), encoding="utf-8")
    sql = (SCRIPTS / "users.sql").read_text(encoding="utf-8").replace("/verifiers/", f"{tmp_path}/")
    (tmp_path / "users.sql").write_text(sql, encoding="utf-8")
    for _ in range(2):  # It bears being run again.
        done = subprocess.run(
            ["psql", "--no-psqlrc", "--no-password", "--set=ON_ERROR_STOP=1", f"--file={tmp_path}/users.sql"],
            env=database, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name in ("cromwell", "tes"):
        drawn = secret(f"{name}-database", "password")
        own = {**database, "PGUSER": name, "PGPASSWORD": drawn, "PGDATABASE": f"{name}_db"}
        psql(own, "CREATE TABLE IF NOT EXISTS mine (id int)", "INSERT INTO mine VALUES (1)")
        other = {**own, "PGDATABASE": "tes_db" if name == "cromwell" else "cromwell_db"}
        with pytest.raises(AssertionError, match="permission denied for database"):
            psql(other, "SELECT 1")
        with pytest.raises(AssertionError, match="permission denied"):
            psql(own, "CREATE ROLE another")
        with pytest.raises(AssertionError, match="password authentication failed"):
            psql({**own, "PGPASSWORD": "guessed"}, "SELECT 1")
        assert drawn not in Path(database["LOG"]).read_text(encoding="utf-8")
