"""Build the wheel, install it into a clean environment, and use it from another directory.

Run by ``make check``: packaging breaks unseen otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
STORAGE = {
    "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/open",
    "type": "microsoft.storage/storageaccounts",
    "properties": {"publicNetworkAccess": "Enabled"},
}


def main() -> None:
    """Exit with a message if the installed wheel does not do what the checkout does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(sys.executable, "-m", "build", "--outdir", folder / "dist", ROOT)
        (wheel,) = (folder / "dist").glob("*.whl")
        if "lockdown/sandbox/scenarios/coa_private.json" not in zipfile.ZipFile(wheel).namelist():
            sys.exit("The wheel lacks the documents of the scenario coa-private.")
        venv.create(folder / "clean", with_pip=True)
        python = folder / "clean/bin/python"
        _run(python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", wheel)
        for squatter in ("policies", "provision", "reports", "tests"):
            if (
                subprocess.run(
                    [python, "-c", f"import {squatter}"], cwd=folder, capture_output=True, check=False
                ).returncode
                == 0
            ):
                sys.exit(f"The wheel installs a package called {squatter}.")
        lockdown = folder / "clean/bin/lockdown"
        listed = json.loads(_run(lockdown, "policies", "list", "--json", cwd=folder))
        (folder / "snapshot.json").write_text(json.dumps([STORAGE]), "utf-8")
        _run(lockdown, "keys", "generate", "--out", folder / "keys", cwd=folder)
        key = f"file:{folder}/keys/private.pem"
        _run(lockdown, "audit", "--snapshot", "snapshot.json", "--out", "run", "--key", key, cwd=folder, code=5)
        _run(
            lockdown,
            "verify",
            "run",
            "--trust",
            "keys/trust-root.json",
            "--replay",
            cwd=folder,
        )
        sys.stdout.write(
            f"The wheel works: {len(listed['policies'])} policies listed, one audit signed, verified, replayed.\n"
        )


def _run(*command: str | Path, cwd: Path = ROOT, code: int = 0) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}\nexited {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
