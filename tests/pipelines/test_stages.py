"""One way from a request to a posed portrait: what `render` measures is what `animate` draws, to the bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from skimage.data import astronaut

from flamecast.core.threads import one_torch_thread
from flamecast.flame_motion import BadInput, Driven, FlameSequence
from flamecast.flame_motion.edit import demo_motion
from flamecast.generator import Portrait
from flamecast.pipelines import AnimatePipeline
from flamecast.pipelines.live.posing import Poser
from flamecast.pipelines.opening import Signal, open_signal
from flamecast.pipelines.render import write_render
from flamecast.pipelines.request import Clip, Drive, Transfer
from flamecast.pipelines.stages import drive_signal, mixed, transferred
from flamecast.pipelines.views import place
from flamecast.renderer import load_maps, render_maps


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return Portrait.fit(astronaut())


@pytest.fixture(scope="module")
def motions(portrait) -> dict[str, FlameSequence]:
    """A stranger's clip, and one of the portrait's own person, whose third frame the photo is, of another identity."""
    own = FlameSequence.concatenate([portrait.pose] * 6, fade=0)
    turn = 0.05 * (torch.arange(6)[:, None] - 2.0) * torch.tensor([0.0, 1.0, 0.0])
    return {
        "stranger": demo_motion("open")[20:26],
        "own": replace(own, neck=own.neck + turn, shape=own.shape + 0.02 * torch.randn(len(own.shape)).sign()),
    }


@pytest.mark.parametrize(
    "options",
    [
        {"driver": "stranger"},
        {"driver": "stranger", "strength": 0.6, "edit": "smile=0.4,yaw=5deg"},
        {"driver": "stranger", "mix": "mouth=own.npz", "edit": "gain=1.3,only=mouth"},
        {"driver": "stranger", "edit": "speed=2", "framing": "face", "views": "-20,20"},
        {"driver": "own"},
        {"driver": "own", "mode": "absolute", "strength": 1.4},
    ],
    ids=lambda options: " ".join(f"{name}={value}" for name, value in options.items()),
)
def test_render_measures_what_animate_draws(portrait, motions, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options, size = dict(options), 64
    portrait.save("portrait.npz")
    for name, motion in motions.items():
        motion.save(f"{name}.npz")
    given = {"motion": f"{options.pop('driver')}.npz", "photo": "portrait.npz", "size": size, **options}
    drawn = AnimatePipeline()(**given)
    write_render(**given, output="maps", maps="depth,normal,uv")
    found = load_maps("maps")
    cameras = place(drawn.portrait, len(drawn.motion), None, options.get("views"), drawn.motion.fps)
    assert torch.equal(found.cameras.camera_from_world, cameras.camera_from_world)
    head = drawn.portrait.head
    with one_torch_thread():  # as both run: more threads sum in another order
        whole = render_maps(head(drawn.motion, drawn.portrait.offsets), head, cameras, maps=["depth", "normal", "uv"])
    got = found.read(0, len(drawn.motion))
    for name in whole.names():
        assert torch.equal(getattr(got, name), getattr(whole, name)), name
    assert whole.depth.any()


def test_the_identity_of_an_absolute_drive_of_ones_own_is_the_drivers(portrait, motions):
    done = AnimatePipeline()(portrait, motion=motions["own"], mode="absolute", size=64)
    assert done.report["identity"] == "driver" and torch.equal(done.portrait.pose.shape, motions["own"].shape)
    assert AnimatePipeline()(portrait, motion=motions["stranger"], size=64).report["identity"] == "photo"


def test_live_poses_as_animate_does(portrait, motions):
    """Frame by frame with the same rest, once the portrait has gone over to the driver."""
    motion, rest = motions["stranger"], motions["stranger"][:1]
    poser = Poser(portrait.pose, Transfer("relative", 0.8))
    for number in range(20):
        poser(rest, rest, number / 25)
    for number in range(len(motion)):
        live = poser(motion[number : number + 1], rest, 1 + number / 25)
        whole = transferred(portrait.pose, Driven(motion, rest=rest, recorded=True), Transfer("relative", 0.8), rest)
        for name in ("neck", "jaw", "expression", "eyelids", "eyes"):
            assert torch.equal(getattr(live, name), getattr(whole, name)[number : number + 1]), name


def test_a_saved_pipeline_is_loaded_with_the_weights_that_it_had(portrait, tmp_path):
    pipeline = AnimatePipeline(generator="diffusion")
    pipeline.save_pretrained(tmp_path)
    (weights,) = (tmp_path / "generator").rglob("*.safetensors")
    changed = {name: value + 0.01 for name, value in load_file(weights).items()}
    save_file(changed, weights)
    again = AnimatePipeline.from_pretrained(tmp_path)._generator()
    named = dict(again.network.named_parameters())
    assert named and all(torch.allclose(value.detach(), changed[name]) for name, value in named.items())


def test_parts_move_to_a_device_when_they_are_loaded_and_when_they_are_there():
    class Part:
        moved: list[str] = []

        def to(self, device):
            self.moved.append(device)

    pipeline, part = AnimatePipeline(), Part()
    pipeline._parts.drivers["text"] = part
    assert pipeline.to("meta") is pipeline and part.moved == ["meta"]
    assert pipeline._placed(part) is part and part.moved == ["meta", "meta"]


def test_options_of_a_driver_that_does_not_drive_are_refused():
    with pytest.raises(BadInput, match="lips goes with the driver speech"):
        AnimatePipeline()("demo", motion="demo", lips=1.2)
    AnimatePipeline()("demo", motion="demo", lips=1, seconds=0.1, size=64)  # as it is anyway


def _driven(frames: int, fps: float = 25.0) -> Driven:
    problem = {"frames": [10, 20], "problem": "no face in the driver: interpolated"}
    return Driven(FlameSequence.neutral(frames, fps, "open"), frame_problems=[problem])


@pytest.mark.parametrize(("fps", "wanted"), [(25.0, [10, 20]), (50.0, [20, 41]), (12.5, [5, 10])])
def test_problems_of_frames_move_to_another_rate(fps, wanted):
    """The frames whose time lies within the first's begin and the last's end."""
    made = drive_signal(Signal("any", None), lambda name: lambda *a, **k: _driven(40), Clip(fps=fps), head="open")
    assert made.frame_problems[0]["frames"] == wanted and len(made.motion) == round(40 / 25 * fps)


def test_a_shorter_clip_of_a_mix_ends_the_problems_too():
    made = mixed(_driven(40), {"mouth": FlameSequence.neutral(15, 25.0, "open")})
    assert len(made.motion) == 15 and made.frame_problems[0]["frames"] == [10, 14] and made.facts["frames"] == 15


def test_notes_of_a_motion_file_are_said_beside_words(portrait):
    signal = Signal("any", None, problems=["the file does not say its rate"])
    made = drive_signal(signal, lambda name: lambda *a, **k: _driven(3), Clip(), head="open")
    assert "the file does not say its rate" in made.problems


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing drives the portrait: give a video, a motion, text for what happens"),
        ({"motion": "demo", "say": "hello"}, "motion and say cannot drive at once: leave one"),
    ],
)
def test_nothing_to_drive_with_and_too_much_are_told_apart(given, said):
    with pytest.raises(BadInput, match=said):
        open_signal(Drive(**given), Clip())


def test_a_picture_out_of_the_drivers_footage_moves_from_where_its_frame_is(portrait, motions):
    """Whatever the driver's face does in that frame, the portrait there is the photo. Other faces are emphasised."""
    motion = motions["stranger"]
    posed = transferred(portrait.pose, Driven(motion), Transfer(), motion[3:4])
    for name in ("neck", "jaw", "expression", "eyelids", "eyes"):
        assert torch.allclose(getattr(posed, name)[3], getattr(portrait.pose, name)[0], atol=1e-5), name
    another = transferred(portrait.pose, Driven(motion, recorded=True), Transfer(), None)
    plain = transferred(portrait.pose, Driven(motion), Transfer(), None)
    assert torch.equal(another.neck, plain.neck) and not torch.allclose(another.expression, plain.expression)
