"""Who asks: a credential of the person or job that runs lockdown, for the authority of the chosen cloud."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import DefaultAzureCredential

from lockdown.errors import ToolError
from lockdown.model import Cloud

_NEXT = "Run az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or use workload identity)."


@dataclass(frozen=True)
class Identity:
    """Who a token was issued to. ``object_id`` is empty if the token does not say."""

    tenant: str
    object_id: str


def credential(cloud: Cloud) -> TokenCredential:
    """Return the default credential chain for ``cloud``.

    An authority that is not Microsoft's is not known to the public instance discovery, so that is not asked about it.
    """
    if cloud.discovered:
        return DefaultAzureCredential(authority=cloud.authority, disable_instance_discovery=True)
    return DefaultAzureCredential(authority=cloud.authority)


def scope(cloud: Cloud) -> str:
    """Return the token scope of Azure Resource Manager in ``cloud``."""
    return f"{cloud.audience}/.default"


def identify(found: TokenCredential, cloud: Cloud) -> Identity:
    """Get a token, and say whose it is.

    The claims are read without checking the signature: they name the caller in the record and decide nothing.

    Raises:
        ToolError: no credential was accepted.
    """
    try:
        token = found.get_token(scope(cloud)).token
    except ClientAuthenticationError as error:
        raise ToolError(f"Azure accepted no credential: {_first_line(error)}", _NEXT) from error
    except AzureError as error:
        raise ToolError(f"{cloud.authority} cannot be reached: {_first_line(error)}", "Check the network.") from error
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        claims = {}
    return Identity(str(claims.get("tid", "")), str(claims.get("oid", "")))


def _first_line(error: AzureError) -> str:
    lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    told = [line for line in lines if "AADSTS" in line] or lines
    return told[0].split(" Trace ID:")[0] if told else type(error).__name__
