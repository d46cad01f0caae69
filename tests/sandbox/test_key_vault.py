"""The vault's data plane without the SDK: tokens, roles and the shapes of refusals."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient

VERSION = "7.5"


def token(client: ArmClient, audience: str) -> str:
    found: str = client.token(scope=f"{audience}/.default").json()["access_token"]
    return found


def ask(client: ArmClient, url: str, *, bearer: str = "", method: str = "GET", **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {"Authorization": ""}
    params = {"api-version": VERSION} | more.pop("params", {})
    return client.session.request(method, url, headers=headers, params=params, **more)


def test_without_a_token_it_challenges_with_its_own_audience(arm: ArmClient, local_azure: Sandbox) -> None:
    answer = ask(arm, local_azure.signing_key())
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "Unauthorized"
    assert f'resource="{local_azure.url}/vault"' in answer.headers["WWW-Authenticate"]
    assert f'authorization="{local_azure.url}/{local_azure.tenant}"' in answer.headers["WWW-Authenticate"]


def test_a_token_for_arm_is_not_one_for_the_vault(arm: ArmClient, local_azure: Sandbox) -> None:
    answer = ask(arm, local_azure.signing_key(), bearer=token(arm, local_azure.url))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")
    assert "AKV10022" in answer.json()["error"]["message"]


def test_a_token_for_the_vault_is_not_one_for_arm(arm: ArmClient, local_azure: Sandbox) -> None:
    answer = ask(arm, f"{local_azure.url}/subscriptions", bearer=token(arm, f"{local_azure.url}/vault"))
    assert answer.status_code == 401


def test_an_owner_has_no_right_to_keys(arm: ArmClient, local_azure: Sandbox) -> None:
    bearer = token(arm, f"{local_azure.url}/vault")
    answer = ask(arm, local_azure.signing_key(), bearer=bearer)
    assert (answer.status_code, answer.json()["error"]["innererror"]) == (403, {"code": "ForbiddenByRbac"})
    assert "Microsoft.KeyVault/vaults/keys/read" in answer.json()["error"]["message"]
    assert ask(arm, f"{local_azure.url}/keys", bearer=bearer).status_code == 403, "nor to the list of them"


@pytest.mark.parametrize("bearer", ["nonsense", "a.b.c"])
def test_a_token_that_is_none(arm: ArmClient, local_azure: Sandbox, bearer: str) -> None:
    assert ask(arm, local_azure.signing_key(), bearer=bearer).status_code == 401


def test_what_the_caller_must_say(arm: ArmClient, local_azure: Sandbox) -> None:
    bearer = token(arm, f"{local_azure.url}/vault")
    for version in ("", "1999-01-01"):
        answer = ask(arm, local_azure.signing_key(), bearer=bearer, params={"api-version": version})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")
