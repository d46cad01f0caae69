"""A plain client of a sandbox, as a person with curl would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from lockdown.sandbox.server import Sandbox

NETWORK = "2024-05-01"


class ArmClient:
    """Calls Resource Manager as one of the sandbox's principals."""

    def __init__(self, sandbox: Sandbox, principal: str = "owner") -> None:
        self.sandbox = sandbox
        self.principal = principal
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(sandbox.ca_file)
        self.base = f"/subscriptions/{sandbox.subscription}"

    def close(self) -> None:
        self.session.close()

    def token(self, **changed: str) -> requests.Response:
        """Ask for a token; ``changed`` replaces fields of the form."""
        environment = self.sandbox.environment(self.principal)
        form = {
            "grant_type": "client_credentials",
            "client_id": environment["AZURE_CLIENT_ID"],
            "client_secret": environment["AZURE_CLIENT_SECRET"],
            "scope": f"{self.sandbox.url}//.default",
        }
        url = f"{self.sandbox.url}/{self.sandbox.tenant}/oauth2/v2.0/token"
        return self.session.post(url, data=form | changed)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str | None = NETWORK,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request with a token that is valid."""
        if "Authorization" not in self.session.headers:
            self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"
        url = path if path.startswith("https:") else self.sandbox.url + path
        params = {**(query or {}), **({"api-version": version} if version else {})}
        return self.session.request(method, url, params=params, json=body, headers=headers)

    def group(self, name: str, location: str = "westeurope") -> str:
        """Make a resource group; return its id."""
        path = f"{self.base}/resourceGroups/{name}"
        self.call("PUT", path, {"location": location}, version="2024-11-01").raise_for_status()
        return path

    def made(self, path: str, properties: Mapping[str, Any], **members: Any) -> dict[str, Any]:
        """PUT a resource in westeurope that must be accepted; return its body."""
        response = self.call("PUT", path, {"location": "westeurope", "properties": properties, **members})
        assert response.status_code in (200, 201), response.text
        found: dict[str, Any] = response.json()
        return found

    def network(self, group: str, name: str = "net", prefix: str = "10.0.0.0/16", **subnets: str) -> dict[str, Any]:
        """Make a virtual network with these subnets."""
        inline = [{"name": key, "properties": {"addressPrefix": value}} for key, value in subnets.items()]
        path = f"{group}/providers/Microsoft.Network/virtualNetworks/{name}"
        return self.made(path, {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": inline})

    def account(self, group: str, name: str, **properties: Any) -> dict[str, Any]:
        """Make a storage account."""
        path = f"{group}/providers/Microsoft.Storage/storageAccounts/{name}"
        return self.made(path, properties, sku={"name": "Standard_LRS"}, kind="StorageV2")


def error(response: requests.Response) -> tuple[int, str]:
    """Return the status and the ARM code of a refusal."""
    return response.status_code, response.json()["error"]["code"]
