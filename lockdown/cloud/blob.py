"""A container of Azure Blob Storage as a place for files that are created whole, once.

A blob is put with ``If-None-Match: *``, which fails if one is there, in one request and so whole or not at all.
The rights to read and to add blobs suffice: nothing is changed, deleted or leased. A token is only ever obtained for
the one account.

Sources: the REST reference of Blob Storage (Put Blob, Put Block List, conditional headers; permissions for OAuth);
"Store business-critical blob data with immutable storage"; the sources of azure-storage-blob.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContainerClient, ContentSettings

from lockdown.cloud import credentials, endpoints
from lockdown.errors import ToolError, UsageError

SUFFIXES: Mapping[str, str] = {
    "blob.core.windows.net": "AzureCloud",
    "blob.storage.azure.net": "AzureCloud",
    "blob.core.usgovcloudapi.net": "AzureUSGovernment",
    "blob.core.chinacloudapi.cn": "AzureChinaCloud",
}
"""The cloud that an account belongs to, by the end of its host."""

_BY_NAME = re.compile(r"azblob://(?P<account>[a-z0-9]{3,24})/(?P<container>[a-z0-9](?:-?[a-z0-9]){2,62})/?")
_CONTAINER = re.compile(r"/(?P<container>[a-z0-9](?:-?[a-z0-9]){2,62})/?")
_EMULATED = re.compile(r"/(?P<account>[a-z0-9]{3,24})/(?P<container>[a-z0-9](?:-?[a-z0-9]){2,62})/?")
_EXAMPLE = "Examples: azblob://ACCOUNT/CONTAINER, https://ACCOUNT.blob.core.windows.net/CONTAINER"
_KEY = "AZURE_STORAGE_KEY"
_PATIENCE: dict[str, Any] = {"retry_total": 4, "connection_timeout": 10, "read_timeout": 60}
_ONE_PUT = 1200 * 1024 * 1024
"""More than an archive may have: put in blocks, a blob would need the right to write, which can also write over one."""
_TYPES = {".json": "application/json", ".zip": "application/zip"}
_ROLE = (
    "Give it a role with the data actions blobs/read and blobs/add/action on the container "
    "(docs/history.md); check the account's firewall."
)


@dataclass(frozen=True)
class Container:
    """One container, which must exist."""

    url: str
    _client: ContainerClient = field(repr=False)

    def names(self, folder: str) -> list[str]:
        """Return the names of the blobs below a folder, sorted."""
        try:
            return sorted(str(name) for name in self._client.list_blob_names(name_starts_with=folder))
        except AzureError as error:
            raise _told(error, self.url, "list") from error

    def read(self, name: str, most: int) -> bytes | None:
        """Return a blob, or None if there is none."""
        try:
            stream = self._client.download_blob(name, max_concurrency=1)
            if stream.size > most:
                raise ToolError(f"{name} in {self.url} is longer than {most} bytes.")
            return bytes(stream.readall())
        except ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise _told(error, self.url, "read") from error
            return None
        except AzureError as error:
            raise _told(error, self.url, "read") from error

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a blob of any size, or None if there is none."""
        found = sha256()
        try:
            for block in self._client.download_blob(name, max_concurrency=1).chunks():
                found.update(block)
        except ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise _told(error, self.url, "read") from error
            return None
        except AzureError as error:
            raise _told(error, self.url, "read") from error
        return found.hexdigest()

    def create(self, name: str, content: bytes | Path) -> bool:
        """Put a blob if there is none of that name."""
        settings = ContentSettings(content_type=_TYPES.get(Path(name).suffix, "application/octet-stream"))
        try:
            if isinstance(content, Path):
                with content.open("rb") as file:
                    self._client.upload_blob(
                        name, file, length=content.stat().st_size, overwrite=False, content_settings=settings
                    )
            else:
                self._client.upload_blob(name, content, overwrite=False, content_settings=settings)
        except (ResourceExistsError, ResourceModifiedError) as error:
            # An immutability policy answers a second write with 409 as well: in both cases there is one already.
            if _code(error) in ("BlobAlreadyExists", "ConditionNotMet", "BlobImmutableDueToPolicy"):
                return False
            raise _told(error, self.url, "write to") from error
        except AzureError as error:
            raise _told(error, self.url, "write to") from error
        except OSError as error:
            raise ToolError(f"{content!s} cannot be read: {error.strerror}.") from error
        return True

    def protection(self) -> str:
        """Say whether the container has an immutability policy. Whether that is locked, only Resource Manager tells."""
        try:
            found = self._client.get_container_properties()
        except AzureError:
            return "whether an immutability policy protects the container could not be read"
        if found.has_immutability_policy:
            held = ", and a legal hold" if found.has_legal_hold else ""
            return f"an immutability policy protects the container{held}; whether it is locked is not visible here"
        if found.has_legal_hold:
            return "a legal hold protects the container"
        if found.immutable_storage_with_versioning_enabled:
            return "the container can hold immutable versions; whether each record is one is not visible here"
        return "NO immutability policy protects the container: whoever may delete blobs can remove records"


