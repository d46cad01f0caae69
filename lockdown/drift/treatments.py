"""The noise rules by ARM type, worked out once for each type."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockdown.drift.noise import Noise, Treat

_REMEMBERED = 512


@dataclass(frozen=True)
class Treatments:
    """What ``Noise.treatment`` returns, remembered for some hundred types."""

    noise: Noise
    known: dict[str, Treat] = field(default_factory=dict)

    def of(self, resource_type: str) -> Treat:
        """Return the treatment of paths for one ARM type."""
        found = self.known.get(resource_type)
        if found is None:
            if len(self.known) >= _REMEMBERED:
                self.known.clear()
            found = self.known[resource_type] = self.noise.treatment(resource_type)
        return found
