"""`flamecast motion`: a signal, as a parameter file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.files import PathLike, refuse_overwriting
from ..core.options import flat
from ..core.report import Clock, Done, check_file, check_report, write_report
from ..core.threads import one_torch_thread
from ..flame_motion import FlameSequence, Progress, load_head
from ..flame_motion.edit import apply_edit, edit_files
from .animate import AnimatePipeline
from .opening import check_edit, mix_files, open_mix, open_signal
from .request import HEAD, AnimateRequest
from .stages import drive_signal, mixed, retargeted, retimed


@one_torch_thread()
def write_motion(
    output: PathLike,
    *,
    head: str | None = None,
    driver_options: dict[str, dict[str, Any]] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Done:
    """Writes the motion of one signal to `output` (.npz), with a JSON report beside it. Raises BadInput.

    options: those of `AnimateRequest`. head: a motion of another head is retargeted to it; when None a motion keeps its
    own. Then the mix, then the edit.
    """
    request, output = AnimateRequest.of(**options), Path(output)
    edit = request.edit
    check_file(output, ".npz")
    report = output.with_suffix(".json")
    check_report(report)
    named = [value for name, value in flat(request.drive).items() if name not in ("text", "emotion", "say")]
    refuse_overwriting([*named, *edit_files(edit), *mix_files(request.mix)], [output, report])
    clock = Clock()
    load = AnimatePipeline(head=head or HEAD, driver_options=driver_options or {}).driver
    signal = open_signal(request.drive, request.clip, request.mix, head or HEAD)
    wanted = head or (signal.value.head if isinstance(signal.value, FlameSequence) else HEAD)
    check_edit(edit, wanted)
    clips = open_mix(request.mix, wanted)
    with clock.stage("motion"):
        driven = drive_signal(signal, load, request.clip, head=wanted, seed=request.seed, progress=progress)
        driven = retimed(mixed(retargeted(driven, load_head(wanted)), clips), edit)
        made = driven.motion if edit is None else apply_edit(driven.motion, edit)
    made.save(output)
    facts = {"driver": driven.facts, "head": made.head, "frames": len(made), "fps": made.fps, "edit": edit}
    notes = {"problems": driven.problems, "frame_problems": driven.frame_problems, "timings": clock.table(len(made))}
    write_report(report, facts | {"mix": request.mix, "options": request.report()} | notes)
    return Done([output, report], driven.problems)
