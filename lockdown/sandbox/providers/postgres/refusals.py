"""What a server and everything in it refuse alike."""

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context

TYPE = "Microsoft.DBforPostgreSQL/flexibleServers"


def invalid(name: str, why: str) -> ArmError:
    """Return the refusal of a value."""
    return ArmError(
        400, "InvalidParameterValue", f"Invalid value given for parameter {name}. {why}", f"properties.{name}"
    )


def refuse_busy(context: Context, server_id: str, *, own: str) -> None:
    """Refuse a change of a server, or in one, while another is under way: a server takes one at a time."""
    held = [server_id, *(str(found["id"]) for found in context.state.below(server_id))]
    for resource_id in held:
        if resource_id.lower() != own.lower() and context.operations.pending(resource_id) is not None:
            name = server_id.rpartition("/")[2]
            raise ArmError(
                409,
                "ServerIsBusy",
                f"Cannot complete operation while server '{name}' is busy processing another operation. Try again "
                "later.",
            )
