"""What a command does not load: each of these costs from a tenth of a second to seconds of every start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "torch", "numpy", "numba", "scipy", "cv2", "av", "PIL", "skimage", "mediapipe", "matplotlib", "transformers",
    "diffusers", "sentence_transformers", "safetensors", "omegaconf", "fastapi", "gradio", "uvicorn", "lightning",
    "rich",
}  # fmt: skip
OF_A_FIT = {
    "mediapipe",
    "matplotlib",
    "skimage",
    "safetensors",
    "PIL",
}  # what looks at a photo, and the completion's weights
OF_OTHER_JOBS = {
    "transformers", "diffusers", "sentence_transformers", "tokenizers", "omegaconf", "fastapi", "gradio", "uvicorn",
    "lightning", "sklearn", "pandas", "jax", "scipy.signal", "scipy.stats",
}  # fmt: skip


def loaded(arguments: list[str], home: Path) -> set[str]:
    """The modules that `flamecast ARGUMENTS` had loaded at its end."""
    code = (
        "import atexit, sys; from flamecast.pipelines.cli import main;"
        "atexit.register(lambda: print('LOADED', *sys.modules)); main()"
    )
    environment = {**os.environ, "FLAMECAST_HOME": str(home)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, timeout=110, env=environment)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["animate", "--help"], ["app", "--help"]])
def test_help_loads_nothing_heavy(arguments, tmp_path):
    assert not loaded(arguments, tmp_path) & (HEAVY - {"rich"} if "--help" in arguments else HEAVY)


def test_a_photo_that_was_fitted_before_loads_only_what_draws_it(tmp_path):
    job = ["animate", "demo", "--motion", "demo", "--seconds", "0.04", "--size", "64", "-o", "out.mp4"]
    first = loaded(job, tmp_path)
    assert OF_A_FIT <= first and not first & OF_OTHER_JOBS
    again = loaded(job, tmp_path)
    assert not again & (OF_A_FIT | OF_OTHER_JOBS)
    own = {name for name in again if name.startswith("flamecast.")}
    fits = ("tracking.detector", "tracking.fit_kernel", "generator.portrait_fit", "completion.atlas_kernel")
    assert not [name for name in own if name.endswith(fits) or ".pipelines.evaluate" in name or ".training" in name]
