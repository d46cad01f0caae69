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
        *("keyvaultaccessforbidden", "keyvaultauthenticationfailure", "keyvaulterror"),
    }
)
"""Azure has made it and does not know it everywhere yet: a principal, a role, a registration."""

_UNSEEN = frozenset({"parentresourcenotfound", "resourcegroupnotfound", "resourcenotfound", "invalidresourcereference"})
"""The same of a resource, which takes seconds."""

_NEVER = frozenset({"subscriptionnotfound", "invalidresourcetype", "invalidapiversionparameter"})

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
_SECONDS = Patience("Azure does not know everywhere yet what was just made", 300)
_SILENCE = Patience("Azure did not answer as it should", 300)
_HELD = Patience("what was removed still holds it", 1800)


def patience(error: RefusedError, *, removing: bool = False) -> Patience | None:
    """Return how long to try again after a refusal, or None: it will not pass by itself."""
    code, message = error.code.lower(), error.message.lower()
    found: Patience | None = None
    if code in _BUSY or (error.status in _CONFLICT and any(text in message for text in _PASSING)):
        found = _HOUR
    elif removing and ("inuse" in code or "cannotbedeleted" in code or "hasdependen" in code):
        found = _HELD
    elif code in _LAGGING and not removing:
        found = _REPLICATION
    elif code in _UNSEEN and not removing:
        found = _SECONDS
    elif error.status in _LOST or error.status >= _SERVER or code in ("internalservererror", "operationpreempted"):
        found = None if code in _NEVER else _SILENCE
    return found


def pause(tried: int, named: float | None) -> float:
    """Return the seconds before the next try: what the server names, or 2, 4, 8, 16 and then 30."""
    return named or float(min(30, 2**tried))
