"""Made the golden evidence beside it, once: ``python -m tests.evidence.golden.make FOLDER``.

What is in the folder is never made again. Should the form of evidence change, another folder joins this one, so that
what an older lockdown handed over is still verified.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lockdown.evidence import bundle, keys, root_edit, root_file, timestamp
from lockdown.evidence.trust import Tsa
from tests.evidence.tsa import serving
from tests.hostile.test_small_run import small_run


def make(out: Path) -> None:
    with TemporaryDirectory() as folder, serving(Path(folder) / "tsa") as tsa:
        work = Path(folder)
        _, laboratory = small_run(work, tsa.url)
        bundle.bundle(work / "run", out / "bundle.zip")
        keys.generate(work / "root")
        signers = (keys.load_signer(f"file:{work}/root/private.pem"),)
        pin = Tsa(roots=(tsa.root_pem,), subject=tsa.subject)
        accepted = root_edit.checked(
            laboratory.model_copy(
                update={
                    "lab": False,
                    "hosts": ("management.azure.com",),
                    "tsa": (pin,),
                    "root": root_edit.root_keys(signers, 1),
                    "expires": "2099-01-01T00:00:00Z",
                }
            )
        )
        (out / "trust-root.json").write_bytes(root_file.signed(accepted, signers))
        (out / "laboratory.json").write_bytes((work / "keys/trust-root.json").read_bytes())
        (out / "public.pem").write_bytes((work / "keys/public.pem").read_bytes())
        (out / "tsa-root.pem").write_text(tsa.root_pem)
        (out / "token.tsr").write_bytes(timestamp.authority(tsa.url)(b"signature"))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
