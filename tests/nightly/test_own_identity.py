"""Evidence is stored by an identity of its own, if there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from lockdown.cloud import credentials, endpoints
from lockdown.errors import UsageError

CLOUD = endpoints.resolve(None, None)
ID = "00000000-0000-0000-0000-000000000001"


def test_who_stores(tmp_path: Path) -> None:
    signer = {"LOCKDOWN_SIGNING_CLIENT_ID": ID}
    own = {**signer, "LOCKDOWN_STORE_CLIENT_ID": ID, "AZURE_TENANT_ID": ID}
    token = {**own, "LOCKDOWN_STORE_FEDERATED_TOKEN_FILE": str(tmp_path)}
    secret = {**own, "LOCKDOWN_STORE_CLIENT_SECRET": "x"}
    for environment, kind in (
        ({}, DefaultAzureCredential),
        (signer, ManagedIdentityCredential),
        (own, ManagedIdentityCredential),
        (token, WorkloadIdentityCredential),
        (secret, ClientSecretCredential),
    ):
        assert isinstance(credentials.storing_credential(CLOUD, environment), kind)
    assert isinstance(credentials.signing_credential(CLOUD, token), ManagedIdentityCredential)


@pytest.mark.parametrize(
    "environment",
    [
        {"LOCKDOWN_STORE_TENANT_ID": ID},
        {"LOCKDOWN_STORE_CLIENT_ID": ID, "LOCKDOWN_STORE_CLIENT_SECRET": "x"},
        {
            "LOCKDOWN_STORE_CLIENT_ID": ID,
            "LOCKDOWN_STORE_CLIENT_SECRET": "x",
            "LOCKDOWN_STORE_FEDERATED_TOKEN_FILE": "x",
        },
    ],
)
def test_half_an_identity_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="LOCKDOWN_STORE_"):
        credentials.storing_credential(CLOUD, environment)
