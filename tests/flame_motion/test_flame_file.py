"""FLAME files: pickles as Python 2 wrote them come out exact; hostile and foreign ones are refused, nothing is run."""

import builtins
import codecs
import os
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest
import scipy.sparse
import torch

from flamecast.core.npz import load_arrays, save_arrays
from flamecast.flame_motion import BadInput, FlameSequence, MissingAsset, load_head
from flamecast.flame_motion.heads import library as head_library
from flamecast.flame_motion.heads.flame import find_converted, load_flame
from flamecast.flame_motion.heads.flame.flame_file import OPEN_SHA256, convert, model_name
from flamecast.flame_motion.heads.flame.safe_pickle import as_array, read_pickle
from flamecast.flame_motion.heads.head import PARTS

N, F = 5023, 9976


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A FLAMECAST_HOME of this test's own, and nothing remembered from another."""
    monkeypatch.setenv("FLAMECAST_HOME", str(tmp_path / "home"))

    head_library._load_head.cache_clear()
    yield tmp_path / "home"
    head_library._load_head.cache_clear()


@pytest.fixture(scope="module")
def flame_dict():
    """What a FLAME file holds, with random numbers."""
    g = np.random.default_rng(0)
    regressor = scipy.sparse.random(5, N, 0.01, format="csc", random_state=1, dtype=np.float64)
    weights = g.random((N, 5))
    return {
        "v_template": g.normal(0, 0.1, (N, 3)),
        "f": g.integers(0, N, (F, 3)).astype(np.uint32),
        "shapedirs": g.normal(0, 1e-3, (N, 3, 400)).astype(np.float32),
        "posedirs": g.normal(0, 1e-3, (N, 3, 36)),
        "J_regressor": regressor,
        "J": g.normal(size=(5, 3)),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], range(5)], np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


class Ch:
    """Looks like chumpy's array to pickle."""

    def __init__(self, x):
        self.__setstate__({"x": x, "_dirty_vars": set(), "_status": "new"})

    def __setstate__(self, state):
        self.__dict__.update(state)


def dumped(content, protocol, with_chumpy=False) -> bytes:
    """A pickle, its big arrays wrapped in chumpy as old FLAME files have them."""
    if not with_chumpy:
        return pickle.dumps(content, protocol)
    module = types.ModuleType("chumpy.ch")
    module.Ch = Ch
    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    sys.modules |= {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": module}
    try:
        wrapped = {
            k: Ch(v) if k in ("v_template", "shapedirs", "posedirs", "weights") else v for k, v in content.items()
        }
        return pickle.dumps(wrapped, protocol)
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]


def write(path, data):
    path.write_bytes(data)
    return path


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "with_chumpy"), [(2, True), (2, False), (0, True), (4, False), (5, True)])
def test_every_array_comes_out_exact(tmp_path, flame_dict, protocol, with_chumpy):
    path = write(tmp_path / "flame.pkl", dumped(flame_dict, protocol, with_chumpy))
    arrays = convert(path)
    assert np.array_equal(arrays["template"], flame_dict["v_template"].astype(np.float32))
    assert np.array_equal(arrays["identity"], flame_dict["shapedirs"][..., :300])
    assert np.array_equal(arrays["expression"], flame_dict["shapedirs"][..., 300:])
    assert np.array_equal(arrays["pose_correctives"], flame_dict["posedirs"].astype(np.float32))
    assert np.array_equal(arrays["joint_regressor"], flame_dict["J_regressor"].toarray().astype(np.float32))
    assert np.array_equal(arrays["weights"], flame_dict["weights"].astype(np.float32))
    assert np.array_equal(arrays["faces"], flame_dict["f"])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f8", ">f4", "<i4", "|u1", ">i8", "<f2"])
def test_arrays_of_any_layout_and_byte_order(tmp_path, protocol, order, kind):
    array = np.asarray(np.arange(24).reshape(2, 3, 4) - (0 if "u" in kind else 7), dtype=kind, order=order)
    path = write(tmp_path / "a.pkl", pickle.dumps({"a": array, "empty": array[:0], "scalar": array.sum()}, protocol))
    content = read_pickle(path)
    back = as_array(content["a"], "a")
    assert back.dtype.str[1:] == array.dtype.str[1:] and np.array_equal(back, array)
    assert as_array(content["empty"], "empty").shape == (0, 3, 4)


