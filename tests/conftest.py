"""The head of FLAME's topology that several files test with: registering takes seconds, so once a session."""

from __future__ import annotations

import numpy as np
import pytest

from flamecast.flame_motion import Head
from flamecast.flame_motion.heads.flame.register import Registration

from .flame_motion import flame_like


@pytest.fixture(scope="session")
def flame_template() -> dict[str, np.ndarray]:
    """FLAME 2023 Open's template, faces and 60 identity axes (CC-BY-4.0). Skips the test where they are not here."""
    if not flame_like.CORE.exists():
        pytest.skip("FLAME's template is not here (../shared/data/flame)")
    with np.load(flame_like.CORE) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="session")
def flame_registration(flame_template) -> Registration:
    """The built-in head laid over FLAME's template."""
    return flame_like.registration(flame_template)


@pytest.fixture(scope="session")
def flame_pickle(flame_template, flame_registration) -> dict[str, np.ndarray]:
    """What a FLAME file of the head below holds, with 100 expression axes."""
    return flame_like.flame_like_file(flame_template, flame_registration, axes=100)


@pytest.fixture(scope="session")
def flame_head(flame_template, flame_registration) -> Head:
    """A head of FLAME's topology with 60 identity and 63 expression axes, none of which is one of ours."""
    return flame_like.flame_like_head(flame_template, flame_registration, axes=63)
