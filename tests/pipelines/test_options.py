"""The options of `animate`: every value is checked where it is given, and the sentence names it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from flamecast.flame_motion import BadInput
from flamecast.pipelines.options import AnimateOptions, _check_kinds


def test_numbers_of_numpy_are_numbers():
    options = AnimateOptions.of({"size": np.int64(128), "fps": np.float32(25), "seconds": 1})
    assert options.size == 128 and options.edit is None


def test_options_may_be_true_or_false():
    @dataclass(frozen=True)
    class Some:
        loud: bool = False

    _check_kinds(Some(True))
    with pytest.raises(BadInput, match="loud must be bool, got 1"):
        _check_kinds(Some(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sise": 1}, "no option sise; known are: edit, mix, camera"),
        ({"size": "512"}, "size must be int, got '512'"),
        ({"size": None}, "size must be int, got None"),
        ({"size": 512.5}, "size must be int, got 512.5"),
        ({"size": 63}, "size must be 64 to 4096 px, got 63"),
        ({"face": True}, "face must be int, got True"),
        ({"face": -1}, "face must be 0"),
        ({"seed": -1}, "seed must be 0 to 9007199254740991, got -1"),
        ({"seed": 10**30}, "seed must be 0 to 9007199254740991, got 1000000"),
        ({"lips": 2.5}, "lips must be 0 to 2, got 2.5"),
        ({"strength": -0.5}, "strength must be 0 to 2, got -0.5"),
        ({"head_motion": float("nan")}, "head_motion must be 0 to 2, got nan"),
        ({"fps": "25"}, "fps must be float . None, got '25'"),
        ({"fps": float("nan")}, "fps must be 1 to 240, got nan"),
        ({"seconds": 0}, "seconds must be a number above 0, got 0"),
        ({"mode": None}, "mode must be str, got None"),
        ({"mode": "sideways"}, "mode must be relative or absolute, got 'sideways'"),
        ({"views": [-30, 30]}, "views must be str . None, got"),
    ],
)
def test_a_wrong_value_is_named(given, says):
    with pytest.raises(BadInput, match=says):
        AnimateOptions.of(given)
