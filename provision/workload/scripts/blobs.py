"""Writes the blobs that TES and TriggerService look for: ``BLOBS`` names each, and the file that it is made of."""

import os
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from entra import token

VERSION = "2023-11-03"


def main() -> None:
    """Write each blob, over what is there."""
    bearer = token(os.environ["TOKEN_SCOPE"])
    for pair in os.environ["BLOBS"].split():
        blob, _, file = pair.partition("=")
        request = urllib.request.Request(
            f"https://{os.environ['BLOB_HOST']}/{blob}",
            method="PUT",
            data=(Path(__file__).parent / file).read_bytes(),
            headers={
                "Authorization": f"Bearer {bearer}",
                "x-ms-version": VERSION,
                "x-ms-blob-type": "BlockBlob",
                "Content-Type": "text/plain; charset=utf-8",
            },
        )
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310
            sys.stdout.write(f"{blob} is written.\n")


if __name__ == "__main__":
    main()
