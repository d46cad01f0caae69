"""The time of the sandbox: it can run faster than the machine's, and a test can move it on."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Tells UTC time.

    Attributes:
        scale: seconds of the sandbox in one of the machine's.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._begun = datetime.now(UTC)
        self._advanced = timedelta()
        self._skipped = timedelta()

    def now(self) -> datetime:
        """Return the present time of everything that Resource Manager does, UTC."""
        return self._begun + (datetime.now(UTC) - self._begun) * self.scale + self._advanced + self._skipped

    def clients(self) -> datetime:
        """Return the time as a client knows it, UTC: neither scaled nor skipped. Tokens live by it."""
        return datetime.now(UTC) + self._advanced

    def advance(self, seconds: float) -> None:
        """Move every time on by ``seconds``, so that nothing has to wait for an operation or a token to end."""
        self._advanced += timedelta(seconds=seconds)

    def skip(self, seconds: float) -> None:
        """Move the time on for all but tokens: for a client that waits by this call instead of by sleeping."""
        self._skipped += timedelta(seconds=seconds)

    def waiting(self, seconds: float) -> dict[str, str]:
        """Return the header that tells a client to wait for so many seconds of the sandbox.

        ``Retry-After`` has whole seconds, at least 1, because clients take 0 for "not given". Where time is scaled,
        waits are shorter than that: they stand in ``retry-after-ms`` alone, which the Azure SDKs read when there is no
        ``Retry-After``.
        """
        if self.scale == 1:
            return {"Retry-After": str(max(1, -int(-seconds // 1)))}
        return {"retry-after-ms": str(max(1, -int(-seconds * 1000 / self.scale // 1)))}
