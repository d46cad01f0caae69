"""Microsoft.Features: the preview features that a subscription can register, such as encryption at host."""

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.listing import page
from lockdown.sandbox.registrations import FEATURE_SECONDS, FEATURE_TYPE, FEATURES, feature, register


def answer(call: Call, scope: str, segments: list[str]) -> Answer:
    """Answer a request below ``providers/Microsoft.Features``: ``segments`` are what follows.

    Raises:
        ArmError: there is no such feature.
    """
    action = segments.pop().lower() if call.method == "POST" else ""
    call.demand(f"{FEATURE_TYPE}/{f'{action}/action' if action else 'read'}", scope)
    match [segment.lower() for segment in segments]:
        case ["features"]:
            found = [feature(call.state, scope, name) for name in FEATURES.values()]
        case ["providers", namespace, "features"]:
            known = [name for key, name in FEATURES.items() if key.startswith(f"{namespace}/")]
            found = [feature(call.state, scope, name) for name in known]
        case ["providers", namespace, "features", name] if call.method in ("GET", "POST"):
            return _one(call, scope, _known(f"{namespace}/{name}"), action)
        case _:
            raise ArmError(404, "InvalidResourceType", f"No resource type is known for the path '{call.path}'.")
    return Answer(200, page(call, found, lambda document: document))


def _one(call: Call, scope: str, name: str, action: str) -> Answer:
    document = feature(call.state, scope, name)
    if action == "register" and document["properties"]["state"] == "NotRegistered":
        register(call, document, "state", FEATURE_SECONDS, f"{FEATURE_TYPE}/register/action")
    elif action == "unregister":
        call.state.delete(str(document["id"]), **call.who(f"{FEATURE_TYPE}/unregister/action"))
    elif action not in ("", "register"):
        raise ArmError(404, "InvalidResourceType", f"There is no action '{action}' on a feature.")
    return Answer(200, feature(call.state, scope, name))


def _known(key: str) -> str:
    if key not in FEATURES:
        raise ArmError(404, "FeatureNotFound", f"The feature '{key}' could not be found.")
    return FEATURES[key]
