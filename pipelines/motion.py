"""`flamecast motion`: a signal, as a parameter file."""

from __future__ import annotations

from pathlib import Path

from ..flame_motion.edit import apply_edit
from ..flame_motion.files import check_writable, refuse_overwriting
from ..flame_motion.threads import one_torch_thread
from .console import Progress
from .options import HEAD, AnimateOptions
from .report import Clock, Done, check_file, write_report
from .signals import Source, check_edit, open_signal, to_motion


@one_torch_thread()
def write_motion(
    output: Path,
    *,
    video: Source | None = None,
    motion: Source | None = None,
    text: str | None = None,
    speech: Source | None = None,
    edit: str | None = None,
    seconds: float | None = None,
    fps: float | None = None,
    head: str = HEAD,
    seed: int = 0,
    progress: Progress | None = None,
) -> Done:
    """Writes the motion of one signal to `output` (.npz), with a JSON report beside it. Raises BadInput."""
    check_file(output, ".npz")
    AnimateOptions(edit=edit, seconds=seconds, fps=fps, seed=seed)  # refuses what `animate` would refuse
    check_edit(edit, head)
    report = output.with_suffix(".json")
    check_writable(report)
    refuse_overwriting([video, motion, speech, edit], [output, report])
    clock = Clock()
    signal = open_signal(video=video, motion=motion, text=text, speech=speech, fps=fps, head=head)
    with clock.stage("motion"):
        driving = to_motion(signal, head=head, seconds=seconds, fps=fps, seed=seed, progress=progress)
        made = driving.motion if edit is None else apply_edit(driving.motion, edit)
    made.save(output)
    facts = {
        "driver": driving.facts,
        "head": made.head,
        "frames": len(made),
        "fps": made.fps,
        "edit": edit,
        "problems": driving.problems,
        "frame_problems": driving.frame_problems,
        "timings": clock.table(len(made)),
    }
    write_report(report, facts)
    return Done([output, report], driving.problems)
