"""`flamecast motion`: a signal, as a parameter file."""

from __future__ import annotations

from pathlib import Path

from ..flame_motion import load_head
from ..flame_motion.edit import apply_edit, edit_files
from ..flame_motion.files import check_writable, refuse_overwriting
from ..flame_motion.threads import one_torch_thread
from .console import Progress
from .driving import Source, check_edit, mix_files, mixed, open_mix, open_signal, retargeted, retimed, to_motion
from .options import HEAD, AnimateOptions
from .report import Clock, Done, check_file, write_report


@one_torch_thread()
def write_motion(
    output: Path,
    *,
    video: Source | None = None,
    motion: Source | None = None,
    text: str | None = None,
    speech: Source | None = None,
    edit: str | None = None,
    mix: str | None = None,
    seconds: float | None = None,
    fps: float | None = None,
    head: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Done:
    """Writes the motion of one signal to `output` (.npz), with a JSON report beside it. Raises BadInput.

    head: a motion of another head is retargeted to it; when None a motion keeps its own. Then the mix, then the edit.
    """
    check_file(output, ".npz")
    AnimateOptions(edit=edit, mix=mix, seconds=seconds, fps=fps, seed=seed)  # refuses what `animate` would refuse
    report = output.with_suffix(".json")
    check_writable(report)
    refuse_overwriting([video, speech, motion, *edit_files(edit), *mix_files(mix)], [output, report])
    clock = Clock()
    signal = open_signal(video=video, motion=motion, text=text, speech=speech, fps=fps, head=head or HEAD)
    wanted = head or (HEAD if signal.motion is None else signal.motion.head)
    check_edit(edit, wanted)
    others = open_mix(mix, wanted)
    with clock.stage("motion"):
        driving = to_motion(signal, head=wanted, seconds=seconds, fps=fps, seed=seed, progress=progress)
        driving = retimed(mixed(retargeted(driving, load_head(wanted)), others), edit)
        made = driving.motion if edit is None else apply_edit(driving.motion, edit)
    made.save(output)
    facts = {
        "driver": driving.facts,
        "head": made.head,
        "frames": len(made),
        "fps": made.fps,
        "edit": edit,
        "mix": mix,
        "problems": driving.problems,
        "frame_problems": driving.frame_problems,
        "timings": clock.table(len(made)),
    }
    write_report(report, facts)
    return Done([output, report], driving.problems)
