"""Which program a User-Agent belongs to, as change records name it."""

import re

_PRODUCT = re.compile(r"[A-Za-z0-9._-]{1,64}")


def name(user_agent: str) -> str:
    """Return ``Azure CLI``, ``Azure Portal``, ``Python SDK``, or the first product token; '' if there is none."""
    lowered = user_agent.lower()
    if "azurecli" in lowered or "azure-cli" in lowered:
        return "Azure CLI"
    if "portal" in lowered or lowered.startswith("mozilla/"):
        return "Azure Portal"
    if "azsdk-python" in lowered:
        return "Python SDK"
    found = _PRODUCT.match(user_agent.strip())
    return found[0] if found else ""
