"""Presets: every key and value is held against the signature it feeds, and a file is never code."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from flamecast.configs.load import FOLDER, load_config, presets
from flamecast.pipelines.cli.options import preset_target
from flamecast.training.train import TRAININGS


@dataclass
class Everything:
    whole: int = 1
    real: float = 1.0
    flag: bool = True
    text: str = ""
    mode: Literal["soft", "hard"] = "soft"
    maybe: float | None = None
    either: int | str = 0
    many: list[int] = None  # type: ignore[assignment]
    pair: tuple[int, float] = (0, 0.0)
    row: tuple[float, ...] = ()
    free: Any = None


def sampler(steps: int, *, scale: float = 1.0, hidden: "NotImported" = None, **more: Any) -> None:  # noqa: F821, UP037
    """Something else with a signature."""


def load(tmp_path, text: str, target=Everything, overrides=()):
    (tmp_path / "c.yaml").write_text(text)
    return load_config(tmp_path / "c.yaml", target, overrides)


def test_values_arrive_as_the_signature_wants_them(tmp_path):
    text = """
    whole: 3
    real: 2
    flag: false
    text: on the left
    mode: hard
    maybe: null
    either: x
    many: [1, 2]
    pair: [1, 2]
    row: [1, 2.5, 1e-3]
    free: {a: [1]}
    """
    got = load(tmp_path, text)
    assert got == {
        "whole": 3, "real": 2.0, "flag": False, "text": "on the left", "mode": "hard", "maybe": None, "either": "x",
        "many": [1, 2], "pair": (1, 2.0), "row": (1.0, 2.5, 0.001), "free": {"a": [1]},
    }  # fmt: skip
    assert type(got["real"]) is float and Everything(**got).pair == (1, 2.0)


@pytest.mark.parametrize(
    "line, says",
    [
        ("whole: 1.5", "whole: expected int, got 1.5"),
        ("whole: true", "whole: expected int, got True"),
        ("whole: null", "whole: expected int, got None"),
        ("real: '2'", "real: expected float, got '2'"),
        ("real: true", "real: expected float, got True"),
        ("flag: 1", "flag: expected bool, got 1"),
        ("text: 5", "text: expected str, got 5"),
        ("mode: wild", "mode: expected 'soft' or 'hard', got 'wild'"),
        ("maybe: x", "maybe: expected float | None, got 'x'"),
        ("either: 1.5", "either: expected int | str, got 1.5"),
        ("many: 5", "many: expected list[int], got 5"),
        ("many: [1, x]", "many: expected list[int], got [1, 'x']"),
        ("pair: [1]", "pair: expected tuple[int, float], got [1]"),
        ("row: {a: 1}", "row: expected tuple[float, ...], got {'a': 1}"),
    ],
)
def test_a_wrong_type_says_key_expected_and_got(line, says, tmp_path):
    with pytest.raises(ValueError) as error:
        load(tmp_path, line)
    assert str(error.value) == f"{tmp_path / 'c.yaml'}: {says}"


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    with pytest.raises(ValueError) as error:
        load(tmp_path, "whole: x\nsise: 5\ncolour: red\nreal: y")
    said = str(error.value)
    assert "unknown sise, colour, known are whole, real, flag" in said and "\n" not in said
    assert "whole: expected int, got 'x'" in said and "real: expected float, got 'y'" in said


def test_overrides_go_last_and_are_checked_too(tmp_path):
    assert load(tmp_path, "whole: 1\ntext: a", overrides=["whole=2", "real=0.5"])["whole"] == 2
    with pytest.raises(ValueError, match="whole: expected int, got 'two'.*|unknown hole"):
        load(tmp_path, "", overrides=["whole=two", "hole=1"])
    with pytest.raises(ValueError, match="'whole': expected key=value"):
        load(tmp_path, "", overrides=["whole"])


def test_several_targets_have_a_section_each(tmp_path):
    targets = {"options": Everything, "sampler": sampler}
    got = load(tmp_path, "options: {whole: 2}\nsampler: {steps: 5, scale: 2}", targets, ["sampler.scale=3"])
    assert got == {"options": {"whole": 2}, "sampler": {"steps": 5, "scale": 3.0}}
    with pytest.raises(ValueError, match="unknown sampler.stepz, known are steps, scale, hidden"):
        load(tmp_path, "sampler: {stepz: 5}", targets)
    with pytest.raises(ValueError, match="unknown simpler, known are options, sampler"):
        load(tmp_path, "simpler: {steps: 5}", targets)
    with pytest.raises(ValueError, match="sampler: expected a section of keys, got 5"):
        load(tmp_path, "sampler: 5", targets)


def test_one_key_may_stand_for_another(tmp_path):
    assert load(tmp_path, "whole: 4\neither: ${whole}")["either"] == 4


@pytest.mark.parametrize(
    "text",
    [
        "text: !!python/object/apply:os.system ['touch made']",
        "text: !!python/name:os.system",
        "text: ${oc.env:HOME}",
        "free: [{a: '${oc.env:HOME}'}]",
        "text: ${nowhere}",
        "- 1\n- 2",
        "text: [",
        "whole: 1\nwhole: 2",
    ],
)
def test_a_file_is_data_or_it_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="c.yaml: expected a YAML file of keys and values") as error:
        load(tmp_path, text)
    assert "\n" not in str(error.value) and not (tmp_path / "made").exists()


def test_a_preset_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(ValueError, match="no such file or preset; the presets are .*portrait_closeup"):
        load_config("closeup", Everything)


@pytest.mark.parametrize("name", presets())
def test_presets_open_with_their_command_and_differ_from_the_defaults(name):
    """A default lives once, in the signature: a preset says only what it changes."""
    first = (FOLDER / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# flamecast ") and f"--config {name} " in first
    target = TRAININGS[name][0] if name in TRAININGS else preset_target()
    given, known = load_config(name, target), inspect.signature(target).parameters
    assert given and all(known[key].default != value for key, value in given.items())


def test_importing_the_room_loads_nothing_heavy():
    code = "import sys, flamecast.configs.load as l; l.presets(); print(bool({'omegaconf', 'yaml'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"
