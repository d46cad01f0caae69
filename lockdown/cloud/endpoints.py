"""Which Azure: the three clouds that Microsoft runs, or any other by discovery from its Resource Manager URL.

A discovered cloud is told where tokens come from by the person who starts lockdown, and its metadata must say the
same; otherwise a wrong URL could collect credentials. Its audience must not be that of a cloud of Microsoft's, so that
a token for those is never sent anywhere else.

Source: ``GET /metadata/endpoints?api-version=2022-09-01`` of Azure Resource Manager.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from lockdown.errors import ToolError, UsageError
from lockdown.model import Cloud

_METADATA = "/metadata/endpoints?api-version=2022-09-01"

BUILT_IN: Mapping[str, Cloud] = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            "AzureCloud",
            "https://management.azure.com",
            "login.microsoftonline.com",
            "https://management.azure.com",
        ),
        Cloud(
            "AzureUSGovernment",
            "https://management.usgovcloudapi.net",
            "login.microsoftonline.us",
            "https://management.core.usgovcloudapi.net",
        ),
        Cloud(
            "AzureChinaCloud",
            "https://management.chinacloudapi.cn",
            "login.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
        ),
    )
}
_MICROSOFT_AUDIENCES = frozenset(urlsplit(c.audience).hostname for c in BUILT_IN.values()) | {
    "management.core.windows.net",
    "management.core.chinacloudapi.cn",
    "management.usgovcloudapi.net",
}


def resolve(name_or_url: str | None, authority: str | None) -> Cloud:
    """Return the cloud to use: a built-in name (AzureCloud by default), or an https URL of Azure Resource Manager.

    Raises:
        UsageError: an unknown name, not https, no authority for a discovered cloud, or metadata that contradicts it.
        ToolError: the cloud cannot be reached.
    """
    name = name_or_url or "AzureCloud"
    host = _host(authority) if authority else None
    if "://" not in name:
        cloud = next((c for c in BUILT_IN.values() if c.name.lower() == name.lower()), None)
        if cloud is None:
            known = ", ".join(BUILT_IN)
            raise UsageError(f"{name!r} is not a cloud that lockdown knows.", f"Use {known}, or an https URL.")
        if host not in (None, cloud.authority):
            raise UsageError(
                f"{cloud.name} takes its tokens from {cloud.authority}, not from {host}.",
                "Leave out --authority (AZURE_AUTHORITY_HOST), or name the cloud that it belongs to with --cloud.",
            )
        return cloud
    if host is None:
        raise UsageError(
            f"The cloud {name} is not built in, so lockdown must be told who issues its tokens.",
            "Give --authority HOST, or set AZURE_AUTHORITY_HOST.",
        )
    return _discover(name, host)


def _discover(url: str, authority: str) -> Cloud:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise UsageError(f"{url!r} is not the https URL of an Azure Resource Manager.", "Example: https://arm.example")
    base = f"https://{parts.netloc}"
    for built_in in BUILT_IN.values():
        if base == built_in.resource_manager:
            return resolve(built_in.name, authority)
    metadata = _metadata(base)
    login, audience = _login(metadata)
    if login != authority:
        raise UsageError(
            f"{base} says that its tokens come from {login or 'nowhere'}, but {authority} was named as the authority. "
            "No credential was used.",
            "Check the URL of the cloud and the authority with whoever runs it.",
        )
    if not audience or urlsplit(audience).hostname in _MICROSOFT_AUDIENCES:
        raise UsageError(
            f"{base} asks for tokens for {audience or 'nothing'}, which is not its own audience. "
            "No credential was used.",
            "Check the URL of the cloud with whoever runs it.",
        )
    return Cloud(parts.netloc, base, authority, audience.rstrip("/"), discovered=True)


def _metadata(base: str) -> Mapping[str, Any]:
    try:
        client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(base, policies=[])
        with client:
            response = client.send_request(HttpRequest("GET", base + _METADATA))
            status, body = response.status_code, response.content
    except AzureError as error:
        raise ToolError(
            f"The cloud at {base} cannot be reached: {error.message}", "Check the URL, the network and the CA."
        ) from error
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if isinstance(found, list) and found:
        found = found[0]
    if status != 200 or not isinstance(found, dict):  # noqa: PLR2004 - HTTP OK
        raise ToolError(
            f"{base} answered {status} to {_METADATA}, and not with the metadata of a cloud.", "Check the URL."
        )
    return found


def _login(metadata: Mapping[str, Any]) -> tuple[str, str]:
    authentication = metadata.get("authentication")
    if not isinstance(authentication, dict):
        return "", ""
    audiences = authentication.get("audiences")
    audience = audiences[0] if isinstance(audiences, list) and audiences else ""
    return _host(str(authentication.get("loginEndpoint") or "")), str(audience)


def _host(authority: str) -> str:
    text = authority if "://" in authority else f"https://{authority}"
    return urlsplit(text).netloc.lower()
