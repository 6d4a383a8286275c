"""`--style` in requests: what it may be, and what it goes with."""

from __future__ import annotations

import json

import pytest

from flamecast.drivers.mix import DriverCall, MixSignal
from flamecast.flame_motion import BadInput, FlameSequence, TextPrompt
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.style import PRESETS, measure_style, preset
from flamecast.pipelines.app.job_request import read_request
from flamecast.pipelines.app.limits import Limits
from flamecast.pipelines.exports.export import write_export
from flamecast.pipelines.motion import write_motion
from flamecast.pipelines.opening import open_signal
from flamecast.pipelines.request import Clip, Drive
from flamecast.pipelines.styles import LIDS, open_style


def _open(**drive):
    return open_signal(Drive(**drive), Clip())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_known_by_name(name):
    assert _open(text="nods", style=name).style == preset(name)


def test_a_saved_motion_and_its_style_file_are_one(tmp_path):
    demo_motion().save(tmp_path / "me.npz")
    write_export(tmp_path / "me.npz", tmp_path / "me.style.json")
    from_motion, from_file = (
        _open(text="nods", style=str(tmp_path / f"me{end}")).style for end in (".npz", ".style.json")
    )
    assert from_motion == from_file == measure_style(demo_motion(), "me.npz")


@pytest.mark.parametrize(
    "drive, says",
    [
        ({"text": "nods", "style": "nobody"}, "expected calm, lively, presenter or a file .*got 'nobody'"),
        ({"text": "nods", "style": "gone.mp4"}, "the style gone.mp4 does not exist"),
        ({"motion": "demo", "style": "calm"}, "goes with text, speech and idling; a clip moves as it does"),
        ({"motion": "demo", "text": "nods", "style": "calm"}, "a clip moves as it does"),
        ({"motion": "demo", "text": "nods", "keep": "head", "style": "calm"}, "what is kept of a motion"),
    ],
)
def test_what_cannot_be_a_style_or_take_one_is_refused_in_a_sentence(drive, says):
    with pytest.raises(BadInput, match=says) as caught:
        _open(**drive)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    (tmp_path / "bad.style.json").write_text("{")
    for name in ("bad.npz", "bad.style.json"):
        with pytest.raises(BadInput, match=name):
            _open(text="nods", style=str(tmp_path / name))


def test_speech_below_words_takes_a_style_and_motion_below_them_does_not():
    words = DriverCall("text", TextPrompt("nods"))
    assert open_style("calm", "mix", MixSignal(DriverCall("speech", None), {"head": words})) == preset("calm")
    with pytest.raises(BadInput, match="a clip moves as it does"):
        open_style("calm", "mix", MixSignal(demo_motion(), {"head": words}))


@pytest.mark.parametrize("style", ["/etc/passwd", "me.npz", "me.style.json", "usual"])
def test_a_server_takes_presets_alone(style):
    given = {"photo": "demo", "text": "nods"}
    assert read_request(given | {"style": "calm"}, {}, {}, Limits()).animate.drive.style == "calm"
    with pytest.raises(BadInput, match="style .*: expected calm, lively, presenter"):
        read_request(given | {"style": style}, {}, {}, Limits())


def test_words_about_lids_keep_them():
    assert all(LIDS.search(text) for text in ("she blinks twice", "closes both eyes", "winks", "dozes off", "flutters"))
    assert not any(LIDS.search(text) for text in ("she nods", "looks left", "rolls her eyes", "is happy"))


def test_words_are_done_in_the_style_and_the_report_says_so(tmp_path):
    made = {}
    for style in ("calm", "lively"):
        done = write_motion(tmp_path / f"{style}.npz", text="she nods twice", style=style, seconds=2.0)
        assert not done.problems
        made[style] = FlameSequence.load(tmp_path / f"{style}.npz")
        about = json.loads((tmp_path / f"{style}.json").read_text())["driver"]["style"]
        assert "people" in about["source"] and 0.5 <= about["times"]["pitch"] <= 2
    calm, lively = (float(motion.neck[:, 0].std()) for motion in made.values())
    assert calm < lively
