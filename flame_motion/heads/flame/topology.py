"""The sizes that every version of FLAME has, and the vertices of its eyeballs."""

from __future__ import annotations

import numpy as np

VERTICES, FACES, IDENTITY, JOINTS = 5023, 9976, 300, 5
SKIN = 3931  # vertices before the eyeballs
EYEBALLS = {"eye_left": np.arange(SKIN, 4477), "eye_right": np.arange(4477, VERTICES)}
