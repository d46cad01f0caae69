"""What a sandbox was started with, as far as its routes need to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """The settings that routes read.

    A route of ARM (Resource Graph included) is reached only with a valid token: the ARM gate has already answered
    401 otherwise, and has put the caller into ``request.state.principal`` (a ``state.Principal``) and the request's
    correlation id into ``request.state.correlation_id`` (str). The gate also adds x-ms-request-id,
    x-ms-correlation-request-id and x-ms-routing-request-id to every response; routes add only what is their own.

    Attributes:
        url: the one base URL, without trailing slash: https://127.0.0.1:PORT.
        lag: seconds that Resource Graph is behind ARM (``State.as_of``).
        quota: whether Resource Graph enforces its quota, and Resource Manager that of reads.
        operation_seconds: how long a long-running operation takes; 0 ends it within the request.
        typical: operations take as long as they do in Azure (``Kind.seconds``), whatever ``operation_seconds`` says.
        limits: what the subscriptions may have of something, such as ``batch-accounts``; see ``Context.limit``.
        unregistered: lower-case namespaces of providers that are not registered.
        replication_seconds: how long Entra ID takes to tell Resource Manager of a new identity.
        cloud: ``public`` or ``us-government``: names of endpoints and regions.
    """

    url: str = "https://127.0.0.1"
    lag: float = 0.0
    quota: bool = True
    operation_seconds: float = 1.0
    typical: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)
    unregistered: frozenset[str] = frozenset()
    replication_seconds: float = 0.0
    cloud: str = "public"

    @property
    def instant(self) -> bool:
        """Whether operations end within the request that starts them."""
        return not self.typical and self.operation_seconds <= 0
