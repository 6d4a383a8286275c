"""`flamecast motion`: a signal, as a parameter file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.files import PathLike, check_writable, refuse_overwriting
from ..core.report import Clock, Done, check_file, write_report
from ..core.threads import one_torch_thread
from ..flame_motion import FlameSequence, Progress, load_head
from ..flame_motion.edit import apply_edit, edit_files
from .animate import AnimatePipeline
from .driving import check_edit, driven_by, mix_files, mixed, open_mix, open_signal, retargeted, retimed
from .options import HEAD, AnimateOptions


@one_torch_thread()
def write_motion(
    output: Path,
    *,
    video: PathLike | None = None,
    motion: PathLike | None = None,
    text: str | None = None,
    emotion: str | None = None,
    keep: str | None = None,
    keyframes: PathLike | None = None,
    speech: PathLike | None = None,
    say: str | None = None,
    lips: float = 1.0,
    head_motion: float = 1.0,
    blinks: float = 1.0,
    style_strength: float = 1.0,
    driver: str | None = None,
    driver_options: dict[str, dict[str, Any]] | None = None,
    signal: Any = None,
    edit: str | None = None,
    mix: str | None = None,
    seconds: float | None = None,
    fps: float | None = None,
    motion_fps: float | None = None,
    head: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Done:
    """Writes the motion of one signal to `output` (.npz), with a JSON report beside it. Raises BadInput.

    head: a motion of another head is retargeted to it; when None a motion keeps its own. Then the mix, then the edit.
    """
    check_file(output, ".npz")
    # Refuses what `animate` would refuse.
    asked = AnimateOptions(
        edit=edit, mix=mix, seconds=seconds, fps=fps, motion_fps=motion_fps, seed=seed, lips=lips,
        head_motion=head_motion, blinks=blinks, style_strength=style_strength,
    )  # fmt: skip
    report = output.with_suffix(".json")
    check_writable(report)
    refuse_overwriting([video, speech, motion, keyframes, signal, *edit_files(edit), *mix_files(mix)], [output, report])
    clock = Clock()
    load = AnimatePipeline(head=head or HEAD, driver_options=driver_options or {}).driver
    opened = open_signal(
        video=video, motion=motion, text=text, emotion=emotion, seconds=seconds, keep=keep, keyframes=keyframes,
        mix=mix, speech=speech, say=say, speaking=asked.speaking, driver=driver, signal=signal, fps=fps,
        motion_fps=motion_fps, head=head or HEAD,
    )  # fmt: skip
    wanted = head or (opened.value.head if isinstance(opened.value, FlameSequence) else HEAD)
    check_edit(edit, wanted)
    others = open_mix(mix, wanted)
    with clock.stage("motion"):
        driven = driven_by(opened, load, head=wanted, seconds=seconds, fps=fps, seed=seed, progress=progress)
        driven = retimed(mixed(retargeted(driven, load_head(wanted)), others), edit)
        made = driven.motion if edit is None else apply_edit(driven.motion, edit)
    made.save(output)
    facts = {"driver": driven.facts, "head": made.head, "frames": len(made), "fps": made.fps, "edit": edit, "mix": mix}
    told = {"problems": driven.problems, "frame_problems": driven.frame_problems, "timings": clock.table(len(made))}
    write_report(report, facts | told)
    return Done([output, report], driven.problems)
