"""VRM 1.0: what a portrait's glTF says besides, so that programs for avatars know its bones, faces and gaze.

https://github.com/vrm-c/vrm-specification/tree/master/specification/VRMC_vrm-1.0. VRM wants a whole body's bones: those
that a portrait has not hang below its root as nodes without weight, where a person of its size would have them.
"""

from __future__ import annotations

from typing import Any

from .glb import Document

BODY: dict[str, tuple[str, tuple[float, float, float]]] = {  # bone: parent, and where it rests in it, m
    "spine": ("hips", (0.0, 0.12, 0.0)),
    "leftUpperArm": ("spine", (0.16, 0.3, 0.0)), "leftLowerArm": ("leftUpperArm", (0.26, 0.0, 0.0)),
    "leftHand": ("leftLowerArm", (0.25, 0.0, 0.0)), "rightUpperArm": ("spine", (-0.16, 0.3, 0.0)),
    "rightLowerArm": ("rightUpperArm", (-0.26, 0.0, 0.0)), "rightHand": ("rightLowerArm", (-0.25, 0.0, 0.0)),
    "leftUpperLeg": ("hips", (0.09, -0.05, 0.0)), "leftLowerLeg": ("leftUpperLeg", (0.0, -0.42, 0.0)),
    "leftFoot": ("leftLowerLeg", (0.0, -0.42, 0.0)), "rightUpperLeg": ("hips", (-0.09, -0.05, 0.0)),
    "rightLowerLeg": ("rightUpperLeg", (0.0, -0.42, 0.0)), "rightFoot": ("rightLowerLeg", (0.0, -0.42, 0.0)),
}  # fmt: skip
HIPS = (0.0, -0.62, -0.05)  # m, from the root
FACE = {"head": "neck", "jaw": "jaw", "leftEye": "eye_left", "rightEye": "eye_right"}
# Presets by ARKit's shapes. Gaze is the eyes' bones'.
EXPRESSIONS: dict[str, dict[str, float]] = {
    "happy": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "angry": {"browDownLeft": 0.9, "browDownRight": 0.9, "noseSneerLeft": 0.4, "noseSneerRight": 0.4,
              "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4},
    "sad": {"browInnerUp": 0.8, "mouthFrownLeft": 0.8, "mouthFrownRight": 0.8},
    "relaxed": {"mouthSmileLeft": 0.3, "mouthSmileRight": 0.3, "eyeBlinkLeft": 0.2, "eyeBlinkRight": 0.2},
    "surprised": {"browInnerUp": 1.0, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8, "eyeWideLeft": 0.7,
                  "eyeWideRight": 0.7, "jawOpen": 0.35},
    "aa": {"jawOpen": 0.6}, "ih": {"jawOpen": 0.2, "mouthStretchLeft": 0.4, "mouthStretchRight": 0.4},
    "ou": {"jawOpen": 0.15, "mouthPucker": 0.8, "mouthFunnel": 0.3},
    "ee": {"jawOpen": 0.15, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}, "oh": {"jawOpen": 0.35, "mouthFunnel": 0.7},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
}  # fmt: skip
LOOK = {"inputMaxValue": 90.0, "outputScale": 30.0}  # degrees


def add_vrm(document: Document, name: str, root: int, bodies: list[int], names: list[str]) -> None:
    """Makes a document with the joints below `root` and the nodes `bodies`, whose shapes have `names`, a VRM."""
    nodes = document.content["nodes"]
    index = {node["name"]: number for number, node in enumerate(nodes)}
    bones = {"hips": document.append("nodes", {"name": "hips", "translation": list(HIPS)})}
    nodes[root].setdefault("children", []).append(bones["hips"])
    for bone, (parent, rests) in BODY.items():
        bones[bone] = document.append("nodes", {"name": bone, "translation": list(rests)})
        nodes[bones[parent]].setdefault("children", []).append(bones[bone])
    _head_on_spine(nodes, root, index["neck"], bones["spine"])
    bones |= {bone: index[joint] for bone, joint in FACE.items() if joint in index}
    moving = [body for body in bodies if "weights" in document.content["meshes"][nodes[body]["mesh"]]]
    bind = lambda shape, by: [{"node": body, "index": names.index(shape), "weight": by} for body in moving]  # noqa: E731
    preset: dict[str, Any] = {
        expression: {"morphTargetBinds": [each for shape, by in shapes.items() for each in bind(shape, by)]}
        for expression, shapes in EXPRESSIONS.items()
    }
    custom = {shape: {"morphTargetBinds": bind(shape, 1.0)} for shape in names[:52]}
    ranges = ("rangeMapHorizontalInner", "rangeMapHorizontalOuter", "rangeMapVerticalDown", "rangeMapVerticalUp")
    document.content.setdefault("extensions", {})["VRMC_vrm"] = {
        "specVersion": "1.0",
        "meta": {
            "name": name, "authors": ["flamecast"], "licenseUrl": "https://vrm.dev/licenses/1.0/",
            "avatarPermission": "onlyAuthor", "commercialUsage": "personalNonProfit", "creditNotation": "required",
            "modification": "prohibited", "allowRedistribution": False,
        },
        "humanoid": {"humanBones": {bone: {"node": node} for bone, node in bones.items()}},
        "expressions": {"preset": preset, "custom": custom},
        "lookAt": {"type": "bone", "offsetFromHeadBone": [0.0, 0.06, 0.06], **dict.fromkeys(ranges, LOOK)},
    }  # fmt: skip
    document.content.setdefault("extensionsUsed", []).append("VRMC_vrm")


def _head_on_spine(nodes: list[dict[str, Any]], root: int, neck: int, spine: int) -> None:
    """Hangs the neck's joint on the spine, where it was."""
    nodes[root]["children"].remove(neck)
    above = [a - b - c for a, b, c in zip(nodes[neck]["translation"], HIPS, BODY["spine"][1])]
    nodes[neck]["translation"] = above
    nodes[spine].setdefault("children", []).append(neck)
