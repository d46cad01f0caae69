"""A sandbox with documents of our choice, and a client of its Resource Graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import requests

from lockdown.sandbox.server import Sandbox
from lockdown.sandbox.state import Authorship, Document
from tests.sandbox.arm_client import ArmClient

PATH = "/providers/Microsoft.ResourceGraph/resources"
VERSION = "2022-10-01"


class GraphClient:
    """Asks Resource Graph as one of the sandbox's principals."""

    def __init__(self, sandbox: Sandbox, principal: str = "owner") -> None:
        self.sandbox = sandbox
        self.arm = ArmClient(sandbox, principal)

    def post(self, query: str, version: str | None = VERSION, **body: Any) -> requests.Response:
        """Send a query; ``body`` holds the other keys of the request."""
        return self.arm.call("POST", PATH, {"query": query, **body}, version=version)

    def ask(self, query: str, **body: Any) -> dict[str, Any]:
        """Send a query that must be answered; return the answer."""
        response = self.post(query, **body)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def rows(self, query: str, **body: Any) -> list[dict[str, Any]]:
        """Send a query that must be answered; return its rows."""
        found: list[dict[str, Any]] = self.ask(query, **body)["data"]
        return found

    def refusal(self, query: str, **body: Any) -> tuple[int, list[str]]:
        """Send a query that must be refused; return the status and the inner codes."""
        response = self.post(query, **body)
        assert response.status_code >= 400, response.text
        error = response.json()["error"]
        return response.status_code, [detail["code"] for detail in error.get("details", [])] or [error["code"]]

    @property
    def object_id(self) -> str:
        """The object id of the principal that asks."""
        return self.sandbox.identity.applications[self.arm.principal].principal.object_id

    def authorship(self) -> Authorship:
        """Return who changes things, for the state's mutations."""
        who = self.sandbox.identity.applications["owner"].principal
        return Authorship(by=who, client="Azure CLI", operation="Microsoft.Test/things/write", correlation_id="c-1")

    def put(self, *documents: Document) -> None:
        """Change the state, as somebody would through Resource Manager."""
        for document in documents:
            self.sandbox.state.put(document, **self.authorship())


def subscription(sub: str, name: str) -> Document:
    """Return the document of a subscription."""
    return {
        "id": f"/subscriptions/{sub}",
        "name": name,
        "type": "Microsoft.Resources/subscriptions",
        "displayName": name,
        "state": "Enabled",
    }


def group(sub: str, name: str) -> Document:
    """Return the document of a resource group."""
    return {
        "id": f"/subscriptions/{sub}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": "westeurope",
        "properties": {"provisioningState": "Succeeded"},
    }


def resource(sub: str, type_: str, *names: str, rg: str = "RG-One", **members: Any) -> Document:
    """Return the document of a resource, in the casing that its provider writes."""
    namespace, *types = type_.split("/")
    path = "/".join(f"{part}/{name}" for part, name in zip(types, names, strict=True))
    located = {"location": "West Europe"} if len(names) == 1 else {}
    return {
        "id": f"/subscriptions/{sub}/resourceGroups/{rg}/providers/{namespace}/{path}",
        "name": names[-1],
        "type": type_,
        **located,
        "properties": {},
        "_etag": 'W/"1"',
        "_apiVersion": "2024-01-01",
        **members,
    }


def accounts(sub: str, count: int, **properties: Any) -> Iterable[Document]:
    """Yield storage accounts named a00000, a00001, ..."""
    for index in range(count):
        yield resource(sub, "Microsoft.Storage/storageAccounts", f"a{index:05}", properties={"n": index, **properties})
