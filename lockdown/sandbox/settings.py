"""What a sandbox was started with, as far as its routes need to know."""

from dataclasses import dataclass


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
    """

    url: str = "https://127.0.0.1"
    lag: float = 0.0
    quota: bool = True
    operation_seconds: float = 1.0
