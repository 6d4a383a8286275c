"""The cubic step of both rooms: its ends, its slopes, its symmetry, for numpy and torch alike."""

from __future__ import annotations

import numpy as np
import torch

from flamecast.core.easing import smoothstep


def test_smoothstep_is_the_cubic_with_level_ends():
    x = torch.linspace(-1, 2, 301, dtype=torch.float64, requires_grad=True)
    y = smoothstep(x)
    assert bool((y[x <= 0] == 0).all()) and bool((y[x >= 1] == 1).all())
    assert torch.allclose(y + y.flip(0), torch.ones_like(y), atol=1e-12)
    inside = ((x > 0) & (x < 1)).detach()
    slope = torch.autograd.grad(y.sum(), x)[0]
    assert torch.allclose(slope[inside], (6 * x * (1 - x))[inside], atol=1e-12) and not slope[x < 0].any()


def test_numpy_and_torch_agree_bit_for_bit():
    x = np.random.default_rng(0).normal(0.5, 1, 1000)
    assert np.array_equal(smoothstep(x), smoothstep(torch.from_numpy(x)).numpy())
