"""FlameSequence: what it accepts, files bit for bit, resampling on SO(3), joining, mixing."""

import io
import pickle
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from flamecast.core.npz import load_arrays
from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.channels import CHANNELS, ROTATIONS

from ..angles import angle_between


def random_motion(frames=20, fps=25.0, head="toy@00000000", seed=0) -> FlameSequence:
    """Every channel random, angles well under a quarter turn."""
    g = torch.Generator().manual_seed(seed)

    def draw(*size):
        return 0.3 * torch.randn(*size, generator=g)

    return FlameSequence(
        shape=draw(5),
        expression=draw(frames, 7),
        rotation=draw(frames, 3),
        neck=draw(frames, 3),
        jaw=draw(frames, 3),
        eyes=draw(frames, 2, 3),
        eyelids=draw(frames, 2),
        translation=draw(frames, 3),
        fps=fps,
        head=head,
    )


def assert_same(a: FlameSequence, b: FlameSequence) -> None:
    """Equal bit for bit."""
    for field in fields(FlameSequence):
        x, y = getattr(a, field.name), getattr(b, field.name)
        assert torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y, field.name


# -- checks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"jaw": torch.zeros(19, 3)}, r"jaw: expected \[20, 3\], got \[19, 3\]"),
        ({"eyes": torch.zeros(20, 6)}, r"eyes: expected \[20, 2, 3\], got \[20, 6\]"),
        ({"neck": torch.zeros(20)}, r"neck: expected \[20, 3\], got \[20\]"),
        ({"expression": torch.zeros(20)}, r"expression: expected \[T, E\], got \[20\]"),
        ({"expression": torch.zeros(0, 7)}, r"expression: expected \[T, E\] with T >= 1, got \[0, 7\]"),
        ({"expression": torch.tensor(1.0)}, r"expression: expected \[T, E\] with T >= 1, got \[\]"),
        ({"shape": torch.zeros(1, 5)}, r"shape: expected \[S\], got \[1, 5\]"),
        ({"shape": "abc"}, "shape: expected an array of numbers, got str"),
        ({"translation": None}, "translation: expected an array of numbers, got NoneType"),
        ({"eyelids": torch.zeros(20, 2, dtype=torch.bool)}, "eyelids: expected real numbers"),
        ({"jaw": torch.full((20, 3), torch.nan)}, r"jaw: expected finite numbers, got nan at \[0, 0\]"),
        ({"fps": 0}, "fps: expected a number above 0, got 0"),
        ({"fps": float("nan")}, "fps: expected a number above 0, got nan"),
        ({"fps": True}, "fps: expected a number above 0, got True"),
        ({"fps": "25"}, "fps: expected a number above 0, got '25'"),
        ({"head": ""}, "head: expected a head id"),
        ({"head": 3}, "head: expected a head id"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_wanted_and_what_came(change, says):
    with pytest.raises(BadInput, match=says):
        replace(random_motion(), **change)


def test_the_first_bad_number_is_located():
    motion = random_motion()
    eyes = motion.eyes.clone()
    eyes[7, 1, 2] = -torch.inf
    with pytest.raises(BadInput, match=r"eyes: expected finite numbers, got -inf at \[7, 1, 2\]"):
        replace(motion, eyes=eyes)


def test_numpy_and_float64_are_taken_as_float32_and_gradients_survive():
    jaw = torch.zeros(20, 3, dtype=torch.float64, requires_grad=True)
    motion = replace(random_motion(), jaw=jaw, neck=np.ones((20, 3)))
    assert motion.jaw.dtype == motion.neck.dtype == torch.float32
    motion.resample(40).jaw.sum().backward()
    assert jaw.grad.sum() == pytest.approx(32 * 3, rel=0.05)


def test_frozen():
    with pytest.raises(AttributeError):
        random_motion().fps = 30


def test_neutral_fits_the_head_by_name_id_or_object():
    head = load_head()
    still = FlameSequence.neutral(frames=3, fps=24, head=head.id)
    assert len(still) == 3 and still.fps == 24.0 and still.head == head.id
    assert still.expression.shape == (3, len(head.expression_names)) and still.shape.shape == head.identity.shape[-1:]
    assert all(not getattr(still, name).any() for name in ("shape", *CHANNELS))
    assert_same(still, FlameSequence.neutral(3, 24, "open"))
    assert_same(still, FlameSequence.neutral(3, 24, head))
    with pytest.raises(BadInput, match="frames"):
        FlameSequence.neutral(0, 24)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["motion.npz", "no suffix", "ünïcode.NPZ"])