def open_container(url: str, cloud: str | None, authority: str | None) -> Container:
    """Return the container that a URL names.

    The identity is ``credentials.storing_credential``. A storage emulator on this machine is used
    with the key in AZURE_STORAGE_KEY; no other account is ever used with a key.

    Raises:
        UsageError: the URL names no container of a host that lockdown knows.
    """
    address, account, container, name = _located(url, cloud)
    credential: TokenCredential | AzureNamedKeyCredential
    options = {**_PATIENCE, "max_single_put_size": _ONE_PUT}
    if name is None:
        key = os.environ.get(_KEY, "")
        if not key:
            raise UsageError(f"{url!a} is a storage emulator, and {_KEY} is not set.", "Set it to the account's key.")
        credential = AzureNamedKeyCredential(account, key)
    else:
        credential = credentials.storing_credential(endpoints.resolve(name, authority if name == cloud else None))
        options["audience"] = address
    return Container(f"{address}/{container}", ContainerClient(address, container, credential=credential, **options))


def _located(url: str, cloud: str | None) -> tuple[str, str, str, str | None]:
    """Return the account's address and name, the container, and the cloud; None for an emulator on this machine."""
    by_name = _BY_NAME.fullmatch(url)
    if by_name is not None:
        name = cloud if cloud in {*SUFFIXES.values()} else "AzureCloud"
        suffix = next(suffix for suffix, known in SUFFIXES.items() if known == name)
        return f"https://{by_name['account']}.{suffix}", by_name["account"], by_name["container"], name
    parts = urlsplit(url)
    host = parts.netloc.lower()
    emulated = _EMULATED.fullmatch(parts.path)
    if emulated is not None and _is_loopback(parts.hostname) and not parts.query and not parts.username:
        address = f"{parts.scheme}://{host}/{emulated['account']}"
        return address, emulated["account"], emulated["container"], None
    path = _CONTAINER.fullmatch(parts.path)
    if parts.scheme != "https" or path is None or parts.query or parts.fragment:
        raise UsageError(f"{url!a} does not name a container of Blob Storage.", _EXAMPLE)
    known = next((name for suffix, name in SUFFIXES.items() if host.endswith("." + suffix)), None)
    if known is None:
        raise UsageError(
            f"{host} is not a host of Blob Storage that lockdown knows, so no credential is shown to it.",
            f"Known: {', '.join(f'*.{suffix}' for suffix in SUFFIXES)}.",
        )
    return f"https://{host}", host.partition(".")[0], path["container"], known


def _is_loopback(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _told(error: AzureError, url: str, verb: str) -> ToolError | UsageError:
    if _code(error) == "ContainerNotFound":
        return UsageError(f"There is no container {url}.", "Make it, with an immutability policy (docs/history.md).")
    if isinstance(error, ClientAuthenticationError):
        return ToolError(f"No credential was accepted to {verb} {url}: {_first_line(error)}", credentials.SIGNING_NEXT)
    if isinstance(error, HttpResponseError) and error.status_code == 403:  # noqa: PLR2004 - HTTP Forbidden
        return ToolError(f"Blob Storage does not let this identity {verb} {url}: {_first_line(error)}", _ROLE)
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return ToolError(f"Blob Storage answered {error.status_code} to {verb} {url}: {_first_line(error)}")
    return ToolError(
        f"{url} cannot be reached: {_first_line(error)}",
        "Check the network, the name resolution of the private endpoint, and the CA.",
    )


def _code(error: AzureError) -> str:
    return str(getattr(getattr(error, "error_code", None), "value", None) or getattr(error, "error_code", ""))


def _first_line(error: AzureError) -> str:
    told = str(error.message or error).strip().splitlines()
    return told[0].strip() if told else type(error).__name__
