"""People who change an environment, each under an own name and with an own client."""

from __future__ import annotations

import json
import ssl
import time
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from lockdown.sandbox.server import Sandbox


class Person:
    """A principal of a sandbox at work."""

    def __init__(self, sandbox: Sandbox, principal: str, client: str) -> None:
        self._url, self._client = sandbox.url, client
        self._context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        values = sandbox.environment(principal)
        self.who = values["AZURE_CLIENT_ID"]
        self.base = f"/subscriptions/{sandbox.subscription}"
        form = {
            "grant_type": "client_credentials",
            "client_id": self.who,
            "client_secret": values["AZURE_CLIENT_SECRET"],
            "scope": f"{sandbox.url}/.default",
        }
        place = f"{sandbox.url}/{sandbox.tenant}/oauth2/v2.0/token"
        asked = Request(place, urlencode(form).encode())  # noqa: S310 - the sandbox is https
        self._token = self._sent(asked)["access_token"]

    def call(self, method: str, path: str, version: str, body: object = None) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "User-Agent": self._client,
        }
        data = None if body is None else json.dumps(body).encode()
        place = f"{self._url}{path}?api-version={version}"
        return self._sent(Request(place, data, headers, method=method))  # noqa: S310 - likewise

    def make(self, path: str, version: str, body: object) -> None:
        found = self.call("PUT", path, version, body)
        for _ in range(300):
            if found["properties"]["provisioningState"] == "Succeeded":
                return
            time.sleep(0.1)
            found = self.call("GET", path, version)
        raise TimeoutError(path)

    def all(self, kind: str) -> list[dict[str, Any]]:
        found = self.call("GET", f"{self.base}/resources", "2021-04-01")["value"]
        return sorted((one for one in found if one["type"].lower() == kind.lower()), key=lambda one: str(one["name"]))

    def _sent(self, request: Request) -> dict[str, Any]:
        with urlopen(request, context=self._context) as response:  # noqa: S310 - likewise
            found: dict[str, Any] = json.loads(response.read() or b"{}")
            return found
