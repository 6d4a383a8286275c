"""`flamecast export`: meshes read back as the head, clips numbered, options obeyed, other programs' tracks taken in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.core.npz import save_arrays
from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.edit import demo_motion
from flamecast.flame_motion.formats import load_motion
from flamecast.flame_motion.formats.arkit_csv import read_arkit_csv
from flamecast.flame_motion.heads.head import PARTS
from flamecast.flame_motion.heads.materials import MATERIALS
from flamecast.pipelines import write_export

HEAD = load_head()


def test_obj_is_the_frame_with_uv_and_parts(tmp_path):
    done = write_export("demo", tmp_path / "out.obj", frame=70)
    assert done.files == [tmp_path / "out.obj", tmp_path / "out.mtl"]
    table: dict[str, list] = {"v": [], "vt": [], "vn": [], "f": []}
    part, used, parts = "", set(), []
    for line in (tmp_path / "out.obj").read_text().splitlines():
        kind, *rest = line.split()
        if kind == "f":
            table["f"].append([[int(index) for index in corner.split("/")] for corner in rest])
            parts.append(PARTS.index(part))
        elif kind in table:
            table[kind].append([float(x) for x in rest])
        elif kind == "g":
            (part,) = rest
        elif kind == "usemtl":
            used.add(rest[0])
    truth = HEAD(demo_motion("open")[70:71])[0].numpy()
    corners = np.array(table["f"]) - 1  # [F, 3, 3]
    assert np.abs(np.array(table["v"]) - truth).max() < 1e-6
    order = np.lexsort(HEAD.faces.numpy().T), np.lexsort(corners[..., 0].T)
    assert np.array_equal(HEAD.faces.numpy()[order[0]], corners[order[1], :, 0])
    assert np.array_equal(HEAD.uv_faces.numpy()[order[0]], corners[order[1], :, 1])
    assert np.array_equal(HEAD.part.numpy()[order[0]], np.array(parts)[order[1]])
    assert np.allclose(np.array(table["vt"]), HEAD.uv.numpy(), atol=1e-6) and len(table["vn"]) == len(truth)
    assert used == {material.name for material in MATERIALS}
    assert all(f"newmtl {name}\n" in (tmp_path / "out.mtl").read_text() for name in used)


def test_an_independent_library_reads_obj_and_ply(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    truth = HEAD(demo_motion("open")[70:71])[0].numpy()
    for ending in ("obj", "ply"):
        write_export("demo", tmp_path / f"out.{ending}", frame=70)
        mesh = trimesh.load(tmp_path / f"out.{ending}", process=False, force="mesh")
        triangles = np.sort(mesh.triangles.sum(1), axis=0)
        assert np.abs(triangles - np.sort(truth[HEAD.faces.numpy()].sum(1), axis=0)).max() < 1e-5
    assert mesh.visual.kind == "face"


def test_a_clip_is_a_numbered_mesh_a_frame(tmp_path):
    done = write_export(demo_motion("open")[:3], tmp_path / "out.ply")
    assert [file.name for file in done.files] == ["out_0000.ply", "out_0001.ply", "out_0002.ply"]
    assert sorted(tmp_path.iterdir()) == done.files


def test_options_are_obeyed(tmp_path):
    write_export("demo", tmp_path / "out.csv", edit="jawOpen=0.25", seconds=1.0, fps=50)
    take, plain = read_arkit_csv(tmp_path / "out.csv"), demo_motion("open").resample(50)
    assert take.fps == 50 and len(take.values["jawOpen"]) == 50
    assert take.values["jawOpen"][0] == pytest.approx(float(plain.jaw[0, 0]) / np.radians(25) + 0.25, abs=1e-3)


def test_what_was_written_drives_again(tmp_path):
    motion = demo_motion("open")
    motion.save(tmp_path / "motion.npz")
    write_export(tmp_path / "motion.npz", tmp_path / "take.csv")
    write_export(tmp_path / "take.csv", tmp_path / "again.csv")
    first, again = (read_arkit_csv(tmp_path / f"{name}.csv") for name in ("take", "again"))
    assert all(np.abs(first.values[name] - again.values[name]).max() < 4e-6 for name in first.values)


def test_tracks_of_vhap_and_cap4d_are_recognised_by_what_they_hold(tmp_path):
    """VHAP's layout as its trackers and its exported folders hold it, CAP4D's fit.npz likewise."""
    g = np.random.default_rng(0)
    frames, axes = 4, HEAD.expression.shape[-1]
    track = lambda size: g.normal(0, 0.1, (frames, size)).astype(np.float32)  # noqa: E731
    vhap = {
        "shape": g.normal(size=20).astype(np.float32), "expr": track(axes), "rotation": track(3), "neck_pose": track(3),
        "jaw_pose": track(3), "eyes_pose": track(6), "translation": track(3),
        "static_offset": np.zeros((1, 5143, 3), np.float32), "timestep_id": np.array(["00000", "00001"]),
        "n_processed_frames": np.array(frames),
    }  # fmt: skip
    save_arrays(tmp_path / "vhap.npz", vhap)
    motion, notes = load_motion(tmp_path / "vhap.npz", HEAD, fps=30)
    assert torch.equal(motion.neck, torch.from_numpy(vhap["neck_pose"])) and motion.fps == 30 and notes == []
    cap4d = {"shape": vhap["shape"], "expr": track(axes), "rot": track(3), "tra": track(3), "eye_rot": track(3)}
    save_arrays(tmp_path / "fit.npz", {**cap4d, "fx": np.ones((1, 1)), "camera_order": np.array(["cam0"])})
    motion, notes = load_motion(tmp_path / "fit.npz", HEAD)
    assert torch.equal(motion.eyes[:, 1], torch.from_numpy(cap4d["eye_rot"])) and "CAP4D" in notes[0]
    write_export(tmp_path / "fit.npz", tmp_path / "fit.glb")
    with pytest.raises(BadInput, match="not a flamecast motion file"):
        save_arrays(tmp_path / "half.npz", {"shape": vhap["shape"], "expr": vhap["expr"]})
        load_motion(tmp_path / "half.npz", HEAD)


def test_a_head_without_arkits_names_is_served_by_retargeting(tmp_path):
    pytest.importorskip("flamecast.flame_motion.retargeting.retarget")
    names = tuple(f"expression_{k:03d}" for k in range(len(HEAD.expression_names)))
    numbered = replace(HEAD, id="numbers@00000000", expression_names=names)
    write_export("demo", tmp_path / "take.csv")
    motion, notes = load_motion(tmp_path / "take.csv", numbered)
    assert motion.head == numbered.id and "retargeted" in notes[-1]
    assert float((numbered(motion) - HEAD(demo_motion("open"))).norm(dim=-1).max()) < 2e-3


@pytest.mark.parametrize("name", ["out.glb", "out.gltf", "out.csv", "out.obj", "out.ply"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(name, tmp_path):
    """A file that may not grow beyond 1 KiB stands for it."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    motion = demo_motion("open")[: 1 if name[-3:] in ("obj", "ply") else 20]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        with pytest.raises(BadInput, match="cannot be written") as error:
            write_export(motion, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []


def test_a_motion_of_another_head_needs_that_head(tmp_path):
    other = FlameSequence(**{**demo_motion("open").__dict__, "head": "open@00000000"})
    with pytest.raises(FileNotFoundError, match="open@00000000 is not here"):
        write_export(other, tmp_path / "out.glb")
    assert list(tmp_path.iterdir()) == []
