"""One request to somebody whose URL may be a secret: https only, no redirections, and no word of the URL in an error.

A webhook's URL is all that is needed to write to its channel. What libraries say in errors can hold it, and so can
what a server answers: nothing of either is passed on, only what kind of thing went wrong.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lockdown.errors import ToolError, UsageError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

PATIENCE = 10.0
"""Seconds for each step: to connect, to be answered."""
DEADLINE = 30.0
"""Seconds for everything."""
_MOST = 8 * 1024 * 1024
_REDIRECTS = range(300, 400)
_KINDS: Mapping[type[BaseException], str] = {
    ssl.SSLCertVerificationError: "its certificate is not trusted",
    ssl.SSLError: "it does not speak TLS as it should",
    TimeoutError: f"no answer within {PATIENCE:.0f} seconds",
    socket.gaierror: "its name is not known",
    ConnectionRefusedError: "the connection was refused",
}
"""In this order: the first that fits."""


class RefusedError(ToolError):
    """The other side answered, and not with success. ``status`` is what it said."""

    def __init__(self, message: str, status: int, next_step: str = "") -> None:
        super().__init__(message, next_step)
        self.status = status


def checked(url: str, what: str) -> str:
    """Return a URL that may be asked.

    Raises:
        UsageError: it is not an https URL of a host; the message does not show it.
    """
    try:
        parts = urlsplit(url)
        fit = parts.scheme == "https" and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        fit = False
    if not fit or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"{what} is not an https URL.", "It is not shown here, because it may be a secret.") from None
    return url


def ask(what: str, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
    """Send one request and return what was answered.

    Args:
        what: what messages call the other side.
        method: the verb.
        url: as :func:`checked` returned it.
        headers: of the request.
        body: what is sent.

    Raises:
        RefusedError: the answer is not one of success. A redirection is not followed.
        ToolError: there was no answer in time, or none that can be trusted.
    """
    box: list[bytes | ToolError] = []

    def work() -> None:
        box.append(_asked(what, method, url, headers, body))

    # A server that sends a byte now and then would never run into the time of a single step.
    worker = Thread(target=work, daemon=True)
    worker.start()
    worker.join(DEADLINE)
    if not box:
        raise ToolError(f"{what} did not answer within {DEADLINE:.0f} seconds.", "Try later.")
    if isinstance(box[0], ToolError):
        raise box[0]
    return box[0]


def _asked(what: str, method: str, url: str, headers: dict[str, str], body: bytes | None) -> bytes | ToolError:
    from urllib.error import HTTPError  # noqa: PLC0415 - only who asks loads it
    from urllib.request import Request  # noqa: PLC0415

    try:
        request = Request(url, body, headers, method=method)  # noqa: S310 - checked is https
        with _opener().open(request, timeout=PATIENCE) as answer:
            found: bytes = answer.read(_MOST + 1)
    except HTTPError as error:
        with error:
            return _refused(what, error.code)
    except Exception as error:
        return ToolError(f"{what} cannot be reached: {_kind(error)}.", "Check the address and the network.")
    if len(found) > _MOST:
        return ToolError(f"{what} answered more than it could mean.")
    return found


def _refused(what: str, status: int) -> RefusedError:
    if status in _REDIRECTS:
        return RefusedError(f"{what} redirects elsewhere ({status}), which is not followed.", status, "Ask its owner.")
    return RefusedError(f"{what} refused: HTTP status {status}.", status, "Check that it still exists and is allowed.")


def _kind(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return next((text for kind, text in _KINDS.items() if isinstance(reason, kind)), "the connection broke")


def _opener() -> OpenerDirector:
    # No handler for plain http, files or FTP, and none that follows a redirection.
    from urllib import request  # noqa: PLC0415 - only who asks loads it

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
