"""What may be said about a subscription when a sandbox starts: how much it may have, what it lacks, what it refuses.

A name that nothing here goes by would be no limit at all, so it is refused.
"""

from collections.abc import Iterable, Mapping

from lockdown.errors import UsageError
from lockdown.sandbox.capacity import SIZES, family
from lockdown.sandbox.catalogue import NAMESPACES

KNOWN = (
    "cores", "batch-accounts", "batch-dedicated-cores", "batch-low-priority-cores", "batch-pools", "batch-jobs",
    "postgres-servers", "private-link-scopes-of-one",
)  # fmt: skip
_NAMES = frozenset({*KNOWN, *SIZES, *(family(size) for size in SIZES)})
EVERY = "*"


def limits(given: Mapping[str, int]) -> dict[str, int]:
    """Return the limits, if each is one that is known.

    Raises:
        UsageError: one is not, or is negative.
    """
    for name, number in given.items():
        if name not in _NAMES:
            raise UsageError(
                f"There is no limit {name!r}.",
                f"Known: {', '.join(KNOWN)}, a size such as {SIZES[0]}, a family of sizes such as {family(SIZES[0])}.",
            )
        if number < 0:
            raise UsageError(f"The limit {name!r} is {number}.", "Give 0 or more.")
    return dict(given)


def namespaces(given: Iterable[str]) -> frozenset[str]:
    """Return the lower-case namespaces of providers, or ``*`` for all.

    Raises:
        UsageError: one is not known.
    """
    found = frozenset(name.lower() for name in given)
    for name in sorted(found - {EVERY}):
        if name not in NAMESPACES:
            raise UsageError(
                f"There is no resource provider {name!r}.", "Write it like Microsoft.Storage, or * for all."
            )
    return found


def types(given: Iterable[str]) -> list[str]:
    """Return resource types.

    Raises:
        UsageError: one is no type of a known provider.
    """
    found = list(given)
    for type_ in found:
        namespace, _, rest = type_.partition("/")
        if not rest or namespace.lower() not in NAMESPACES:
            raise UsageError(f"{type_!r} is no resource type.", "Write it like Microsoft.Storage/storageAccounts.")
    return found
