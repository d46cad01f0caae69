"""The container registry, closed, and the images that Azure itself copies into it, each by its digest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from azure.mgmt.containerregistry.models import (
    EncryptionProperty,
    ExportPolicy,
    IdentityProperties,
    ImportImageParameters,
    ImportSource,
    KeyVaultProperties,
    NetworkRuleSet,
    Policies,
    QuarantinePolicy,
    Registry,
    RegistryProperties,
    Sku,
    UserIdentityProperties,
)

from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.graph import Action, Body, Expected, Resource, Step, Window, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2025-11-01"
"""Of Microsoft.ContainerRegistry: azure-mgmt-containerregistry's."""

_THEME = "registry"
_IMAGE = re.compile(r"(?P<registry>[^/]+)/(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?@sha256:(?P<digest>[0-9a-f]{64})")
_BYPASS = "properties.networkRuleBypassOptions"
_MARK_DIGITS = 16


@dataclass(frozen=True)
class Image:
    """An image by its digest: where it comes from, and the names that it gets."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """Its name in the environment's registry."""
        return f"{self.repository}:{self.tag}" if self.tag else f"{self.repository}@sha256:{self.digest}"


def image_of(text: str) -> Image:
    """Return what an environment file writes as ``registry/repository:tag@sha256:digest``.

    Raises:
        ValueError: the text is of another form.
    """
    found = _IMAGE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no image with a digest")
    return Image(found["registry"], found["repository"], found["tag"] or "", found["digest"])


def steps(site: Site) -> Iterator[Step]:
    """Yield the registry and the imports; one that was brought along has its images already."""
    if site.environment.bring.registry:
        yield _brought(site)
        return
    imports = list(_imports(site))
    yield _registry(site, tuple(step.key for step in imports))
    yield from imports


def _registry(site: Site, imports: tuple[str, ...]) -> Resource:
    own_key = site.environment.keys.customer_managed
    held = {ids.keys_identity(site): UserIdentityProperties()}
    registry = Registry(
        location=site.location,
        tags=site.tags,
        sku=Sku(name="Premium"),
        identity=IdentityProperties(type="UserAssigned", user_assigned_identities=held) if own_key else None,
        properties=RegistryProperties(
            public_network_access="Disabled",
            network_rule_set=NetworkRuleSet(default_action="Deny", ip_rules=[]),
            network_rule_bypass_options="None",
            network_rule_bypass_allowed_for_tasks=False,
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            data_endpoint_enabled=True,
            encryption=_encryption() if own_key else None,
            policies=Policies(
                quarantine_policy=QuarantinePolicy(status="disabled"), export_policy=ExportPolicy(status="disabled")
            ),
        ),
    )
    key_needs = ("identity/keys", "key/registry", "role/keys/vault/key-vault-crypto-service-encryption-user")
    window = Window(_BYPASS, "AzureServices", "None", imports, why="Azure imports images only where it is trusted")
    return Resource(
        "registry",
        _THEME,
        ids.registry(site),
        API_VERSION,
        wire(registry),
        needs=("group", "providers/Microsoft.ContainerRegistry", *(key_needs if own_key else ())),
        seconds=30,
        cost="by the day, and by the GB held beyond 500 GB",
        fixed=frozenset({"location", "properties.encryption.status"}),
        windows=(window,) if imports else (),
    )


def _encryption() -> EncryptionProperty:
    return EncryptionProperty(
        status="enabled",
        key_vault_properties=KeyVaultProperties(
            # Without a version: the registry follows the key as it is rotated.
            key_identifier=reference("key/registry", "properties.keyUri"),
            identity=reference("identity/keys", "properties.clientId"),
        ),
    )


def _imports(site: Site) -> Iterator[Action]:
    for number, text in enumerate(site.environment.images, start=1):
        image = image_of(text)
        mark = (f"lockdown-image-{image.digest[:_MARK_DIGITS]}", image.name)
        yield Action(
            f"image/{number}",
            _THEME,
            f"{ids.registry(site)}/importImage",
            API_VERSION,
            _import(image, site.environment.registry.sources.get(image.registry, "")),
            Expected(ids.registry(site), API_VERSION, f"tags.{mark[0]}", mark[1]),
            needs=("registry",),
            seconds=60,
            mark=mark,
            title=text,
        )


def _import(image: Image, source_id: str) -> Body:
    source = ImportSource(source_image=f"{image.repository}@sha256:{image.digest}")
    if source_id:
        source.resource_id = source_id
    else:
        source.registry_uri = image.registry
    # Forced: an import whose answer was lost is repeated, and the digest says that it is the same image.
    parameters = ImportImageParameters(source=source, mode="Force")
    if image.tag:
        parameters.target_tags = [image.name]
    else:
        parameters.untagged_target_repositories = [image.repository]
    return wire(parameters)


def _brought(site: Site) -> Resource:
    shape = {"publicNetworkAccess": "Disabled", "adminUserEnabled": False, "anonymousPullEnabled": False}
    body: Body = {"sku": {"name": "Premium"}, "properties": shape}
    return Resource("registry", _THEME, ids.registry(site), API_VERSION, body, brought=True, remove=False)
