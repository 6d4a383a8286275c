"""What a driver hands back wrongly is its author's mistake, never the user's: a ValueError that keeps its traceback."""

from __future__ import annotations

import pytest

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.flame_motion.driven import Driven


@pytest.mark.parametrize(
    "given, says", [({"motion": 5}, "Driven.motion: .* got int"), ({"sound": 5}, "Driven.sound: ")]
)
def test_a_drivers_mistake_is_no_bad_input(given, says):
    fields = {"motion": FlameSequence.neutral(1, 25.0), **given}
    with pytest.raises(ValueError, match=says) as error:
        Driven(**fields)
    assert not isinstance(error.value, BadInput)
