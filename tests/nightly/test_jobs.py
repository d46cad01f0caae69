"""The scripts of the ready workflows, run as the services would, against local Azures: who reads, signs and tells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from lockdown.evidence import keys
from lockdown.sandbox import roles
from lockdown.sandbox.server import Sandbox
from tests.conftest import AZURE as AZURES
from tests.nightly.arm import Person
from tests.nightly.loopback import Answer, Asked, Server, serving
from tests.nightly.runner import ACTION, Job, Runner, copied, shim
from tests.nightly.test_ci_files import AZURE, GITHUB, as_azure_reads, plain
from tests.nightly.test_tickets import TOKEN, Boards, GitHub

if TYPE_CHECKING:
    from tests.conftest import Lockdown


@dataclass
class Services:
    """The token service of a runner, a tracker, and a webhook that can be down, on one loopback server."""

    sandboxes: dict[str, Sandbox]
    tracker: GitHub | Boards
    webhook: int = 200
    told: list[Any] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.startswith("/oidc/"):
            job, _, query = asked.path.removeprefix("/oidc/").partition("?")
            if "audience=api%3A%2F%2FAzureADTokenExchange" not in query or asked.headers["Authorization"] != "bearer b":
                return Answer(403)
            principal = {"collect": "auditor", "sign": "operator"}[job]
            return Answer(body=json.dumps({"value": self.sandboxes[job].federated_token(principal)}).encode())
        if asked.path == "/hook":
            self.told.append(asked.json)
            return Answer(self.webhook)
        return self.tracker(asked)


@dataclass
class Place:
    """An environment, a vault in another subscription, and a machine that has lockdown."""

    folder: Path
    environment: Sandbox
    vault: Sandbox
    services: Services
    server: Server
    trusted: Path
    opened: str = ""

    def of(self, sandbox: Sandbox) -> dict[str, str]:
        """What a machine needs to use a local Azure in the place of the real one."""
        return {
            "LOCKDOWN_CLOUD": sandbox.url,
            "AZURE_AUTHORITY_HOST": sandbox.url,
            "SSL_CERT_FILE": str(self.trusted),
            "REQUESTS_CA_BUNDLE": str(self.trusted),
            "no_proxy": "127.0.0.1,localhost",
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }

    @property
    def key(self) -> str:
        return f"azurekv:{self.vault.signing_key()}"

    def open_something(self) -> None:
        """Let somebody open a storage account, and remember which."""
        person = Person(self.environment, "operator", "operator-script")
        account = next(one for one in person.all("Microsoft.Storage/storageAccounts") if one["name"].endswith("logs"))
        person.call("PATCH", account["id"], "2024-01-01", {"properties": {"publicNetworkAccess": "Enabled"}})
        self.opened = str(account["name"])


@pytest.fixture(params=["github", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path, lockdown: Lockdown) -> Iterator[Place]:
    tracker: GitHub | Boards = GitHub() if request.param == "github" else Boards()
    with ExitStack() as stack:
        environment = stack.enter_context(Sandbox("coa-private", operation_seconds=0))
        vault = stack.enter_context(Sandbox("empty", operation_seconds=0))
        services = Services({"collect": environment, "sign": vault}, tracker)
        server = stack.enter_context(serving(tmp_path, services))
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(b"".join(x.ca_file.read_bytes() for x in (environment, vault, server)))
        owner = Person(vault, "owner", "az")
        role = f"{owner.base}/providers/Microsoft.Authorization/roleDefinitions/{roles.KEY_VAULT_CRYPTO_USER}"
        signer = vault.environment("operator")["LOCKDOWN_SANDBOX_OBJECT_ID"]
        assignment = f"{owner.base}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
        owner.call("PUT", assignment, "2022-04-01", {"properties": {"roleDefinitionId": role, "principalId": signer}})
        made = Place(tmp_path, environment, vault, services, server, trusted)
        shim(tmp_path / "bin")
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        shutil.copy(environment.config_file, workspace / "lockdown.yaml")
        keys.generate(tmp_path / "root")
        shown = lockdown("keys", "show", made.key, env=vault.environment("operator"))
        (tmp_path / "public.pem").write_text(shown.out, "utf-8")
        root = ("--root-key", f"file:{tmp_path}/root/private.pem", "--public-key", tmp_path / "public.pem", "--lab")
        assert lockdown("trust", "init", *root, "--out", workspace / "trust-root.json").code == 0
        yield made


def night(place: Place, baseline: str) -> dict[str, Job]:
    """Run the jobs of the workflow in their order; what one leaves in night/ is handed to the next."""
    workflow = plain(GITHUB[0])
    found: dict[str, Job] = {}
    kept = place.folder / "artefact"
    for name, sandbox in (("collect", place.environment), ("sign", place.vault), ("tell", None)):
        workspace = place.folder / "workspace"
        shutil.rmtree(workspace / "night", ignore_errors=True)
        if name != "collect" and kept.exists():
            copied(kept, workspace / "night")
        settings = {
            "vars.AZURE_TENANT_ID": sandbox.tenant if sandbox else "",
            "vars.LOCKDOWN_COLLECT_CLIENT_ID": place.environment.environment("auditor")["AZURE_CLIENT_ID"],
            "vars.LOCKDOWN_SIGN_CLIENT_ID": place.vault.environment("operator")["AZURE_CLIENT_ID"],
            "vars.LOCKDOWN_STORE_CLIENT_ID": "",
            "vars.LOCKDOWN_SUBSCRIPTION_ID": place.environment.subscription,
            "vars.LOCKDOWN_BASELINE": baseline,
            "vars.LOCKDOWN_KEY": place.key,
            "vars.LOCKDOWN_STORE": f"file:{place.folder}/store",
            "secrets.LOCKDOWN_WEBHOOK": f"{place.server.url}/hook",
            "github.token": TOKEN,
            "github.server_url": "https://github.example",
            "github.repository": "research/enclave",
            "github.run_id": "1",
        }
        oidc = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{place.server.url}/oidc/{name}?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "b",
        }
        told = {"GITHUB_API_URL": f"{place.server.url}/api/v3", "GITHUB_REPOSITORY": "research/enclave"}
        runner = Runner(workspace, settings, place.of(sandbox or place.environment), len(list(place.folder.iterdir())))
        found[name] = runner.job(workflow["jobs"][name], told if name == "tell" else oidc)
        if name != "tell" and found[name].code == 0:
            copied(workspace / "night", kept)
    return found


@pytest.mark.parametrize("place", ["github"], indirect=True)
def test_github_nights(place: Place, lockdown: Lockdown) -> None:
    first = night(place, "")
    assert (first["collect"].code, first["sign"].code) == (0, 0), first["collect"].log + first["sign"].log
    code = int(first["collect"].outputs["exit-code"])
    assert code == 0
    assert first["tell"].code == code
    assert "## lockdown: " in first["tell"].summary
    assert place.services.tracker.issues == []  # type: ignore[union-attr]
    kept = place.folder / "workspace/night"
    trust = ("--trust", place.folder / "workspace/trust-root.json")
    assert lockdown("verify", kept / "signed", *trust, "--allow-partial", "--replay").code == 0
    assert lockdown("history", "--store", f"file:{place.folder}/store", *trust).code == 0
    (archive,) = (kept / "handed-over").iterdir()
    shutil.copy(archive, place.folder / "workspace/baseline.zip")

    place.open_something()
    place.services.webhook = 500
    second = night(place, "baseline.zip")
    assert second["collect"].outputs["exit-code"] == "8", second["collect"].log
    assert second["sign"].code == 0, second["sign"].log
    assert second["tell"].code == 8
    assert "::warning title=lockdown::Not everybody could be told (exit code 1). The run is kept" in second["tell"].log
    assert "::error title=lockdown::Something drifted (exit code 8)." in second["tell"].log
    assert place.opened in second["tell"].summary
    assert (kept / "signed/report/report.html").is_file()
    sarif = json.loads((kept / "code-scanning.sarif").read_bytes())
    assert any(place.opened in json.dumps(result) for result in sarif["runs"][0]["results"])
    issues = place.services.tracker.issues  # type: ignore[union-attr]
    assert issues
    assert len(issues) == len({issue["title"] for issue in issues})
    assert place.opened not in json.dumps(issues)
    assert {told["type"] for told in place.services.told} == {"message"}
    for log in (job.log for done in (first, second) for job in done.values()):
        assert "/hook" not in log
        assert TOKEN not in log
        # The runner takes the line that asks it to mask a token, and shows it to nobody.
        assert "eyJ" not in "".join(line for line in log.splitlines() if not line.startswith("::add-mask::"))
    tokens = [path for path in (place.folder / "temporary").iterdir() if path.suffix == ".token"]
    assert tokens
    assert {path.stat().st_mode & 0o777 for path in tokens} == {0o600}


@pytest.mark.parametrize("place", ["github"], indirect=True)
def test_a_night_that_cannot_be_collected_is_red_and_signs_nothing(place: Place) -> None:
    (place.folder / "workspace/lockdown.yaml").write_text("scope: [", "utf-8")
    found = night(place, "")
    assert found["collect"].code == 2
    assert "::error title=lockdown::There is no run: exit code 2." in found["collect"].log
    assert found["sign"].code != 0
    assert found["tell"].code == 1
    assert "There is no run" in found["tell"].log
    assert not (place.folder / "store").exists()


def scripts(stage: str) -> list[tuple[str, dict[str, str]]]:
    """Return the scripts of a stage of the pipeline, with the environment that the file gives each."""
    (found,) = (one for one in as_azure_reads(AZURE[0])["stages"] if one["stage"] == stage)
    steps = [step for job in found["jobs"] for step in job["steps"]]
    told = [(step.get("bash") or step.get("inputs", {}).get("inlineScript", ""), step.get("env", {})) for step in steps]
    return [(script, env) for script, env in told if script]


@pytest.mark.parametrize("place", ["azure"], indirect=True)
def test_azure_pipelines_nights(place: Place, lockdown: Lockdown) -> None:  # noqa: PLR0915 - one story
    source = place.folder / "source"
    shutil.copytree(ACTION, source / ".github/actions/lockdown")
    git = ["git", "-C", str(source), "-c", "user.name=x", "-c", "user.email=x@research.example"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    def stage(name: str, number: int, baseline: str) -> tuple[list[int], str]:
        """Run a stage on a machine of its own, and return the exit code of each script, and its log."""
        machine = place.folder / f"{name}-{number}"
        (machine / "temporary").mkdir(parents=True)
        copied(place.folder / "workspace", machine / "environment")
        copied(source, machine / "lockdown")
        for artefact in ("collected", "signed"):
            kept = place.folder / f"{artefact}-{number}"
            if kept.exists() and name != "collect":
                copied(kept, machine / artefact)
        sandbox = place.vault if name == "sign" else place.environment
        principal = "operator" if name == "sign" else "auditor"
        variables = {
            "Pipeline.Workspace": str(machine),
            "LOCKDOWN_SUBSCRIPTION_ID": place.environment.subscription,
            "LOCKDOWN_BASELINE": baseline,
            "LOCKDOWN_KEY": place.key,
            "LOCKDOWN_STORE": f"file:{place.folder}/store",
            **({"LOCKDOWN_WEBHOOK_URL": f"{place.server.url}/hook"} if number > 1 else {}),
            "System.AccessToken": TOKEN,
            "System.CollectionUri": f"{place.server.url}/org/",
            "System.TeamProjectId": "1",
            "Build.BuildId": "2",
        }
        agent = {
            "AGENT_TEMPDIRECTORY": str(machine / "temporary"),
            "PIPELINE_WORKSPACE": str(machine),
            "LOCKDOWN_COMMIT": commit,
            "SYSTEM_COLLECTIONURI": f"{place.server.url}/org/",
            "SYSTEM_TEAMPROJECT": "Research Enclave",
            "servicePrincipalId": sandbox.environment(principal)["AZURE_CLIENT_ID"],
            "tenantId": sandbox.tenant,
            "idToken": sandbox.federated_token(principal),
        }
        codes, log = [], ""
        for script, env in scripts(name):
            given = {key: _expanded(value, variables) for key, value in env.items()}
            clean = {k: v for k, v in os.environ.items() if not k.startswith((*AZURES, "GITHUB_", "RUNNER_"))}
            ran = subprocess.run(
                ["bash", "--noprofile", "--norc", "-c", script],
                cwd=machine / "environment",
                env={**clean, **place.of(sandbox), **agent, **given},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=500,
                check=False,
            )
            codes.append(ran.returncode)
            log += ran.stdout
        left, kept_as = {"collect": ("night", "collected"), "sign": ("collected", "signed"), "tell": ("night", "told")}[
            name
        ]
        if (machine / left).exists():
            copied(machine / left, place.folder / f"{kept_as}-{number}")
        return codes, log

    codes, log = stage("collect", 1, "")
    assert codes == [0], log
    codes, log = stage("sign", 1, "")
    assert codes == [0, 0], log
    ended = int((place.folder / "signed-1/exit-code").read_text("utf-8"))
    assert stage("tell", 1, "")[0] == [0, ended, 0]
    (archive,) = (place.folder / "signed-1/handed-over").iterdir()
    shutil.copy(archive, place.folder / "workspace/baseline.zip")

    place.open_something()
    place.services.webhook = 404
    assert stage("collect", 2, "baseline.zip")[0] == [0]
    assert stage("sign", 2, "baseline.zip")[0] == [0, 0]
    codes, log = stage("tell", 2, "baseline.zip")
    assert codes == [0, 8, 0], log
    assert "##vso[task.logissue type=warning]lockdown: Not everybody could be told (exit code 1)." in log
    assert "##vso[task.logissue type=error]lockdown: Something drifted (exit code 8)." in log
    summary = [line for line in log.splitlines() if line.startswith("##vso[task.uploadsummary]")]
    assert place.opened in Path(summary[0].removeprefix("##vso[task.uploadsummary]")).read_text("utf-8")
    assert place.services.tracker.items  # type: ignore[union-attr]
    assert "/hook" not in log
    assert TOKEN not in log
    trust = ("--trust", place.folder / "workspace/trust-root.json")
    assert lockdown("verify", place.folder / "signed-2/signed", *trust, "--allow-partial").code == 0
    assert lockdown("history", "--store", f"file:{place.folder}/store", *trust).code == 0


def _expanded(text: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"$({name})", value)
    return text


def test_no_token_without_the_permission(tmp_path: Path) -> None:
    for env in ({}, {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}):
        done = subprocess.run(
            ["python3", ACTION / "federate.py", tmp_path / "token"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "id-token: write" in done.stderr
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize(
    "answer", [Answer(403, b"S3cr3t"), Answer(302, headers={"Location": "/x"}), Answer(body=b"[]")]
)
def test_a_token_service_that_gives_none(answer: Answer, tmp_path: Path) -> None:
    with serving(tmp_path, lambda _: answer) as server:
        env = {
            **server.environment,
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/?x=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "S3cr3t",
        }
        done = subprocess.run(
            ["python3", ACTION / "federate.py", tmp_path / "token"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert len(server.asked) == 1
    assert (done.returncode, done.stdout) == (1, "")
    assert "did not give a token" in done.stderr
    assert "S3cr3t" not in done.stderr
    assert not (tmp_path / "token").exists()