def test_files_come_back_bit_for_bit(tmp_path, name):
    motion = random_motion(fps=30000 / 1001, head="ein Kopf@0123abcd")
    motion.save(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert_same(FlameSequence.load(tmp_path / name), motion)


def test_odd_bit_patterns_survive(tmp_path):
    odd = torch.tensor([-0.0, 1e-45, 3.4e38, -1e-38, 0.1])
    motion = replace(random_motion(), shape=odd)
    motion.save(tmp_path / "m.npz")
    back = FlameSequence.load(tmp_path / "m.npz").shape
    assert torch.equal(back.view(torch.int32), odd.view(torch.int32))


def test_equal_motions_make_equal_files_and_any_numpy_reads_them(tmp_path):
    random_motion().save(tmp_path / "a.npz")
    random_motion().save(str(tmp_path / "b.npz"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert int(file["format_version"]) == 1 and file["jaw"].dtype == np.float32


@pytest.mark.parametrize("place", [".", "file/m.npz", "file/folder/m.npz", 300 * "m" + ".npz"])
def test_an_unwritable_target_is_bad_input(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="the output .*(cannot be written|is a folder)"):
        random_motion().save(tmp_path / place)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def hostile_files(tmp_path, fired):
    """(name, bytes, what the sentence must say)."""
    good = tmp_path / "good.npz"
    random_motion().save(good)
    whole = good.read_bytes()
    arrays = load_arrays(good)

    def packed(**change):
        file = io.BytesIO()
        np.savez(file, **{**arrays, **change})
        return file.getvalue()

    lying = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)})
    with zipfile.ZipFile(lying, "w") as archive:
        archive.writestr("jaw.npy", header.getvalue() + b"1234")
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    return [
        ("pickle inside", packed(jaw=np.array([Bomb(fired)], dtype=object)), "pickled"),
        ("bare pickle", pickle.dumps(Bomb(fired)), "npz"),
        ("npy pickle", _npy(np.array([Bomb(fired)], dtype=object)), "npz"),
        ("cut", whole[: len(whole) // 2], "npz"),
        ("bit flip", bytes(flipped), "npz"),
        ("empty", b"", "npz"),
        ("text", b"shape: 0", "npz"),
        ("huge claim", lying.getvalue(), "damaged"),
        ("missing keys", packed_without(arrays, "eyes", "head"), "lacks eyes, head"),
        (
            "beyond",
            packed(jaw=np.full((20, 3), 1e20, np.float32)),
            r"jaw: expected numbers within -10000..10000, got 1e\+20",
        ),
        ("nan", packed(neck=np.full((20, 3), np.nan, np.float32)), "neck: expected finite"),
        ("integers", packed(neck=np.zeros((20, 3), np.int32)), "neck: expected floating-point"),
        ("wrong frames", packed(neck=np.zeros((2, 3), np.float32)), r"neck: expected \[20, 3\]"),
        ("other version", packed(format_version=np.array(99)), "format 99"),
        ("head is an array", packed(head=np.zeros(3)), "head must be one text"),
        ("fps is text", packed(fps=np.array("25")), "fps one number"),
        ("fps nan", packed(fps=np.array(np.nan)), "fps: expected"),
    ]


def _npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def packed_without(arrays, *names):
    file = io.BytesIO()
    np.savez(file, **{k: v for k, v in arrays.items() if k not in names})
    return file.getvalue()


def test_hostile_and_broken_files_are_refused_in_one_sentence_and_nothing_runs(tmp_path):
    fired = tmp_path / "executed"
    for name, content, says in hostile_files(tmp_path, fired):
        path = tmp_path / "bad.npz"
        path.write_bytes(content)
        with pytest.raises(BadInput, match=says) as caught:
            FlameSequence.load(path)
        assert "\n" not in str(caught.value) and "bad.npz" in str(caught.value), name
        assert not fired.exists(), name


@pytest.mark.parametrize("name", ["absent.npz", "."])
def test_no_file_is_bad_input(tmp_path, name):
    with pytest.raises(BadInput, match="does not exist|is a folder"):
        FlameSequence.load(tmp_path / name)


# -- time --------------------------------------------------------------------------------------------------------------


def test_slices_are_the_frames():
    motion = random_motion()
    part = motion[5:-3]
    assert len(part) == 12 and torch.equal(part.eyes, motion.eyes[5:17]) and torch.equal(part.shape, motion.shape)
    assert_same(motion[:], motion)
    for empty in (slice(20, 25), slice(5, 5), slice(9, 3)):
        with pytest.raises(BadInput, match="no frame"):
            motion[empty]
    with pytest.raises(BadInput, match="step"):
        motion[::2]
    with pytest.raises(TypeError):
        motion[3]


@pytest.mark.parametrize("fps", [1, 12, 23.976, 24, 25, 29.97, 30, 50, 60, 120, 0.01])
@pytest.mark.parametrize("frames", [1, 2, 20, 99])
def test_resampling_makes_exactly_round_duration_times_fps_frames(frames, fps):
    motion = random_motion(frames)
    out = motion.resample(fps)
    assert len(out) == max(1, round(motion.duration * fps)) and out.fps == fps
    assert torch.equal(out.neck[0], motion.neck[0])


def test_resampling_up_by_a_whole_factor_keeps_every_frame_and_comes_back():
    motion = random_motion()
    triple = motion.resample(75)
    for name in CHANNELS:
        assert torch.equal(getattr(triple, name)[::3][:20], getattr(motion, name)), name
    assert_same(triple.resample(25), motion)
    assert motion.resample(25) is motion


def test_resampled_rotations_lie_on_the_geodesic_at_the_right_angle():
    turn = torch.tensor([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 1.0]])
    motion = FlameSequence.neutral(3, 1)
    motion = replace(motion, rotation=turn, eyes=turn[:, None].expand(3, 2, 3))
    out = motion.resample(4)
    assert torch.allclose(out.rotation[:5, 1], torch.arange(5) * 0.5, atol=1e-6)
    last = angle_between(out.rotation[4:8], turn[1].expand(4, 3))
    whole = angle_between(turn[1], turn[2])
    assert torch.allclose(last, whole * torch.arange(4) / 4, atol=1e-5)
    assert torch.equal(out.eyes[:, 0], out.rotation) and torch.equal(out.eyes[:, 1], out.rotation)
    assert torch.equal(out.rotation[-4:], turn[-1].expand(4, 3))  # held past the last frame


def test_linear_channels_are_linear_in_time():
    ramp = torch.arange(50.0)[:, None].expand(50, 3) / 25
    out = replace(random_motion(50), translation=ramp).resample(30)
    seconds = torch.arange(60)[:, None].expand(60, 3) / 30
    assert torch.allclose(out.translation, seconds.clamp(max=49 / 25), atol=1e-6)


def test_sample_is_a_time_warp():
    motion = random_motion()
    assert_same(motion.sample(torch.arange(19.0, -1, -1), 25.0).sample(torch.arange(19.0, -1, -1), 25.0), motion)


# -- several clips -----------------------------------------------------------------------------------------------------


def test_hard_cuts_are_undone_by_slicing():
    a, b, c = random_motion(10), random_motion(7, seed=1), random_motion(3, seed=2)
    b, c = replace(b, shape=a.shape), replace(c, shape=a.shape)
    joined = FlameSequence.concatenate([a, b, c], fade=0)
    assert len(joined) == 20
    assert_same(joined[:10], a)
    assert_same(joined[10:17], b)
    assert_same(joined[17:], c)


def test_a_cross_fade_overlaps_and_leaves_the_rest_alone():
    a, b = random_motion(20), replace(random_motion(20, seed=1), shape=random_motion().shape)
    joined = FlameSequence.concatenate([a, b], fade=0.2)  # 5 frames at 25 fps
    assert len(joined) == 35
    assert_same(joined[:15], a[:15])
    assert_same(joined[20:], b[5:])
    share = torch.arange(1, 6) / 6
    share = (share * share * (3 - 2 * share))[:, None]
    middle = joined[15:20]
    assert torch.allclose(middle.translation, (1 - share) * a.translation[15:] + share * b.translation[:5], atol=1e-6)
    for name in ROTATIONS:
        start, end = getattr(a, name)[15:], getattr(b, name)[:5]
        went = angle_between(getattr(middle, name), start)
        weight = share.squeeze(1).reshape(-1, *[1] * (went.ndim - 1))
        assert torch.allclose(went, weight * angle_between(start, end), atol=2e-6), name


def test_fading_a_clip_into_itself_changes_nothing():
    a = random_motion(1)
    a = a.sample(torch.zeros(9), 25.0)
    joined = FlameSequence.concatenate([a, a, a], fade=0.12)
    assert len(joined) == 21
    for name in CHANNELS:
        assert torch.allclose(getattr(joined, name), getattr(a, name)[:1], atol=1e-6), name


def test_short_clips_shorten_the_fade_and_keep_every_joint():
    a = random_motion(3)
    assert len(FlameSequence.concatenate([a, a, a, a], fade=10.0)) == 12 - 3
    assert_same(FlameSequence.concatenate([a]), a)


def test_frames_are_picked_by_number():
    a = random_motion(9)
    picked = a.frames(torch.tensor([8, 0, 0, 3]))
    for name in CHANNELS:
        assert torch.equal(getattr(picked, name), getattr(a, name)[[8, 0, 0, 3]])
    assert_same(a.frames(torch.arange(9)), a)
    for wrong in (torch.tensor([9]), torch.tensor([-1]), torch.tensor([], dtype=torch.int64), torch.tensor([0.5])):
        with pytest.raises(BadInput, match="frames: expected"):
            a.frames(wrong)


def test_mix_takes_whole_channels():
    base, mouth, nod = random_motion(), random_motion(seed=1), random_motion(seed=2)
    mixed = base.mix(jaw=mouth, expression=mouth, neck=nod)
    assert torch.equal(mixed.jaw, mouth.jaw) and torch.equal(mixed.expression, mouth.expression)
    assert torch.equal(mixed.neck, nod.neck) and torch.equal(mixed.eyes, base.eyes)
    assert torch.equal(mixed.shape, base.shape)


def test_clips_that_do_not_belong_together_are_refused():
    a = random_motion()
    with pytest.raises(BadInput, match="for head other@1"):
        a.mix(jaw=replace(a, head="other@1"))
    with pytest.raises(BadInput, match="runs at 30 fps, expected 25"):
        a.mix(jaw=a.resample(30))
    with pytest.raises(BadInput, match="has 5 frames, expected 20"):
        a.mix(jaw=a[:5])
    with pytest.raises(BadInput, match="no channel 'mouth'"):
        a.mix(mouth=a)
    with pytest.raises(BadInput, match="another person"):
        FlameSequence.concatenate([a, replace(a, shape=a.shape + 1)])
    with pytest.raises(BadInput, match="at least one"):
        FlameSequence.concatenate([])
    with pytest.raises(BadInput, match="fade"):
        FlameSequence.concatenate([a, a], fade=-1)
