"""Which refusals pass by themselves, and for how long it is worth trying again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lockdown.provisioner.answers import RefusedError

_BUSY = frozenset(
    {
        *("anotheroperationinprogress", "retryableerror", "storageaccountoperationinprogress", "operationinprogress"),
        *("serverisbusy", "serverbusy", "canceledandsupersededduetoanotheroperation", "resourcegroupbeingdeleted"),
        *("referencedresourcenotprovisioned", "resourcenotprovisioned", "conflictingserveroperation"),
        *("concurrentoperation", "concurrentrequestconflict", "resourceisbusy", "updateinprogress", "provisioningbusy"),
    }
)
_LAGGING = frozenset(
    {
        *(
            "principalnotfound",
            "linkedauthorizationfailed",
            "failedidentityoperation",
            "missingsubscriptionregistration",
        ),
        *("customprivatednszonemissingpermissionerror", "customprivatednszonemissingpermission"),
        *("customkubeletidentitymissingpermissionerror", "custommanagedidentitymissingpermissionerror"),
        *("noregisteredproviderfound", "featurenotregistered", "subscriptionnotregisteredforfeature"),
        *("parentresourcenotfound", "resourcegroupnotfound", "resourcenotfound", "invalidresourcereference"),
        *("keyvaultaccessforbidden", "keyvaultauthenticationfailure", "keyvaulterror"),
    }
)
"""Azure has made it and does not know it everywhere yet: a principal, a role, a registration, a resource."""

_PASSING = ("in progress", "try again", "retry later", "please retry", "being updated", "currently being")
_CONFLICT = frozenset({409, 412, 423})
_LOST = frozenset({0, 404, 408, 429})
_SERVER = 500


@dataclass(frozen=True)
class Patience:
    """Why it is worth trying again, and for how many seconds in all."""

    why: str
    limit: float


_HOUR = Patience("another operation is under way", 3600)
_REPLICATION = Patience("Azure does not know everywhere yet what was just made", 900)
_SILENCE = Patience("Azure did not answer as it should", 300)
_HELD = Patience("what was removed still holds it", 1800)


def patience(error: RefusedError, *, removing: bool = False) -> Patience | None:
    """Return how long to try again after a refusal, or None: it will not pass by itself."""
    code, message = error.code.lower(), error.message.lower()
    if code in _BUSY or (error.status in _CONFLICT and any(text in message for text in _PASSING)):
        return _HOUR
    if removing and ("inuse" in code or "cannotbedeleted" in code or "hasdependen" in code):
        return _HELD
    if code in _LAGGING and not removing:
        return _REPLICATION
    if error.status in _LOST or error.status >= _SERVER or code in ("internalservererror", "operationpreempted"):
        return _SILENCE
    return None


def pause(tried: int, named: float | None) -> float:
    """Return the seconds before the next try: what the server names, or 2, 4, 8, 16 and then 30."""
    return named or float(min(30, 2**tried))
