"""MediaPipe's models: Face Mesh, face detection, selfie segmentation; imported where used."""

from __future__ import annotations

import os
from typing import Any


def solutions() -> Any:
    """`mediapipe.solutions`, quiet. Half of its second of importing is matplotlib, for drawing helpers unused here."""
    os.environ.setdefault("GLOG_minloglevel", "2")  # the C++ side otherwise reports every start on stderr
    import mediapipe

    return mediapipe.solutions
