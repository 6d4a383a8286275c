"""A person's own lids: as in the photo until they move, and shut at 1."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.flame_motion import BadInput, load_head
from flamecast.generator import Portrait
from flamecast.generator.eyelids import LEFT, RIGHT, own_eyelids


def gaps(portrait: Portrait, lids: float) -> torch.Tensor:
    """How far each pair of lid points stands apart [2, 7] m when both lids have that value."""
    head = portrait.head
    rest = head.skin.shaped(portrait.shape, portrait.offsets)[0] + head.expression @ portrait.pose.expression[0]
    at = rest + head.eyelids.sum(-1) * lids
    upper, lower = (torch.stack([head.mediapipe[torch.tensor(side[k])] for side in (LEFT, RIGHT)]) for k in (0, 1))
    return at[upper, 1] - at[lower, 1]


def test_the_face_of_the_photo_does_not_change(portrait):
    head = load_head(portrait.pose.head)
    for shut in ([0.0, 0.0], [0.5, 0.2], [0.95, 0.1]):
        pose = replace(portrait.pose, eyelids=torch.tensor([shut]))
        offsets = torch.zeros_like(head.template)
        eyelids, fitted = own_eyelids(head, pose, offsets)
        assert torch.allclose(replace(head, eyelids=eyelids)(pose, fitted), head(pose, offsets), atol=2e-5)


def test_at_one_both_eyes_are_shut_along_their_whole_length(portrait):
    open_, shut = gaps(portrait, 0.0), gaps(portrait, 1.0)
    assert bool((open_.mean(1) > 0.004).all())
    assert float(shut.max()) < 0.0005 and float(shut.min()) > -0.003


def test_brows_do_not_go_along(portrait):
    brow = portrait.head.mediapipe[torch.tensor([*LEFT[2], *RIGHT[2]])]
    assert float(portrait.head.eyelids[brow].norm(dim=1).max()) < 1e-6


def test_own_lids_are_saved_and_checked(portrait, tmp_path):
    portrait.save(tmp_path / "p.npz")
    again = Portrait.load(tmp_path / "p.npz")
    assert torch.equal(again.eyelids, portrait.eyelids) and torch.equal(again.vertices(), portrait.vertices())
    with pytest.raises(BadInput, match="portrait eyelids must have shape"):
        replace(portrait, eyelids=torch.zeros(3, 3, 2))
    with pytest.raises(BadInput, match="portrait eyelids must be within 1 m"):
        replace(portrait, eyelids=portrait.eyelids + 2)
