"""Write the token with which a job of GitHub Actions shows Azure who it is into a file that only this user reads.

It names repository, branch and environment, is good for minutes, and is exchanged for a token of Azure by whoever has
the file. No secret is kept anywhere.
"""

import json
import os
import sys
from pathlib import Path
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

AUDIENCE = "api%3A%2F%2FAzureADTokenExchange"


def main() -> None:
    """Ask the runner's token service, and write what it answers to the file named on the command line."""
    url, bearer = (os.environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}", "") for name in ("URL", "TOKEN"))
    if not url.startswith("https://") or not bearer:
        sys.exit("No token is to be had: give the job the permission id-token: write.")
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        opener.add_handler(handler())
    request = Request(f"{url}&audience={AUDIENCE}", headers={"Authorization": f"bearer {bearer}"})  # noqa: S310
    try:
        with opener.open(request, timeout=30) as answer:
            token = json.loads(answer.read())["value"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"The token service did not give a token: {type(error).__name__}.")
    sys.stderr.write(f"::add-mask::{token}\n")
    descriptor = os.open(Path(sys.argv[1]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token)


main()
