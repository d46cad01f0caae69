"""Gets a token of Microsoft Entra ID as the identity of the pod, and leaves it in a file that psql reads."""

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path


def token(scope: str) -> str:
    """Return a token for ``scope``: the pod's service account is vouched for by the cluster."""
    assertion = Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ["AZURE_CLIENT_ID"],
        "scope": scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    host, tenant = os.environ["AZURE_AUTHORITY_HOST"].rstrip("/"), os.environ["AZURE_TENANT_ID"]
    request = urllib.request.Request(  # noqa: S310 - the authority that the cluster names
        f"{host}/{tenant}/oauth2/v2.0/token", data=urllib.parse.urlencode(form).encode()
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(json.load(answer)["access_token"])


def main() -> None:
    """Write the token as a password file of psql, readable for this user alone."""
    target = Path(sys.argv[1])
    target.touch(mode=0o600)
    target.write_text(f"*:*:*:{os.environ['PGUSER']}:{token(os.environ['TOKEN_SCOPE'])}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
