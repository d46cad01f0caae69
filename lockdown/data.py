"""Where the content that ships with lockdown is: in a wheel, or in a checkout."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from lockdown.errors import ToolError


def tree(name: Literal["policies", "provision", "reports"]) -> Traversable:
    """Return the root of a content tree.

    Raises:
        ToolError: neither the wheel nor a checkout of this project holds it. A sibling folder of an installed
            package is never used: it could belong to somebody else, and must not become policies.
    """
    shipped = files("lockdown") / "_data" / name
    if shipped.is_dir():
        return shipped
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    raise ToolError(f"The folder {name}/ that belongs to lockdown is missing.", "Install coa-lockdown again.")
