"""The photo that every machine has."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.data import astronaut as photo

from flamecast.generator import Portrait


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    return photo()


@pytest.fixture(scope="session")
def portrait(astronaut) -> Portrait:
    return Portrait.fit(astronaut)
