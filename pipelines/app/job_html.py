"""The page's own pieces of HTML: a job's progress, its result, its line in the history."""

from __future__ import annotations

from html import escape

from .job import CANCELLED, FAILED, RUNNING, WAITING, Job

STAGES = {
    "start": "Getting ready",
    "track": "Following the face in the video",
    "speech": "Listening",
    "motion": "Moving the head",
    "emotion": "Moving the face",
    "generate": "Drawing",
    "export": "Putting it together",
}
DOWNLOADS = {
    "video.mp4": "Video",
    "motion.npz": "Motion (.npz)",
    "head.glb": "3D head (.glb)",
    "report.json": "Report",
}
READY = '<span class="ready"></span>'  # an empty status; the page answers
EMPTY = (
    '<div class="empty"><svg viewBox="0 0 64 64" aria-hidden="true"><circle cx="32" cy="25" r="12"/>'
    '<path d="M10 58c2-14 11-20 22-20s20 6 22 20"/></svg>'
    '<p>Your video appears here.</p><p class="note">Give a photo, say what happens, and press <b>Animate</b>.</p></div>'
)


def status_html(job: Job, position: int = 0) -> str:
    """A job's progress: a line and a bar."""
    if job.state == WAITING:
        ahead = "next" if position == 0 else f"{position} before it"
        return _status("wait", f"Waiting: {ahead}", None)
    if job.state == RUNNING:
        if job.unwanted:
            return _status("wait", "Stopping …", None)
        stage = STAGES.get(job.stage, "Working")
        count = f", {job.done} of {job.of}" if job.of > 2 and job.stage != "export" else ""
        left = f" · {time_left(job.left)}" if job.left is not None else ""
        return _status("run", f"{stage}{count}{left}", job.done / job.of if job.of else None)
    if job.state == FAILED:
        return message(job.error or "it failed")
    if job.state == CANCELLED:
        return _status("wait", "Cancelled.", 0.0)
    seconds = (job.ended or 0) - (job.started or 0)
    return f'<div class="status done" role="status">Done in {seconds:.0f} s.</div>'


def _status(kind: str, text: str, share: float | None) -> str:
    """A line and a bar; without a share (0 to 1) the bar only shows that something goes on."""
    value = "" if share is None else f' aria-valuenow="{round(100 * share)}" style="--share:{share:.3f}"'
    kind = kind if share is not None or kind == "wait" else f"{kind} unknown"
    role = 'role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-label="Progress"'
    bar = f'<div class="bar" {role}{value}><i></i></div>'
    return f'<div class="status {kind}" role="status"><span>{escape(text)}</span>{bar}</div>'


def message(sentence: str) -> str:
    """An error sentence."""
    return f'<div class="status bad" role="alert">{escape(sentence[:1].upper() + sentence[1:])}</div>'


def time_left(seconds: float) -> str:
    """A time for people. seconds: s."""
    if seconds < 60:
        return f"about {max(1, round(seconds))} s left"
    return f"about {seconds / 60:.1f} min left"


def result_html(job: Job) -> str:
    """A job's video."""
    base, (width, height) = f"api/jobs/{job.id}/files", job.facts["size"]
    return (
        f'<div class="made"><video id="made" controls autoplay loop playsinline poster="{base}/poster.jpg" '
        f'src="{base}/video.mp4" aria-label="{escape(job.request.title)}" style="--ratio:{width / height:.4f}">'
        "</video></div>"
    )


def about_html(job: Job) -> str:
    """The video's title and size, links to its files, and the problems."""
    base, facts = f"api/jobs/{job.id}/files", job.facts
    width, height = facts["size"]
    links = "".join(
        f'<a class="get" href="{base}/{name}?download=true" download="flamecast-{name}">{label}</a>'
        for name, label in DOWNLOADS.items()
        if name in job.files
    )
    notes = "".join(f"<li>{escape(problem)}</li>" for problem in job.problems)
    notes = f'<ul class="notes" aria-label="Worth knowing">{notes}</ul>' if notes else ""
    kind = '<span class="tag">preview</span>' if job.request.preview else ""
    return (
        f'<div class="about">{kind}<b>{escape(job.request.title)}</b><span class="note">{facts["seconds"]:.1f} s · '
        f'{width} × {height} · {facts["fps"]:g} fps</span></div><div class="gets">{links}</div>{notes}'
    )


def label_of(job: Job) -> str:
    """A finished job's line in the history."""
    length = "preview" if job.request.preview else f"{job.facts['seconds']:.1f} s"
    return f"{job.request.title} — {length}"
