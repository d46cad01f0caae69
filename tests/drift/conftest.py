"""Two nights of an environment, each a run directory on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from lockdown.drift import Drift, compare
from tests.drift.handmade import NIGHT_TWO, Json, side

Nights = Callable[..., Drift]


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Compare two runs, each given as the keywords of ``handmade.side``."""

    def compared(before: Json, after: Json, changes: Iterable[Json] = (), **options: Any) -> Drift:
        baseline = side(tmp_path / "one", **before)
        current = side(tmp_path / "two", **{"at": NIGHT_TWO, **after})
        return compare(baseline, current, changes, **options)

    return compared
