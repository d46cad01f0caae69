"""Keys in a vault: the real client against the sandbox's data plane, and what people are told when it refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential

from lockdown.cloud import credentials, endpoints, key_vault
from lockdown.errors import ToolError, UntrustedError, UsageError
from lockdown.evidence import algorithms, dsse, trust
from lockdown.evidence.files import DirectoryFiles
from lockdown.evidence.keys import Signer, load_signer
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.vault_signer import VaultSigner
from lockdown.evidence.verify import verify
from lockdown.sandbox import roles
from lockdown.sandbox.server import Sandbox
from tests.conftest import Lockdown
from tests.evidence.handmade import write_run
from tests.sandbox.arm_client import ArmClient


@pytest.fixture(scope="module")
def azure() -> Iterator[Sandbox]:
    """A local Azure in which the operator may use keys, by a role on the subscription."""
    with Sandbox("empty", operation_seconds=0) as sandbox:
        arm = ArmClient(sandbox)
        path = f"{arm.base}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
        role = f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{roles.KEY_VAULT_CRYPTO_USER}"
        operator = sandbox.identity.applications["operator"].principal.object_id
        body = {"properties": {"roleDefinitionId": role, "principalId": operator}}
        arm.call("PUT", path, body, version="2022-04-01").raise_for_status()
        arm.close()
        yield sandbox


@pytest.fixture
def operator(azure: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    return as_principal(azure, "operator", monkeypatch)


def as_principal(sandbox: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    for variable, value in sandbox.environment(name).items():
        monkeypatch.setenv(variable, value)
    return sandbox


def opened(sandbox: Sandbox, key: str) -> Signer:
    return load_signer(f"azurekv:{key}", cloud=sandbox.url, authority=sandbox.url)


@pytest.mark.parametrize(("name", "algorithm"), [("evidence", "ES256"), ("evidence-rsa", "PS256")])
def test_a_run_signed_in_the_vault_verifies(operator: Sandbox, tmp_path: Path, name: str, algorithm: str) -> None:
    signer = opened(operator, operator.signing_key(name))
    assert isinstance(signer, VaultSigner)
    assert (signer.algorithm, signer.location) == (algorithm, None)
    run = write_run(tmp_path / "run")
    before = operator.requests
    sign_run(run, signer)
    assert operator.requests - before == 1, "one signature, and nothing else is asked"
    seal(run, signer)
    assert operator.requests - before == 2
    now = datetime.now(UTC)
    root = trust.new_root(signer.public_pem, lab=True, now=now)
    found = verify(DirectoryFiles(run), root, now=now)
    assert [check for check in found.checks if check.mark == "failed"] == []
    other = trust.new_root(opened(operator, operator.vault.add("other", curve="P-256")).public_pem, lab=True, now=now)
    assert verify(DirectoryFiles(run), other, now=now).exit_code == UntrustedError.exit_code


@pytest.mark.parametrize("name", ["evidence", "evidence-rsa"])
def test_openssl_verifies_it_with_the_commands_that_the_run_holds(operator: Sandbox, tmp_path: Path, name: str) -> None:
    signer = opened(operator, operator.signing_key(name))
    assert isinstance(signer, VaultSigner)
    run = write_run(tmp_path / "run")
    sign_run(run, signer)
    seal(run, signer)
    (tmp_path / "public.pem").write_text(signer.public_pem)
    lines = [line for line in (run / "VERIFY.txt").read_text().splitlines() if line.startswith("  ")]
    script = "\n".join(lines).replace("/path/to/public.pem", str(tmp_path / "public.pem"))
    done = subprocess.run(["sh", "-c", script], cwd=run, capture_output=True, text=True, check=False)
    assert done.stdout.count("Verified OK") == 2, done.stdout + done.stderr


def test_the_command_signs_with_a_vaults_key_and_an_identity_of_its_own(
    azure: Sandbox, lockdown: Lockdown, tmp_path: Path
) -> None:
    signer = azure.environment("operator")
    own = {f"LOCKDOWN_SIGNING_{name}": signer[f"AZURE_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")}
    key = f"azurekv:{azure.signing_key()}"
    arguments = ("audit", "--quiet", "--subscription", azure.subscription, "--key", key, "--out", tmp_path / "run")
    refused = lockdown(*arguments, env=azure.environment("auditor"))
    assert refused.code == 1
    assert "does not let this identity read" in refused.err
    assert "Key Vault Crypto User" in refused.err
    assert not (tmp_path / "run").exists()
    done = lockdown(*arguments, env={**azure.environment("auditor"), **own})
    assert done.code in (0, 5, 7), done.err
    envelope = dsse.parse((tmp_path / "run/run/run.dsse.json").read_bytes(), name="run")
    assert azure.identity.applications["auditor"].principal.object_id.encode() in envelope.payload
    assert len(envelope.key_id) == 64


def test_the_public_key_is_shown(azure: Sandbox, lockdown: Lockdown) -> None:
    done = lockdown("keys", "show", f"azurekv:{azure.signing_key('evidence-rsa')}", env=azure.environment("operator"))
    assert algorithms.of(done.out) == "PS256"
    assert f"Key {algorithms.key_id('PS256', done.out)} (PS256)." in done.err
    assert lockdown("keys", "show", "file:nothing.pem").code == 2


def test_no_key_disabled_expired_too_early_not_for_signing_and_the_wrong_kind(operator: Sandbox) -> None:
    now, vault = datetime.now(UTC), operator.vault
    wrong = {
        "There is no key": f"{operator.url}/keys/nothing/{uuid4().hex}",
        "is disabled": vault.add("disabled", curve="P-256", enabled=False),
        "expired at": vault.add("old", curve="P-256", expires=now - timedelta(days=1)),
        "is not valid before": vault.add("early", curve="P-256", not_before=now + timedelta(days=1)),
        "is not for signing": vault.add("wrap", bits=3072, operations=("wrapKey",)),
        "is on the curve P-384": vault.add("p384", curve="P-384"),
        "is RSA of 2048 bits": vault.add("small", bits=2048),
    }
    for told, key in wrong.items():
        with pytest.raises(UsageError, match=told):
            opened(operator, key)


def test_a_key_that_is_disabled_between_opening_and_signing(operator: Sandbox) -> None:
    signer = opened(operator, operator.vault.add("late", curve="P-256"))
    operator.vault.disable("late")
    with pytest.raises(ToolError, match=r"does not let this identity sign with .*disabled key"):
        signer.sign(b"data")


def test_a_signature_that_is_not_by_the_key_is_not_used(operator: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ec, rsa = (opened(operator, operator.signing_key(name)) for name in ("evidence", "evidence-rsa"))
    monkeypatch.setattr(key_vault.VaultKey, "sign", lambda _self, _digest: bytes(range(64)))
    for signer in (ec, rsa):
        with pytest.raises(ToolError, match="is not a signature by that key"):
            signer.sign(b"data")
    monkeypatch.setattr(key_vault.VaultKey, "sign", lambda _self, _digest: b"short")
    with pytest.raises(ToolError, match="5 bytes instead of the 64"):
        ec.sign(b"data")


def test_a_vault_that_cannot_be_reached_or_fails(operator: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    key = operator.signing_key()
    monkeypatch.setitem(key_vault._PATIENCE, "retry_total", 0)
    operator.fault("GET *keys* drop-before 1")
    with pytest.raises(ToolError, match="cannot be reached to read"):
        opened(operator, key)
    operator.fault("GET *keys* fail:500:InternalServerError 1")
    with pytest.raises(ToolError, match="answered 500 to read"):
        opened(operator, key)


def test_no_credential_is_accepted(operator: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKDOWN_SIGNING_CLIENT_ID", operator.environment("operator")["AZURE_CLIENT_ID"])
    monkeypatch.setenv("LOCKDOWN_SIGNING_CLIENT_SECRET", "wrong")
    with pytest.raises(ToolError, match=r"No credential was accepted to read .*AADSTS7000215"):
        opened(operator, operator.signing_key())


VERSION = "0" * 32


@pytest.mark.parametrize(
    ("host", "cloud"),
    [
        ("v.vault.azure.net", "AzureCloud"),
        ("V.Vault.Azure.Net", "AzureCloud"),
        ("h.managedhsm.azure.net", "AzureCloud"),
        ("v.vault.usgovcloudapi.net", "AzureUSGovernment"),
        ("h.managedhsm.usgovcloudapi.net", "AzureUSGovernment"),
        ("v.vault.azure.cn", "AzureChinaCloud"),
    ],
)
def test_the_host_names_the_cloud_whatever_the_audit_reads(host: str, cloud: str) -> None:
    place = key_vault.locate(f"https://{host}/keys/k/{VERSION}", "https://elsewhere.example", "elsewhere.example")
    assert (place.cloud, place.microsoft) == (endpoints.BUILT_IN[cloud], True)
    assert place.id == f"https://{host.lower()}/keys/k/{VERSION}"


@pytest.mark.parametrize(
    "url",
    [
        f"http://v.vault.azure.net/keys/k/{VERSION}",
        f"https://v.vault.azure.net/secrets/k/{VERSION}",
        f"https://v.vault.azure.net/keys/k/{VERSION}?x=1",
        f"https://v.vault.azure.net/keys/k/{VERSION}#x",
        f"https://user@v.vault.azure.net/keys/k/{VERSION}",
        f"https://v.vault.azure.net/keys/../k/{VERSION}",
        "https://v.vault.azure.net/keys/k/latest",
        "https://v.vault.azure.net/keys/k\u202e/0",
        "",
    ],
)
def test_what_is_no_key_id_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is not the id of a key"):
        key_vault.locate(url, None, None)


def test_a_key_without_its_version_is_refused() -> None:
    with pytest.raises(UsageError, match="names no version"):
        key_vault.locate("https://v.vault.azure.net/keys/k", None, None)


@pytest.mark.parametrize(
    "host", ["vault.azure.net.evil.example", "evilvault.azure.net", "vault.azure.net", "v.vault.azure.net:8443"]
)
def test_no_credential_is_shown_to_a_strange_host(host: str) -> None:
    with pytest.raises(UsageError, match="no credential is shown to it"):
        key_vault.locate(f"https://{host}/keys/k/{VERSION}", "AzureCloud", None)


def test_a_host_gets_no_token_for_another(operator: Sandbox) -> None:
    inner = credentials.credential(endpoints.resolve(operator.url, operator.url))
    bound = key_vault._ForOneHost(inner, operator.url.removeprefix("https://"))
    assert bound.get_token(f"{operator.url}/vault/.default").token
    with pytest.raises(ClientAuthenticationError, match="asked for a token for"):
        bound.get_token("https://management.azure.com/.default")


CLOUD = endpoints.BUILT_IN["AzureCloud"]
ID, TENANT = str(uuid4()), str(uuid4())


def test_the_signing_identity_is_told_by_the_environment(tmp_path: Path) -> None:
    base = {"LOCKDOWN_SIGNING_CLIENT_ID": ID}
    secret = {**base, "LOCKDOWN_SIGNING_CLIENT_SECRET": "x", "AZURE_TENANT_ID": TENANT}
    token = {**base, "LOCKDOWN_SIGNING_FEDERATED_TOKEN_FILE": str(tmp_path), "LOCKDOWN_SIGNING_TENANT_ID": TENANT}
    assert isinstance(credentials.signing_credential(CLOUD, secret), ClientSecretCredential)
    assert isinstance(credentials.signing_credential(CLOUD, token), WorkloadIdentityCredential)
    assert isinstance(credentials.signing_credential(CLOUD, base), ManagedIdentityCredential)
    for wrong in (
        {"LOCKDOWN_SIGNING_CLIENT_SECRET": "x"},
        {**base, "LOCKDOWN_SIGNING_CLIENT_SECRET": "x"},
        {**secret, "LOCKDOWN_SIGNING_FEDERATED_TOKEN_FILE": "y"},
    ):
        with pytest.raises(UsageError):
            credentials.signing_credential(CLOUD, wrong)


def test_the_algorithm_belongs_to_the_key(operator: Sandbox) -> None:
    signer = opened(operator, operator.signing_key("evidence-rsa"))
    assert isinstance(signer, VaultSigner)
    data = trust.written(trust.new_root(signer.public_pem, lab=True, now=datetime.now(UTC)))
    assert b'"algorithm": "PS256"' in data
    with pytest.raises(UntrustedError, match="not a P-256 key"):
        trust.parse(data.replace(b"PS256", b"ES256"), name="root")
    signature = signer.sign(b"data")
    assert algorithms.verify("PS256", signer.public_pem, b"data", signature)
    assert not algorithms.verify("PS256", signer.public_pem, b"datA", signature)
    assert not algorithms.verify("PS256", signer.public_pem, b"data", b"\0" + signature)
