"""Azure Resource Graph over the sandbox's state: real KQL, Azure's paging, quota, visibility and limits."""

from lockdown.sandbox.resource_graph.service import routes

__all__ = ["routes"]