@pytest.mark.parametrize("layout", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array", "coo_array"])
def test_sparse_matrices_become_dense(tmp_path, layout):
    dense = np.random.default_rng(2).random((5, 40)) * (np.random.default_rng(3).random((5, 40)) < 0.2)
    path = write(tmp_path / "s.pkl", pickle.dumps({"s": getattr(scipy.sparse, layout)(dense)}, 2))
    assert np.array_equal(as_array(read_pickle(path)["s"], "s"), dense)


def test_python_2_pickles_with_its_own_names(tmp_path):
    """Python 2 names its modules differently and stores bytes as text."""
    array = np.arange(6, dtype="<f8").reshape(2, 3)
    raw = array.tobytes()
    program = (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U" + bytes([len(raw)]) + raw + b"tbs."
    )
    assert np.array_equal(as_array(read_pickle(write(tmp_path / "p.pkl", program))["a"], "a"), array)
    instance = b"\x80\x02}U\x01accopy_reg\n_reconstructor\ncchumpy.ch\nCh\nc__builtin__\nobject\nN\x87R}U\x01xK\x07sbs."
    with pytest.raises(BadInput, match="expected an array, got int"):
        as_array(read_pickle(write(tmp_path / "q.pkl", instance))["a"], "a")


# -- hostile files -----------------------------------------------------------------------------------------------------


class Call:
    """Unpickling it calls something."""

    def __init__(self, function, *args, state=None):
        self.parts = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.parts


def hostile(fired: str) -> dict[str, bytes]:
    """Pickles that would leave the file `fired` behind, or reach outside, if anything in them were run."""
    write_it = f"open({fired!r}, 'w').close()"
    calls = {
        "system": Call(os.system, f"touch {fired}"),
        "eval": Call(builtins.eval, write_it),
        "exec": Call(builtins.exec, write_it),
        "open": Call(builtins.open, fired, "w"),
        "popen": Call(subprocess.Popen, ["touch", fired]),
        "import": Call(builtins.__import__, "os"),
        "getattr": Call(builtins.getattr, "x", "upper"),
        "numpy load": Call(np.load, fired, None, True),
        "numpy fromfile": Call(np.fromfile, "/dev/zero"),
        "codecs lookup": Call(codecs.lookup, "utf8"),
    }
    files = {}
    for name, call in calls.items():
        for protocol in (0, 2, 4):
            files[f"{name} {protocol}"] = pickle.dumps({"v_template": call}, protocol)
            files[f"{name} nested {protocol}"] = pickle.dumps(
                [{"a": np.array([call, {"b": (call,)}], object)}], protocol
            )
            files[f"{name} as state {protocol}"] = pickle.dumps(Call(np.dtype, "f8", state=(3, call)), protocol)
    files |= {
        "inst": b"(S'touch %s'\nios\nsystem\n." % fired.encode(),
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x13ndarray.__reduce__\x93.",
        "through numpy": b"cnumpy.core.multiarray\nos.system\n(S'touch %s'\ntR." % fired.encode(),
        "chumpy twin": b"cchumpy_evil\nrun\n(S'touch %s'\ntR." % fired.encode(),
        "persistent": b"Pid\n.",
        "extension": b"\x80\x02\x82\x01.",
    }
    return files


def test_nothing_in_a_hostile_pickle_is_run(tmp_path):
    fired = tmp_path / "executed"
    files = hostile(str(fired))
    assert len(files) > 90
    for name, data in files.items():
        with pytest.raises(BadInput) as caught:
            load_flame(write(tmp_path / "bad.pkl", data))
        assert "bad.pkl" in str(caught.value) and "\n" not in str(caught.value), name
        assert not fired.exists(), name
    assert not (tmp_path / "home").exists()


def test_the_same_pickles_do_run_in_pythons_own_unpickler(tmp_path):
    """So the test above tests something."""
    fired = tmp_path / "executed"
    for name in ("system 2", "eval nested 4", "open 0", "inst"):
        pickle.loads(hostile(str(fired))[name])
        assert fired.exists(), name
        fired.unlink()


def test_an_allowed_name_is_only_a_note_of_the_call(tmp_path):
    content = {"a": Call(np.dtype, "f8"), "b": Call(codecs.encode, "x", "rot13"), "c": Call(np.ndarray, (10**15,))}
    read = read_pickle(write(tmp_path / "n.pkl", pickle.dumps(content, 2)))
    assert {key: value.kind for key, value in read.items()} == {"a": "dtype", "b": "bytes", "c": "ndarray"}
    for name, value in read.items():
        with pytest.raises(BadInput, match=f"{name}: expected an array"):
            as_array(value, name)


def test_a_pickle_cannot_change_the_names_it_uses(tmp_path):
    """BUILD on a class or function would set attributes on it, for the whole process."""
    for name in (b"chumpy.ch\nCh", b"scipy.sparse\ncsc_matrix", b"numpy\ndtype", b"_codecs\nencode"):
        program = b"\x80\x02}U\x01ac" + name + b"\nN}U\x08poisonedK\x01s\x86bs."
        with pytest.raises(BadInput):
            read_pickle(write(tmp_path / "b.pkl", program))
    assert not hasattr(scipy.sparse.csc_matrix, "poisoned")


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}], object),
        np.array(["text"]),
        np.array([1 + 2j]),
        np.zeros(2, [("x", "f8")]),
        np.zeros(3, bool),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    for protocol in (2, 5):
        content = read_pickle(write(tmp_path / "o.pkl", pickle.dumps({"a": array}, protocol)))
        with pytest.raises(BadInput, match="a: "):
            as_array(content["a"], "a")


