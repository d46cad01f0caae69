"""What changed since the approved baseline, who did it and when."""

from lockdown.drift.compare import compare
from lockdown.drift.encode import SCHEMA, to_json
from lockdown.drift.items import Drift
from lockdown.drift.side import Side, read_side

__all__ = ["SCHEMA", "Drift", "Side", "compare", "read_side", "to_json"]
