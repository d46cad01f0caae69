r"""``hostile``: names and texts that attack whoever shows them.

Tags and properties hold HTML, quotes, line breaks, right-to-left marks, terminal escapes and spreadsheet formulas;
ids hold whatever ARM allows in a name, and a few characters that it does not, because a snapshot may come from a file.
No policy passes or fails because of a text: the accounts are closed but have no endpoint, and one of them is open.
"""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.scenarios.arm.envelope import Group
from lockdown.sandbox.scenarios.arm.network import public_address
from lockdown.sandbox.scenarios.arm.storage import CLOSED_RULES, storage_account
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document, Scenario

OPTIONS: Mapping[str, str] = {}

TEXTS: Mapping[str, str] = {
    "script": "<script>document.title='owned'</script>",
    "image": '"><img src=x onerror="document.title=1">',
    "template": "{{ 7 * 7 }} {% raw %} ${7*7} %(x)s",
    "quotes": 'it\'s "quoted" `and` \\escaped\\',
    "query": "' or 1==1 | union resources //",
    "lines": "first\nsecond\r\nthird\u2028fourth\u0085fifth",
    "right-to-left": "safe\u202etxt.exe\u202c \u2066isolated\u2069 \u200fmark",
    "invisible": "zero\u200bwidth\ufeffjoined\u00ad",
    "terminal": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \x08\x08",
    "formula": '=HYPERLINK("https://example.invalid","open me")',
    "command": "$(touch owned); `id` && echo | tee > owned",
    "path": "../../../../etc/passwd\x00.html",
    "long": "A" * 4096,
    "astral": "\U0001f9ec \U000e0001 e\u0301 \ufdfd",
    "empty": "",
}
"""What each text tries, and the text."""

_NAMES = (
    "a.b-c_d(e)",
    "naïve-Ünïcode-名前",
    "quote'inside",
    "angle<b>inside",
    'double"quote',
    "percent%2F%00",
    "space inside",
    "semi;colon&amp;",
    "right\u202eleft",
    "line\nbreak",
    "escape\x1b[2J",
    "$(id)",
    "..",
)


def build(tenant: str, options: Mapping[str, str]) -> Scenario:  # noqa: ARG001  # every scenario is built alike
    """Return the scenario."""
    subscription = guid("hostile", tenant)
    return Scenario(((subscription, TEXTS["image"]),), tuple(_documents(subscription)), lockdown_yaml([subscription]))


def _documents(subscription: str) -> Iterator[Document]:
    group = Group(subscription, "rg-(hostile)._Ünï")
    yield group.document(tags=TEXTS)
    for name, text in TEXTS.items():
        open_or_closed = "Enabled" if name == "script" else "Disabled"
        account = storage_account(
            group,
            f"hostile{name.replace('-', '')}",
            rules=CLOSED_RULES,
            publicNetworkAccess=open_or_closed,
            customDomain={"name": text},
        )
        account["tags"] = {name: text, f"{text[:64]}-key": name}
        yield account
    for name in _NAMES:
        address = public_address(group, name, "203.0.113.99", dnsSettings={"domainNameLabel": name})
        address["tags"] = {"name": name}
        yield address
