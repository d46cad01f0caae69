"""The PostgreSQL server of Cromwell and TES, reached from the network alone, with its databases and settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from azure.mgmt.postgresqlflexibleservers.models import (
    AdministratorMicrosoftEntraAdd,
    AdministratorMicrosoftEntraPropertiesForAdd,
    AuthConfig,
    Backup,
    Configuration,
    ConfigurationProperties,
    Database,
    DatabaseProperties,
    HighAvailability,
    Network,
    Server,
    ServerProperties,
    Sku,
    Storage,
)

from lockdown.provisioner.blueprint import ids, zones
from lockdown.provisioner.environment import DatabaseMode
from lockdown.provisioner.graph import Action, Expected, Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2026-10-01"
"""Of Microsoft.DBforPostgreSQL: azure-mgmt-postgresqlflexibleservers's."""

_THEME = "database"
_ADMINISTRATOR = "coa_admin"
_DAYS_KEPT = 35
_TIERS = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}
_CHANGED, _DEFAULT = "user-override", "system-default"
_LIBRARIES = "shared_preload_libraries"
_BEFORE_RESTART = (
    ("azure.extensions", "PGAUDIT", _CHANGED),
    (_LIBRARIES, "pg_cron,pg_stat_statements,pgaudit", _CHANGED),
)
_AFTER_RESTART = (
    ("pgaudit.log", "ddl,role,write", _CHANGED),
    ("require_secure_transport", "on", _DEFAULT),
    ("ssl_min_protocol_version", "TLSv1.2", _DEFAULT),
    ("log_checkpoints", "on", _DEFAULT),
    ("log_connections", "on", _DEFAULT),
    ("log_disconnections", "on", _DEFAULT),
    ("logfiles.download_enable", "off", _DEFAULT),
)
"""Each parameter's value, and whether Azure sets it so by itself: then writing it is giving it back to Azure."""

_DATABASES = ("cromwell_db", "tes_db")
_FIXED = frozenset(
    {
        "location",
        "properties.administratorLogin",
        "properties.backup.geoRedundantBackup",
        "properties.network.delegatedSubnetResourceId",
        "properties.network.privateDnsZoneArmResourceId",
    }
)


def steps(site: Site) -> Iterator[Step]:
    """Yield the server, then what is done to it, one after the other: a server takes one change at a time."""
    yield from _one_by_one(
        [
            _server(site),
            _administrator(site),
            *(_setting(site, *setting) for setting in _BEFORE_RESTART),
            _restart(site),
            *(_setting(site, *setting) for setting in _AFTER_RESTART),
            *(_database(site, name) for name in _DATABASES),
        ]
    )


def _one_by_one(steps: Iterable[Step]) -> Iterator[Step]:
    before: tuple[str, ...] = ()
    for step in steps:
        yield replace(step, needs=(*step.needs, *before))
        before = (step.key,)


def _server(site: Site) -> Resource:
    wanted = site.environment.database
    in_network = wanted.mode is DatabaseMode.VNET
    zone = zones.database(site)
    network = Network(public_network_access="Disabled")
    if in_network:
        network.delegated_subnet_resource_id = f"{reference('network')}/subnets/sqlsubnet"
        network.private_dns_zone_arm_resource_id = reference(f"zone/{zone}")
    server = Server(
        location=site.location,
        tags=site.tags,
        sku=Sku(name=wanted.sku, tier=_tier(wanted.sku)),
        properties=ServerProperties(
            version=wanted.version,
            administrator_login=_ADMINISTRATOR,
            administrator_login_password=site.password,
            # Cromwell and TES log in with passwords of their own, people as the Entra group.
            auth_config=AuthConfig(
                active_directory_auth="Enabled",
                password_auth="Enabled",  # noqa: S106 - a switch
                tenant_id=site.tenant,
            ),
            network=network,
            storage=Storage(storage_size_gb=wanted.storage_gib),
            backup=Backup(
                backup_retention_days=_DAYS_KEPT,
                geo_redundant_backup="Enabled" if wanted.geo_redundant_backup else "Disabled",
            ),
            high_availability=HighAvailability(mode="Disabled"),
        ),
    )
    return Resource(
        "database",
        _THEME,
        ids.database(site),
        API_VERSION,
        wire(server),
        needs=("group", "providers/Microsoft.DBforPostgreSQL", *(_links(site, zone) if in_network else ())),
        seconds=600,
        cost=f"{wanted.sku} and {wanted.storage_gib} GiB by the hour, and backups by the GB",
        secret=frozenset({"properties.administratorLoginPassword"}),
        fixed=_FIXED,
    )


def _links(site: Site, zone: str) -> tuple[str, ...]:
    return tuple(step.key for step in zones.steps(site) if step.key.startswith(f"zone-link/{zone}/"))


def _tier(sku: str) -> str:
    family = sku.removeprefix("Standard_")[:1].upper()
    return _TIERS.get(family, "GeneralPurpose")


def _administrator(site: Site) -> Resource:
    """Return the Entra group that administers the server; it makes the users of Cromwell and TES."""
    wanted = site.environment.database
    administrator = AdministratorMicrosoftEntraAdd(
        properties=AdministratorMicrosoftEntraPropertiesForAdd(
            principal_type="Group", principal_name=wanted.administrator_name, tenant_id=site.tenant
        )
    )
    resource_id = f"{ids.database(site)}/administrators/{wanted.administrator_group}"
    return Resource("database/admin", _THEME, resource_id, API_VERSION, wire(administrator), seconds=60)


def _setting(site: Site, name: str, value: str, source: str) -> Resource:
    body = wire(Configuration(properties=ConfigurationProperties(value=value, source=source)))
    resource_id = f"{ids.database(site)}/configurations/{name}"
    return Resource(f"database/setting/{name}", _THEME, resource_id, API_VERSION, body, seconds=20, remove=False)


def _restart(site: Site) -> Action:
    """Return the restart that a library needs to be loaded."""
    server = ids.database(site)
    pending = "properties.isConfigPendingRestart"
    return Action(
        "database/restart",
        _THEME,
        f"{server}/restart",
        API_VERSION,
        {},
        Expected(f"{server}/configurations/{_LIBRARIES}", API_VERSION, pending, value=False),
        seconds=60,
        title="restart of the server, so that it loads the library for audits",
    )


def _database(site: Site, name: str) -> Resource:
    return Resource(
        f"database/db/{name}",
        _THEME,
        f"{ids.database(site)}/databases/{name}",
        API_VERSION,
        wire(Database(properties=DatabaseProperties(charset="UTF8", collation="en_US.utf8"))),
        seconds=20,
        fixed=frozenset({"properties.charset", "properties.collation"}),
    )
