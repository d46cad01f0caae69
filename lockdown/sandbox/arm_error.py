"""What ARM answers when it refuses: one exception, one body.

Source of codes and messages: Microsoft's "Troubleshoot common Azure deployment errors", the Azure REST reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ArmError(Exception):
    """A refusal, as it goes over the wire.

    Attributes:
        status: the HTTP status.
        code: ARM's code, such as ``ResourceNotFound``.
        message: a sentence for a person.
        target: what in the request is meant, or ''.
        details: inner (code, message) pairs.
        headers: headers that belong to this refusal.
    """

    status: int
    code: str
    message: str
    target: str = ""
    details: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        if self.details:
            error["details"] = [{"code": code, "message": message} for code, message in self.details]
        return {"error": error}


def not_found(type_: str, name: str, group: str) -> ArmError:
    """Return the refusal for a resource that is not there."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{type_}/{name}' under resource group '{group or '<null>'}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def group_not_found(name: str) -> ArmError:
    """Return the refusal for a resource group that is not there."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def subscription_not_found(subscription: str) -> ArmError:
    """Return the refusal for a subscription that is not there."""
    return ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def bad_request(message: str, *, target: str = "") -> ArmError:
    """Return the refusal for a body that cannot be read or says what no such resource has."""
    return ArmError(400, "InvalidRequestContent", message, target)


def unsupported(message: str) -> ArmError:
    """Return the refusal for what Azure can do and the sandbox cannot: it never guesses an answer."""
    return ArmError(501, "NotSupportedBySandbox", f"{message} The sandbox refuses rather than guesses.")
