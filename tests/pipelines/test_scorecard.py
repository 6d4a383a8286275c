"""One table of generators and other programs: the truth itself is the best row of all."""

from __future__ import annotations

import json

import pytest

from flamecast.flame_motion import BadInput
from flamecast.pipelines import AnimatePipeline, cli
from flamecast.pipelines.evaluate.scorecard import evaluate_scorecard


def test_a_scorecard_needs_something_to_measure(tmp_path):
    with pytest.raises(BadInput, match="expected clips, heads or both"):
        evaluate_scorecard()
    (tmp_path / "clip.mp4").write_bytes(b"1")
    clips = [tmp_path / "clip.mp4"]
    for others, sentence in (
        (["mine"], "NAME=FOLDER"),
        (["warp=x"], "given twice"),
        ([f"a={tmp_path}/x"], "does not exist"),
    ):
        with pytest.raises(BadInput, match=sentence):
            evaluate_scorecard(clips, others=others)


def test_a_scorecard_has_a_row_for_everyone(tmp_path, capsys):
    clip = tmp_path / "clip.mp4"
    AnimatePipeline()("demo", motion="demo", seconds=0.4, size=128, output=clip)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "clip.mp4").write_bytes(clip.read_bytes())
    arguments = ["--clip", str(clip), "--other", f"same={tmp_path / 'other'}", "--seconds", "0.4", "--pictures", "4"]
    cli.app(
        ["evaluate", "scorecard", *arguments, "--page", str(tmp_path / "card.html"), "--json"], standalone_mode=False
    )
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert list(rows) == ["warp", "same"] and rows["same"]["head"]["ssim"] == 1 > rows["warp"]["head"]["ssim"]
    assert abs(rows["same"]["mouth"]["frechet"]) < 1e-4 < rows["warp"]["mouth"]["frechet"]
    page = (tmp_path / "card.html").read_text()
    assert "warp: clip" in page and "same: clip" in page and "class=best" in page
