"""One audit, from scope to a finished run directory: what the commands, the provisioner and the demo call."""

from lockdown.run.asked import Finished, Wanted, Watch
from lockdown.run.making import RUNS, audit

__all__ = ["RUNS", "Finished", "Wanted", "Watch", "audit"]
