"""Tokens: who gets one, what is in it, and what Resource Manager makes of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
import requests

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def refused(response: requests.Response) -> tuple[int, str, int]:
    body = response.json()
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
    assert set(body) >= {"timestamp", "trace_id", "correlation_id", "error_uri"}
    return response.status_code, body["error"], body["error_codes"][0]


def get(sandbox: Sandbox, authorization: str | None) -> requests.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    url = f"{sandbox.url}/subscriptions?api-version=2022-12-01"
    return requests.get(url, headers=headers, verify=str(sandbox.ca_file), timeout=10)


def test_a_token_is_a_signed_jwt_that_the_published_keys_verify(local_azure: Sandbox, arm: ArmClient) -> None:
    answer = arm.token().json()
    base = f"{local_azure.url}/{local_azure.tenant}/v2.0/.well-known/openid-configuration"
    configuration = arm.session.get(base).json()
    keys = arm.session.get(configuration["jwks_uri"]).json()
    key = jwt.PyJWK(keys["keys"][0])
    claims = jwt.decode(answer["access_token"], key, algorithms=["RS256"], audience=f"{local_azure.url}/")
    owner = local_azure.identity.applications["owner"].principal
    assert configuration["issuer"] == f"{local_azure.url}/{local_azure.tenant}/v2.0"
    assert (claims["oid"], claims["appid"], claims["tid"]) == (owner.object_id, owner.client_id, local_azure.tenant)
    assert claims["exp"] - claims["iat"] == answer["expires_in"] == 3600
    assert (answer["token_type"], jwt.get_unverified_header(answer["access_token"])["kid"]) == ("Bearer", key.key_id)


def test_the_first_token_endpoint_answers_in_text_and_names_the_resource(local_azure: Sandbox, arm: ArmClient) -> None:
    environment = local_azure.environment()
    form = {
        "grant_type": "client_credentials",
        "client_id": environment["AZURE_CLIENT_ID"],
        "client_secret": environment["AZURE_CLIENT_SECRET"],
        "resource": local_azure.url,
    }
    answer = arm.session.post(f"{local_azure.url}/{local_azure.tenant}/oauth2/token", data=form).json()
    assert (answer["resource"], answer["expires_in"]) == (local_azure.url, "3600")
    assert get(local_azure, f"Bearer {answer['access_token']}").status_code == 200


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"client_secret": "wrong"}, (401, "invalid_client", 7000215)),
        ({"client_secret": "wröng"}, (401, "invalid_client", 7000215)),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, (400, "unauthorized_client", 700016)),
        ({"scope": "https://vault.example//.default"}, (400, "invalid_resource", 500011)),
        ({"scope": "openid"}, (400, "invalid_scope", 1002012)),
        ({"scope": ""}, (400, "invalid_request", 900144)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"client_assertion": "x", "client_assertion_type": "y"}, (400, "invalid_request", 900144)),
        ({"client_assertion": "x", "client_assertion_type": ASSERTION}, (401, "invalid_client", 50027)),
    ],
)
def test_a_wrong_request_for_a_token_is_refused_as_entra_does(
    arm: ArmClient, changed: dict[str, str], expected: tuple[int, str, int]
) -> None:
    assert refused(arm.token(**changed)) == expected


def test_another_tenant_is_not_found(local_azure: Sandbox, arm: ArmClient) -> None:
    response = arm.session.post(f"{local_azure.url}/contoso/oauth2/v2.0/token", data={})
    assert refused(response) == (400, "invalid_request", 90002)


def workload(arm: ArmClient, assertion: str) -> requests.Response:
    return arm.token(client_assertion=assertion, client_assertion_type=ASSERTION)


def test_a_workload_gets_a_token_for_its_own_token(local_azure: Sandbox, arm: ArmClient) -> None:
    answer = workload(arm, local_azure.federated_token("owner")).json()
    assert get(local_azure, f"Bearer {answer['access_token']}").status_code == 200


def test_a_workload_token_that_is_not_meant_gets_none(local_azure: Sandbox, arm: ArmClient) -> None:
    other = local_azure.federated_token("auditor")
    assert refused(workload(arm, other)) == (401, "invalid_client", 700213)
    good = local_azure.identity.read(local_azure.federated_token("owner"))
    for claim, number in (("iss", 700211), ("aud", 700212)):
        forged = local_azure.identity.sign({**good, claim: "other"})
        assert refused(workload(arm, forged)) == (401, "invalid_client", number)
    expired = local_azure.identity.sign({**good, "exp": 1})
    assert refused(workload(arm, expired)) == (401, "invalid_client", 700024)
    strange = jwt.encode(good, "k" * 32, algorithm="HS256")
    assert refused(workload(arm, strange)) == (401, "invalid_client", 50027)


def challenge(response: requests.Response, sandbox: Sandbox) -> tuple[int, str]:
    assert f'authorization_uri="{sandbox.url}/{sandbox.tenant}"' in response.headers["WWW-Authenticate"]
    return error(response)


@pytest.mark.parametrize("authorization", [None, "Basic eA==", "Bearer", "Bearer "])
def test_no_token_no_entry(local_azure: Sandbox, authorization: str | None) -> None:
    assert challenge(get(local_azure, authorization), local_azure) == (401, "AuthenticationFailed")


@pytest.mark.parametrize(
    "path",
    [
        "/subscriptions/x/resourceGroups/oauth2/resources",
        "/a/b/oauth2/token",
        "/subscriptions/x/metadata/endpoints",
        "/a/b/common/discovery/instance",
        "/a/b/discovery/keys",
        "/providers/Microsoft.ResourceGraph/resources",
        "/",
    ],
)
def test_only_the_identity_service_and_the_metadata_are_open(local_azure: Sandbox, path: str) -> None:
    for method in ("GET", "POST"):
        url = f"{local_azure.url}{path}?api-version=2022-12-01"
        response = requests.request(method, url, verify=str(local_azure.ca_file), timeout=10)
        assert error(response) == (401, "AuthenticationFailed")


def test_a_token_must_be_ours_whole_and_for_us(local_azure: Sandbox) -> None:
    identity = local_azure.identity
    token = identity.access_token(identity.applications["owner"].principal, f"{local_azure.url}/", version=2)
    claims = identity.read(token)

    def answer(changed: str) -> tuple[int, str]:
        return challenge(get(local_azure, f"Bearer {changed}"), local_azure)

    assert answer(identity.sign({**claims, "exp": 1})) == (401, "ExpiredAuthenticationToken")
    assert answer(identity.sign({**claims, "aud": "https://graph"})) == (401, "InvalidAuthenticationTokenAudience")
    assert answer(identity.sign({**claims, "tid": "other"})) == (401, "InvalidAuthenticationTokenTenant")
    assert answer(identity.sign({**claims, "nbf": 99999999999})) == (401, "InvalidAuthenticationToken")
    assert answer("not-a-token") == (401, "InvalidAuthenticationToken")
    assert answer(identity.federated_token("owner")) == (401, "InvalidAuthenticationTokenAudience")
    assert answer(_unsigned(claims)) == (401, "InvalidAuthenticationToken")
    header, _, signature = token.split(".")
    swapped = base64.urlsafe_b64encode(json.dumps({**claims, "appid": "x"}).encode()).rstrip(b"=").decode()
    assert answer(f"{header}.{swapped}.{signature}") == (401, "InvalidAuthenticationToken")


def _unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none")


def test_a_token_expires_with_the_clock() -> None:
    with Sandbox("empty") as sandbox:
        client = ArmClient(sandbox)
        assert client.call("GET", "/subscriptions").status_code == 200
        sandbox.clock.advance(3601)
        assert error(client.call("GET", "/subscriptions")) == (401, "ExpiredAuthenticationToken")
        client.close()


def test_credentials_and_authority_are_new_at_every_start() -> None:
    with Sandbox("empty") as first, Sandbox("empty") as second:
        one, two = first.environment(), second.environment()
        for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
            assert one[name] != two[name]
        assert first.ca_file.read_bytes() != second.ca_file.read_bytes()
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(first.url, verify=str(second.ca_file), timeout=10)
