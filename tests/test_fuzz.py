"""Every door takes damaged files: one clear sentence, or what can be read of it; in bounded time and memory.

Each door is opened in a process of its own some hundred times, with small real files that are damaged by chance (the
seed is the door's). FLAMECAST_FUZZ=10 tries ten times as many.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from . import damage as small
from .damage import damaged, odd_arrays, odd_form, odd_json

MEMORY = 2000  # MB that a process may hold, its libraries and models included
SECONDS = 20.0  # that one file may take, on a busy machine
TRIES = 120
ROOT = Path(__file__).parents[1]


# -- doors -------------------------------------------------------------------------------------------------------------


def open_photo(path: Path) -> None:
    from flamecast.flame_motion.media.photos import check_photo, read_photo

    check_photo(path)
    read_photo(path)


def open_video(path: Path) -> None:
    from flamecast.flame_motion import VideoClip

    clip = VideoClip.open(path)
    for _ in islice(iter(clip), 50):
        pass
    assert clip.audio is None or len(clip.audio.samples)


def open_sound(path: Path) -> None:
    from flamecast.drivers.speech import SpeechSignal

    SpeechSignal.open(path)


def open_motion(path: Path) -> None:
    from flamecast.flame_motion import load_head
    from flamecast.flame_motion.formats import load_motion

    motion, _ = load_motion(path, "open")
    if motion.head == load_head("open").id:
        load_head("open").check(motion)


def open_portrait(path: Path) -> None:
    from flamecast.generator import Portrait

    Portrait.load(path).vertices()


def open_head(path: Path) -> None:
    from flamecast.training.completion.gltf_heads import load_gltf_head

    load_gltf_head(path)


def open_text(path: Path) -> None:
    from flamecast.flame_motion import FlameSequence
    from flamecast.flame_motion.edit import apply_edit
    from flamecast.pipelines.batch import _read
    from flamecast.pipelines.views import check_camera

    if path.suffix == ".jsonl":
        _read(path, "animate")
    elif path.stem.startswith("keys"):
        apply_edit(FlameSequence.neutral(4, 25.0), str(path))
    else:
        check_camera(str(path), None)


def open_weights(path: Path) -> None:
    from flamecast.flame_motion.diffusion.weights import load_denoiser

    load_denoiser(path.with_suffix(""))


def open_form(path: Path) -> None:
    """A form's fields, as the API and the page hand them over."""
    from flamecast.core.errors import BadInput
    from flamecast.pipelines.app.job_request import read_request
    from flamecast.pipelines.app.limits import Limits

    try:
        given = json.loads(path.read_bytes())
    except (ValueError, UnicodeDecodeError):
        raise BadInput("no form at all") from None
    if isinstance(given, dict):
        read_request(given, {}, {}, Limits())


def inspect(path: Path) -> None:
    from flamecast.pipelines.inspection import inspect_file, sentences

    sentences(inspect_file(path))


Damage = Callable[[bytes, random.Random], bytes]
DOORS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None], Damage]] = {
    "photo": (small.pictures, open_photo, damaged),
    "video": (small.films, open_video, damaged),
    "sound": (small.media, open_sound, damaged),
    "motion": (small.motions, open_motion, lambda b, c: odd_arrays(b, c) if b[:2] == b"PK" else damaged(b, c)),
    "portrait": (small.portraits, open_portrait, odd_arrays),
    "head": (small.heads, open_head, damaged),
    "text": (small.texts, open_text, odd_json),
    "form": (small.forms, open_form, odd_form),
    "weights": (
        small.weights,
        open_weights,
        lambda b, c: odd_json(b, c) if b[:1] == b"{" and c.random() < 0.7 else damaged(b, c),
    ),
    "inspected pictures": (small.pictures, inspect, damaged),
    "inspected portraits": (small.portraits, inspect, damaged),
}


def try_door(name: str, folder: Path, tries: int) -> list[str]:
    """Opens a door with damaged files; what was neither read nor refused in a sentence. Runs in its own process."""
    from flamecast.core.errors import BadInput, MissingAsset

    make, enter, damage = DOORS[name]
    chance, wrong = random.Random(name), []
    whole, broken = folder / "whole", folder / "broken"
    whole.mkdir()
    broken.mkdir()
    make(whole)
    files = sorted(whole.iterdir())
    for each in files:
        enter(each)
        (broken / each.name).write_bytes(each.read_bytes())
    for number in range(tries):
        each = chance.choice(files)
        path = broken / each.name
        content = damage(each.read_bytes(), chance)
        path.write_bytes(content)
        start = time.monotonic()
        try:
            enter(path)
        except (BadInput, MissingAsset) as error:
            if "\n" in str(error) or not 10 < len(str(error)) < 1000:
                wrong.append(f"{number} {each.name}: no sentence: {str(error)[:300]!r}")
        except Exception:
            wrong.append(f"{number} {each.name}: {traceback.format_exc()[-900:]}")
        if (took := time.monotonic() - start) > SECONDS:
            wrong.append(f"{number} {each.name}: took {took:.0f} s")
        if wrong and wrong[-1].startswith(f"{number} "):
            (folder / f"wrong-{number}-{each.name}").write_bytes(content)
        path.write_bytes(each.read_bytes())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return [*wrong, f"it took {memory} MB"] if memory > MEMORY else wrong


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured as Linux does")
@pytest.mark.parametrize("name", DOORS)
def test_a_door_takes_damaged_files(name, tmp_path):
    tries = str(TRIES * int(os.environ.get("FLAMECAST_FUZZ", "1")))
    program = [sys.executable, "-W", "ignore", "-m", "tests.test_fuzz", name, str(tmp_path), tries]
    done = subprocess.run(program, capture_output=True, text=True, timeout=550, cwd=ROOT)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"


if __name__ == "__main__":
    found = try_door(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    print(*found, sep="\n")
    sys.exit(bool(found))
