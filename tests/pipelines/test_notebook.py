"""The notebook runs from top to bottom, and is kept without outputs."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "integrations" / "notebook" / "flamecast.ipynb"


def test_the_notebook_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5 and all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    """In a kernel of this Python, wherever kernels are installed."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    started = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": started, "display_name": "here", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    for line in ("(75, 1, 256, 256, 3) 25.0 frames a second", "motion.glb ", "mark: AI-generated"):
        assert line in said, said
    (after, before), *_ = re.findall(r"the head turns over ([0-9.]+) degrees instead of ([0-9.]+)", said)
    assert float(after) == pytest.approx(1.6 * float(before), abs=0.2) and float(before) > 20
    shown = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    moments, before_and_after = (np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in shown)
    assert moments.shape == (256, 5 * 256, 3) and before_and_after.shape == (512, 4 * 256, 3)
    first, last = moments[:, :256].astype(float), moments[:, -256:].astype(float)
    assert abs(first - last).mean() > 1  # something moved
    (folder,) = tmp_path.glob("flamecast_*")
    names = {"motion.npz", "out.mp4", "out.json", "motion.glb", "motion.csv"}
    assert {file.name for file in folder.iterdir()} == names
