"""The page's own pieces of HTML: a job's progress, its result, its line in the history."""

from __future__ import annotations

from html import escape

from .job import CANCELLED, FAILED, RUNNING, WAITING, Job

STAGES = {
    "load": "Loading the models; the first time here they are compiled, which takes a minute or two",
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
BRINGING = "Bringing the photo to life …"
COMPILING = "Getting ready: the first start here loads models and compiles, which takes a minute or two"
EMPTY = (
    '<div class="empty"><svg viewBox="0 0 64 64" aria-hidden="true"><circle cx="32" cy="25" r="12"/>'
    '<path d="M10 58c2-14 11-20 22-20s20 6 22 20"/></svg>'
    '<p>Choose a photo of a face.</p><p class="note">It comes to life here. Then say what happens, and press '
    "<b>Animate</b>.</p></div>"
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


def working(sentence: str) -> str:
    """Something goes on, and how far it is is not known."""
    return _status("run", sentence, None)


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
        f'data-motion="app/motions/{job.id}" data-portrait="{escape(str(job.request.page.get("portrait", "")))}" '
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


def history_html(jobs: list[Job], chosen: str | None) -> str:
    """This visit's results, the newest first, each to be shown or deleted."""
    if not jobs:
        return ""
    return (
        f'<h2 class="part-title">This visit</h2><ul class="visit">{"".join(_entry(job, chosen) for job in jobs)}</ul>'
    )


def _entry(job: Job, chosen: str | None) -> str:
    title = escape(job.request.title)
    length = "preview" if job.request.preview else f"{job.facts['seconds']:.1f} s"
    current = ' aria-current="true"' if job.id == chosen else ""
    return (
        f'<li><button type="button" class="show" data-show="{job.id}"{current}>'
        f'<img src="api/jobs/{job.id}/files/poster.jpg" alt="" width="56" height="56">'
        f"<span><b>{title}</b><small>{length}</small></span></button>"
        f'<button type="button" class="remove" data-delete="{job.id}" aria-label="Delete {title}">✕</button></li>'
    )
