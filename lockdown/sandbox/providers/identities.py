"""Microsoft.ManagedIdentity: user-assigned identities, and the credentials by which workloads outside act as them.

Source: azure-rest-api-specs, Microsoft.ManagedIdentity 2024-11-30; Microsoft Learn, "Configure a user-assigned managed
identity to trust an external identity provider" (limits of federated credentials).
"""

import re
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers.bodies import choose
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"
_COMPUTED = frozenset({"tenantId", "principalId", "clientId"})
_MOST = 20


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    choose(document, "isolationScope", "None", "Regional")
    if previous is None:
        made = {"tenantId": context.state.tenant, "principalId": str(uuid4()), "clientId": str(uuid4())}
        document["properties"] |= made


def _prepare_credential(context: Context, document: Document, previous: Document | None) -> None:
    issuer, subject = str(require(document, "issuer")), str(require(document, "subject"))
    audiences = require(document, "audiences")
    if not issuer.startswith("https://"):
        raise bad_request(f"The issuer '{issuer}' is not an https URL.", target="properties.issuer")
    if len(audiences) != 1:
        raise bad_request("A federated identity credential has exactly one audience.", target="properties.audiences")
    identity = str(document["id"]).rpartition("/federatedIdentityCredentials/")[0]
    kind = f"{_TYPE}/federatedIdentityCredentials".lower()
    others = [
        found
        for found in context.state.below(identity)
        if str(found["type"]).lower() == kind and str(found["id"]).lower() != str(document["id"]).lower()
    ]
    if previous is None and len(others) >= _MOST:
        message = f"An identity has at most {_MOST} federated identity credentials."
        raise ArmError(400, "FederatedIdentityCredentialsLimitReached", message)
    for other in others:
        if (other["properties"]["issuer"], other["properties"]["subject"]) == (issuer, subject):
            raise ArmError(
                409,
                "FederatedIdentityCredentialAlreadyExists",
                f"The issuer and subject combination is that of the credential '{other['name']}' of this identity.",
            )


KINDS = (
    Kind(
        _TYPE, {**dict.fromkeys(_COMPUTED), "isolationScope": str}, computed=_COMPUTED, patch="tags",
        name=re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}"), prepare=_prepare,
    ),
    Kind(
        f"{_TYPE}/federatedIdentityCredentials", {"issuer": str, "subject": str, "audiences": [str]}, tracked=False,
        name=re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}"), prepare=_prepare_credential,
    ),
)  # fmt: skip
