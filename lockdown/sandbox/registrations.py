"""What a subscription has registered: resource providers, and preview features such as encryption at host.

Registering takes a while: its state is Registering until it ends.
"""

from typing import Any

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.call import Call
from lockdown.sandbox.kind import Context
from lockdown.sandbox.settings import Settings
from lockdown.sandbox.state import Document, State, subscription_of

ENCRYPTION_AT_HOST = "Microsoft.Compute/EncryptionAtHost"
FEATURES = {"microsoft.compute/encryptionathost": ENCRYPTION_AT_HOST}
FEATURE_TYPE = "Microsoft.Features/providers/features"
_PROVIDER_TYPE = "Microsoft.Resources/subscriptions/providers"
FEATURE_SECONDS, PROVIDER_SECONDS = 600.0, 60.0
_ALWAYS = frozenset({"microsoft.authorization", "microsoft.features", "microsoft.resources"})


def provider_state(state: State, settings: Settings, scope: str, namespace: str) -> str:
    """Return the registrationState of a provider in a subscription."""
    document = state.get(f"{scope}/providers/{namespace}")
    if document is not None and document["type"] == _PROVIDER_TYPE:
        return str(document["properties"]["registrationState"])
    key = namespace.lower()
    missing = key in settings.unregistered or ("*" in settings.unregistered and key not in _ALWAYS)
    return "NotRegistered" if missing else "Registered"


def check_provider(call: Call, namespace: str, scope: str) -> None:
    """Refuse to write a type of a provider that the subscription has not registered.

    Raises:
        ArmError: MissingSubscriptionRegistration.
    """
    subscription = subscription_of(scope)
    state = provider_state(call.state, call.settings, f"/subscriptions/{subscription}", namespace)
    if subscription and state != "Registered":
        raise ArmError(
            409,
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{namespace}'. It is '{state}'.",
        )


def register_provider(call: Call, scope: str, namespace: str) -> None:
    """Register a provider in a subscription."""
    if provider_state(call.state, call.settings, scope, namespace) == "NotRegistered":
        document = {"id": f"{scope}/providers/{namespace}", "name": namespace, "type": _PROVIDER_TYPE}
        register(call, document, "registrationState", PROVIDER_SECONDS, f"{namespace}/register/action")


def encrypts_at_host(context: Context, resource_id: str) -> bool:
    """Tell whether the resource's subscription may encrypt machines at their hosts."""
    scope = f"/subscriptions/{subscription_of(resource_id)}"
    return bool(feature(context.state, scope, ENCRYPTION_AT_HOST)["properties"]["state"] == "Registered")


def feature(state: State, scope: str, name: str) -> Document:
    """Return a feature of a subscription: as it is registered, or not."""
    namespace, feature = name.split("/")
    resource_id = f"{scope}/providers/Microsoft.Features/providers/{namespace}/features/{feature}"
    unregistered: dict[str, Any] = {
        "id": resource_id,
        "name": name,
        "type": FEATURE_TYPE,
        "properties": {"state": "NotRegistered"},
    }
    return state.get(resource_id) or unregistered


def register(call: Call, document: Document, slot: str, seconds: float, operation: str) -> None:
    """Let the state in ``slot`` of a document be Registering, and Registered at the end of an operation."""
    context = call.context(operation)

    def store(state: str) -> None:
        context.state.put({**document, "properties": {slot: state}}, **context.who)

    if call.settings.instant:
        store("Registered")
        return
    store("Registering")
    typical = seconds if call.settings.typical else None
    call.operations.start(str(document["id"]), "", lambda: store("Registered"), seconds=typical)