def test_truncated_and_foreign_files_are_refused_in_one_sentence(tmp_path, flame_dict):
    whole = dumped(flame_dict, 2)
    cases = {
        "cut": (whole[: len(whole) // 2], "cannot be read"),
        "empty": (b"", "is empty"),
        "text": (b"hello world", "cannot be read"),
        "list": (pickle.dumps([1, 2]), "dict"),
        "smpl": (dumped({**flame_dict, "v_template": np.zeros((6890, 3))}, 2), r"topology: v_template .*\[6890, 3\]"),
        "keys": (dumped({k: v for k, v in flame_dict.items() if k not in ("f", "weights")}, 2), "lacks f, weights"),
        "nan": (dumped({**flame_dict, "weights": np.full((N, 5), np.nan)}, 2), "weights holds NaN"),
        "faces": (dumped({**flame_dict, "f": np.full((F, 3), N)}, 2), "f must index"),
        "tree": (dumped({**flame_dict, "kintree_table": np.zeros((2, 5), int)}, 2), "parents"),
        "few axes": (dumped({**flame_dict, "shapedirs": np.zeros((N, 3, 300))}, 2), "got 300 in all"),
        "no array": (dumped({**flame_dict, "posedirs": "none"}, 2), "posedirs: expected an array, got str"),
        "liar": (whole.replace(b"f8", b"f4", 1), "damaged"),
    }
    for name, (data, says) in cases.items():
        with pytest.raises(BadInput, match=says) as caught:
            load_flame(write(tmp_path / "flame.pkl", data))
        assert "\n" not in str(caught.value), name
        assert not list((tmp_path / "home").glob("heads/*")), name


# -- heads -------------------------------------------------------------------------------------------------------------


def test_a_flame_head_is_found_again_by_the_id_in_a_motion(tmp_path, home, flame_dict):
    path = write(tmp_path / "flame2023_Open.pkl", dumped(flame_dict, 2, with_chumpy=True))
    head = load_head(path)
    assert head.id.startswith("flame2023_Open@")
    assert head.identity.shape == (N, 3, 300) and len(head.expression_names) == 100
    motion = FlameSequence.neutral(2, 25, head.id)
    assert motion.head == head.id and head(motion).shape == (2, N, 3)
    assert torch.allclose(head(motion)[0], head.template, atol=1e-6)
    path.unlink()

    head_library._load_head.cache_clear()
    assert torch.equal(load_head(head.id).template, head.template)
    assert [file.name for file in (home / "heads").iterdir()] == ["flame2023_Open.npz"]


def test_what_a_flame_file_lacks_is_said(tmp_path, flame_dict):
    head = load_flame(write(tmp_path / "flame.pkl", dumped(flame_dict, 4)))
    with pytest.raises(BadInput, match="68 landmarks"):
        head.landmarks(FlameSequence.neutral(1, 25, head))
    assert not head.eyelids.any() and head.landmark_bary.isnan().all()
    left = {PARTS[k] for k in head.part[(head.faces >= 3931).all(1) & (head.faces < 4477).all(1)].tolist()}
    assert left <= {"eye_left"}
    assert head.uv.min() >= 0 and head.uv.max() <= 1 and int(head.uv_faces.max()) < len(head.uv)


def test_conversion_happens_once_and_two_files_of_one_name_stay_apart(tmp_path, home, flame_dict):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    first = load_flame(write(tmp_path / "a" / "generic_model.pkl", dumped(flame_dict, 2)))
    stamp = (home / "heads" / "generic_model.npz").stat().st_mtime_ns
    other = {**flame_dict, "v_template": flame_dict["v_template"] + 1}
    second = load_flame(write(tmp_path / "b" / "generic_model.pkl", dumped(other, 2)))
    again = load_flame(tmp_path / "a" / "generic_model.pkl")
    assert again.id == first.id != second.id and second.id.startswith("generic_model-")
    assert (home / "heads" / "generic_model.npz").stat().st_mtime_ns == stamp
    assert load_head(first.id).id == first.id and load_head(second.id).id == second.id


def test_a_file_put_into_the_folder_is_found_by_name(home, flame_dict):
    (home / "heads").mkdir(parents=True)
    write(home / "heads" / "FLAME2020.pkl", dumped(flame_dict, 2))
    assert load_head("FLAME2020").id.startswith("FLAME2020@")


def test_a_missing_flame_file_says_which_where_from_where_to_and_what_works_without(home):
    for ask in (lambda: load_head("/nowhere/flame2023_Open.pkl"), lambda: find_converted("flame2023_Open")):
        with pytest.raises(MissingAsset) as caught:
            ask()
        sentence = str(caught.value)
        for part in ("flame2023_Open", "flame.is.tue.mpg.de", "CC-BY-4.0", str(home / "heads"), "'open'"):
            assert part in sentence
        assert "\n" not in sentence and isinstance(caught.value, FileNotFoundError)


def test_other_names_and_files_are_bad_input(tmp_path, home):
    with pytest.raises(BadInput, match="'opne' is not known; there is open"):
        find_converted("opne")
    with pytest.raises(BadInput, match="not known"):
        find_converted("../../etc/passwd")
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(BadInput, match="not a head: it lacks"):
        load_flame(tmp_path / "x.npz")
    (tmp_path / "folder.pkl").mkdir()
    with pytest.raises(BadInput, match="folder"):
        load_flame(tmp_path / "folder.pkl")


# -- completion --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_pickle(flame_pickle):
    """A FLAME file with a real template, as bytes."""
    return dumped(flame_pickle, 2)


def test_a_flame_file_gets_what_it_lacks(tmp_path, flame_pickle, real_pickle):
    head = load_flame(write(tmp_path / "flame2023_Open.pkl", real_pickle))
    still = FlameSequence.neutral(1, 25, head)
    assert head.landmarks(still).isfinite().all() and head.eyelids.abs().max() > 0.004
    assert head.mediapipe_bary.isfinite().all() and int(head.mediapipe_faces.min()) >= 0
    assert torch.allclose(head(still)[0], torch.from_numpy(flame_pickle["v_template"]), atol=1e-6)


def test_a_head_converted_by_another_version_is_completed_again_and_stays_the_same_head(tmp_path, home, flame_dict):
    path = write(tmp_path / "flame.pkl", dumped(flame_dict, 2))
    head, cache = load_flame(path), home / "heads" / "flame.npz"
    arrays = load_arrays(cache)
    older = {"format_version": np.array(1)}, {"completed_with": np.array("open@00000000")}
    for made, given in zip(older, (path, cache)):
        save_arrays(cache, {**arrays, **made, "part": arrays["part"] * 0}, compress=False)
        again = load_flame(given)
        assert again.id == head.id and torch.equal(again.part, head.part)
        kept = load_arrays(cache)
        assert kept.keys() == arrays.keys() and np.array_equal(kept["part"], arrays["part"])


def test_a_damaged_cache_is_made_again(tmp_path, home, flame_dict):
    path = write(tmp_path / "flame.pkl", dumped(flame_dict, 2))
    head, cache = load_flame(path), home / "heads" / "flame.npz"
    cache.write_bytes(cache.read_bytes()[:1000])
    assert load_flame(path).id == head.id


def test_which_model_a_file_is_is_known_by_its_hash(tmp_path, home, flame_dict):
    assert "Open" in model_name(OPEN_SHA256) and "Open" not in model_name("0" * 64)
    load_flame(write(tmp_path / "flame.pkl", dumped(flame_dict, 2)))
    assert "non-commercial" in str(load_arrays(home / "heads" / "flame.npz")["model"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"template": np.full((N, 3), np.nan, np.float32)}, "template holds NaN"),
        ({"weights": np.array([{}], object)}, "pickled Python objects"),
        ({"faces": np.full((F, 3), N)}, "faces must count from 0 to 5022"),
        ({"expression": np.zeros((N, 3, 7), np.float32)}, "need as many names"),
        ({"template": np.zeros((6890, 3), np.float32)}, r"must have shape"),
        ({"identity": np.array(["text"])}, "identity must be numbers"),
    ],
)
def test_a_damaged_npz_is_refused_in_one_sentence(tmp_path, home, flame_dict, change, says):
    load_flame(write(tmp_path / "flame.pkl", dumped(flame_dict, 2)))
    arrays = {**load_arrays(home / "heads" / "flame.npz"), **change}
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(BadInput, match=says) as caught:
        load_flame(tmp_path / "other.npz")
    assert "\n" not in str(caught.value)


def test_a_truncated_npz_is_refused_in_one_sentence(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3000))
    data = (tmp_path / "x.npz").read_bytes()
    for size in (10, len(data) // 2, len(data) - 5):
        with pytest.raises(BadInput, match="cannot be read as one"):
            load_flame(write(tmp_path / "cut.npz", data[:size]))
