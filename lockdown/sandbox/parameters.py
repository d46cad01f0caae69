"""Parameters of database servers: what each is when nobody sets it, and what it can be.

Every server has them all, whether somebody wrote to them or not. Only some of Azure's are here, those that say how a
server is reached and what it records.

Source: Microsoft Learn, the lists of server parameters of PostgreSQL and MySQL flexible servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SWITCH = ("on", "off")


@dataclass(frozen=True)
class Parameter:
    """One parameter of PostgreSQL.

    Attributes:
        default: its value when nobody sets it.
        allowed: the values it can have, each part of a list one of them; none for any.
        many: whether its value is a list, separated by commas.
        dynamic: whether it takes effect without a restart.
    """

    default: str
    allowed: tuple[str, ...] = _SWITCH
    many: bool = False
    dynamic: bool = True

    def accepts(self, value: str) -> bool:
        """Tell whether the parameter can have this value."""
        parts = [part.strip().lower() for part in value.split(",")] if self.many else [value.lower()]
        return not self.allowed or all(part in {word.lower() for word in self.allowed} for part in parts)


POSTGRES: Mapping[str, Parameter] = {
    "azure.extensions": Parameter("", (), many=False),
    "log_checkpoints": Parameter("on"),
    "log_connections": Parameter("on"),
    "log_disconnections": Parameter("on"),
    "logfiles.download_enable": Parameter("off"),
    "pgaudit.log": Parameter(
        "none", ("none", "read", "write", "function", "role", "ddl", "misc", "misc_set", "all"), many=True
    ),
    "require_secure_transport": Parameter("on"),
    "shared_preload_libraries": Parameter(
        "pg_cron,pg_stat_statements",
        (
            "", "age", "auto_explain", "azure_storage", "credcheck", "pg_cron", "pg_failover_slots", "pg_hint_plan",
            "pg_partman_bgw", "pg_prewarm", "pg_squeeze", "pg_stat_statements", "pgaudit", "pglogical", "timescaledb",
            "wal2json",
        ),
        many=True,
        dynamic=False,
    ),
    "ssl_max_protocol_version": Parameter("", ("", "TLSv1.2", "TLSv1.3")),
    "ssl_min_protocol_version": Parameter("TLSv1.2", ("TLSv1.2", "TLSv1.3")),
}  # fmt: skip
"""Those of a PostgreSQL server, by name."""

MYSQL: Mapping[str, str] = {
    "audit_log_enabled": "OFF",
    "require_secure_transport": "ON",
    "tls_version": "TLSv1.2,TLSv1.3",
}
"""Those of a MySQL server: name to default."""


def postgres(name: str, value: str | None = None) -> dict[str, Any]:
    """Return the properties of a parameter of a PostgreSQL server; ``value`` is what somebody set, if anybody did."""
    known = POSTGRES[name]
    return {
        "value": known.default if value is None else value,
        "defaultValue": known.default,
        "dataType": "Set" if "," in known.default or name == "pgaudit.log" else "Enumeration",
        "source": "system-default" if value is None else "user-override",
        "isDynamicConfig": known.dynamic,
        "isReadOnly": False,
        "isConfigPendingRestart": False,
    }


def mysql(name: str) -> dict[str, Any]:
    """Return the properties of a parameter of a MySQL server that nobody set."""
    return {"value": MYSQL[name], "defaultValue": MYSQL[name], "source": "system-default", "isReadOnly": "False"}
