"""A signed page checks itself in the browser: what it shows is what was signed, or its results are hidden."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, Page

from lockdown.evidence import seal
from lockdown.evidence.algorithms import Algorithm
from lockdown.report import html
from lockdown.report.packed import PublicKey
from tests.evidence.handmade import signer as file_signer
from tests.evidence.handmade import write_run
from tests.report.handmade import GROUP, HOSTILE, policy, result, write
from tests.report.test_browser import violations

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class RsaSigner:
    """A key of 3072 bits, as a vault has them."""

    key: rsa.RSAPrivateKey
    algorithm: Algorithm = "PS256"
    location: Path | None = None

    @property
    def public_pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def key_id(self) -> str:
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(der).hexdigest()

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())


def report(folder: Path, signer: Any) -> str:
    """Return the page of a run of forty failures, twenty passes and a few odd names, signed by ``signer``."""
    run = write_run(folder / "run")
    odd = [result("one", f"{GROUP}/providers/A.B/c/{name}", "fail", observed=name) for name in HOSTILE.values()]
    failures = [result("one", f"{GROUP}/providers/A.B/c/store{i:03}", "fail") for i in range(40)]
    passes = [result("two", f"{GROUP}/providers/A.B/c/vault{i:03}", "pass", observed="Disabled") for i in range(20)]
    policies = [policy("one", "Stores are closed"), policy("two", "Vaults are closed")]
    made = write(run / "results/results.json", policies, [*odd, *failures, *passes])
    envelope = seal.sign_run(run, signer)
    key = PublicKey(signer.public_pem, signer.algorithm)
    return html.render(made, envelope=envelope, key_id=signer.key_id, public_key=key).decode()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(tmp_path_factory.mktemp("signed"), file_signer())


def opened(chromium: Browser, folder: Path, page: str) -> Page:
    """Open a page as from a mail, and wait until it has checked itself."""
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    shown = chromium.new_page()
    shown.goto(path.as_uri())
    shown.locator("#checked", has_not_text="scripts are off").wait_for(state="attached")
    return shown


def held(page: str, of: str = "signed") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(re.findall(rf'id="{of}">(.*?)</script>', page, re.DOTALL)[0])
    return found


def holding(page: str, of: str = "signed", **changes: Any) -> str:
    start, _, rest = page.partition(f'id="{of}">')
    return start + f'id="{of}">' + json.dumps(held(page, of) | changes) + "</script>" + rest.partition("</script>")[2]


def flipped(page: str, at: int) -> str:
    """Return the page with one bit of its packed record otherwise."""
    packed = bytearray(b64decode(held(page, "record")["packed"]))
    packed[at] ^= 1
    return holding(page, "record", packed=b64encode(packed).decode())


@pytest.mark.parametrize("kind", ["ES256", "PS256"])
def test_a_page_as_it_was_made_is_consistent_and_never_calls_itself_trusted(
    chromium: Browser, tmp_path: Path, kind: str
) -> None:
    signer = file_signer() if kind == "ES256" else RsaSigner(rsa.generate_private_key(65537, 3072))
    page = opened(chromium, tmp_path, report(tmp_path, signer))
    told = page.locator("#checked").inner_text()
    assert "are consistent with this key" in told
    assert int(re.findall(r"every count and (\d+) rows", told)[0]) == 60 + len(HOSTILE)
    assert "trusted" not in told
    assert page.locator(".alarm").count() == 0
    assert page.locator("main").is_visible()
    assert violations(page) == []
    page.close()


def test_signatures_of_every_length_are_read(chromium: Browser, tmp_path: Path) -> None:
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        page = opened(chromium, folder, report(folder, file_signer(ec.generate_private_key(ec.SECP256R1()))))
        assert "are consistent with this key" in page.locator("#checked").inner_text()
        page.close()


def edited(page: str, old: str, new: str) -> str:
    assert old in page
    return page.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda page: edited(page, "store007</bdi></th>", "store777</bdi></th>"), "a row of one"),
        (lambda page: edited(page, "expected of each: <bdi>", "expected of each: <bdi>not "), "a row of one"),
        (lambda page: edited(page, '<td class="seen"><bdi>', '<td class="seen"><bdi>x'), "a row of one"),
        (lambda page: re.sub(r'(href="#pass">)\d+', r"\g<1>99", page, count=1), "the number of pass"),
        (lambda page: flipped(page, -3), "cannot be read"),
        (lambda page: flipped(page, len(b64decode(held(page, "record")["packed"])) // 2), ""),
        (lambda page: holding(page, "record", size=100), "longer than it says"),
        (lambda page: holding(page, "record", size=2**40), "larger than a page may unpack"),
        (lambda page: holding(page, key=b64encode(b"another").decode()), "fingerprint"),
        (lambda page: holding(page, packed=b64encode(gzip.compress(b"{}")).decode(), size=2), "signature"),
        (lambda page: holding(page, signatures=[{"sig": b64encode(bytes(70)).decode()}]), ""),
        (lambda page: holding(page, size=2), "longer than it says"),
    ],
    ids=[
        "a row's resource",
        "what rows are expected to be",
        "a row's value",
        "a count",
        "the end of the record",
        "a bit of the record",
        "the size of the record",
        "a record too large",
        "the key",
        "the statement",
        "the signature",
        "the size of the statement",
    ],
)
def test_a_changed_page_hides_its_results_behind_a_banner(
    chromium: Browser, tmp_path: Path, signed: str, change: Any, why: str
) -> None:
    page = opened(chromium, tmp_path, change(signed))
    assert why in page.get_by_role("alert").inner_text()
    assert "does NOT hold" in (page.locator("#checked").text_content() or "")
    assert not page.locator("main").is_visible()
    assert not page.locator(".counts").is_visible()
    page.close()


def test_a_record_of_somebody_else_under_this_signature_is_noticed(
    chromium: Browser, tmp_path: Path, signed: str
) -> None:
    (tmp_path / "other").mkdir()
    theirs = report(tmp_path / "other", file_signer())
    other = held(theirs)
    mixed = holding(signed, **other)
    mixed = holding(mixed, "record", **held(theirs, "record"))
    page = opened(chromium, tmp_path, mixed)
    assert "fingerprint" in page.get_by_role("alert").inner_text()
    page.close()


def test_without_scripts_it_says_that_nothing_was_checked(chromium: Browser, tmp_path: Path, signed: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(signed, encoding="utf-8")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#checked").inner_text() == "Not checked: scripts are off."
    assert page.locator("#fail").is_visible()
    context.close()
