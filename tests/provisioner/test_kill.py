"""Whatever becomes of a write, the next run makes the environment the same.

``test_every_write`` goes through every write of a small environment that holds every resource type of coa-private at
least once: the run is killed once Azure has done it, and the answer is lost. ``test_a_write_of_each_type`` goes
through the first write of each type: refused with 409, 429 and 500, and lost on its way. Each starts from all that was
there just before that write in an undisturbed run, operations under way included. Time is simulated.

The same over every write of the three whole environments is ``make soak``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockdown.provisioner import blueprint
from lockdown.sandbox.server import Sandbox
from tests.provisioner.kill import Harm, Lab, kind_of, one_of_each_type
from tests.provisioner.test_whole import site

PARTS = 4
"""Of which each is a test of its own, so that processes can share the work."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Sandbox("empty", operation_seconds=20, quota=False, unregistered={"*"}) as sandbox:
        yield Lab(sandbox, one_of_each_type(blueprint.build(site(sandbox))))


def test_the_small_environment_holds_every_type(lab: Lab) -> None:
    whole = {kind_of(step): step for step in blueprint.build(site(lab.sandbox))}
    written = {record.write.kind for record in lab.records}
    assert whole.keys() == {kind_of(step) for step in lab.blueprint}
    assert whole.keys() <= written


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("harm", [Harm.KILLED, Harm.DROPPED_AFTER])
def test_every_write(lab: Lab, harm: Harm, part: int) -> None:
    wrong = {str(record.write): lab.after(record, harm) for record in lab.records[part::PARTS]}
    assert not {write: why for write, why in wrong.items() if why}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("harm", [Harm.CONFLICT, Harm.THROTTLED, Harm.BROKEN, Harm.DROPPED_BEFORE])
def test_a_write_of_each_type(lab: Lab, harm: Harm, part: int) -> None:
    wrong = {str(record.write): lab.after(record, harm) for record in lab.first_of_each_type()[part::PARTS]}
    assert not {write: why for write, why in wrong.items() if why}
