"""Microsoft.DBforPostgreSQL/flexibleServers, and what is in them."""

from lockdown.sandbox.providers.postgres import server, within
from lockdown.sandbox.providers.postgres.refusals import TYPE
from lockdown.sandbox.providers.postgres.server import check_name

__all__ = ["KINDS", "TYPE", "check_name"]

KINDS = (*server.KINDS, *within.KINDS)
