"""The time of the sandbox: the machine's, plus what a test has advanced it by."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Tells UTC time. ``advance`` moves it on, so that nothing has to wait for an operation or a token to end."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the present time, UTC."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the time on by ``seconds``."""
        self._offset += timedelta(seconds=seconds)
