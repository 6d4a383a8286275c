"""The stream of Live Link Face (an iPhone's app) and of programs that speak as it does: ARKit's values over UDP.

A packet, big endian: version uint8; length int32 and that many bytes of a device's name; the same of a face's name;
frame int32, part of a frame float32, rate int32 / int32; and, where a face is seen, a count uint8 (61) and as many
float32. Layout and order as Unreal Engine's plug-in AppleARKitFaceSupport has them (version 6 of its packet).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from threading import Event

import numpy as np

from ...flame_motion import BadInput, load_head
from ...flame_motion.formats.arkit import ANGLES, SHAPES, Take, from_arkit
from ...flame_motion.formats.arkit_csv import LARGEST_ANGLE, LARGEST_OTHER, LARGEST_VALUE
from .follower import MotionFrame

VERSION = 6
LARGEST_PACKET = 2048  # bytes; more is none
FPS = 60.0  # Hz at which phones send, about
SILENCE = 0.25  # s without a packet that are taken for a face that is gone
FORGET = 2.0  # s without one after which another sender is listened to
TIME = struct.Struct(">ifii")
_SWAPPED = {"jawRight": "jawLeft", "mouthRight": "mouthLeft"}  # the stream has left first, the CSV right
NAMES = tuple({**_SWAPPED, **{left: right for right, left in _SWAPPED.items()}}.get(name, name) for name in SHAPES)
COLUMNS = NAMES + ANGLES  # of the stream, in its order
LIMITS = np.array([LARGEST_VALUE] * len(NAMES) + [LARGEST_ANGLE.get(name, LARGEST_OTHER) for name in ANGLES])


def values_of(packet: bytes) -> np.ndarray | None:
    """The values [61] of `COLUMNS` (0..1, angles in rad); [0] where no face is seen, None for what is no packet."""
    try:
        if packet[0] != VERSION:
            return None
        at = 1
        for _ in range(2):  # names of the device and of the face
            (length,) = struct.unpack_from(">i", packet, at)
            if not 0 <= length <= len(packet):
                return None
            at += 4 + length
        at += TIME.size
        if len(packet) <= at:
            return np.empty(0) if len(packet) == at else None
        if packet[at] != len(COLUMNS) or len(packet) != at + 1 + 4 * len(COLUMNS):
            return None
        values = np.frombuffer(packet, ">f4", len(COLUMNS), at + 1).astype(np.float64)
    except (IndexError, struct.error):
        return None
    return values if bool((np.abs(values) <= LIMITS).all()) else None  # False for what is no number, too


def open_livelink(port: int) -> socket.socket:
    """A socket that phones in this network reach at a UDP port. BadInput where it is in use or not allowed."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        listener.bind(("", port))
    except OSError as error:
        listener.close()
        raise BadInput(
            f"--livelink {port}: this UDP port cannot be listened on ({error.strerror}); name another, in the app, too"
        ) from None
    return listener


def play_livelink(listener: socket.socket, feed: Callable[[MotionFrame], None], stop: Event) -> None:
    """Feeds the newest face of the stream until `stop` is set. One sender is listened to until it falls silent."""
    head, sender = load_head(), None
    heard = shown = 0.0
    listener.settimeout(SILENCE / 5)
    while not stop.is_set():
        values = None
        try:
            packet, source = listener.recvfrom(LARGEST_PACKET)
            if sender in (None, source) or time.perf_counter() - heard > FORGET:
                values = values_of(packet)
        except (TimeoutError, ConnectionError):  # nothing came, or an answer of ours could not be delivered
            pass
        now = time.perf_counter()
        if values is None:
            if now - max(heard, shown) > SILENCE and sender is not None:
                shown = now
                feed(MotionFrame(None, now))
            continue
        sender, heard = source, now
        motion = None
        if len(values):
            take = Take({name: values[k : k + 1] for k, name in enumerate(COLUMNS)}, FPS, [])
            motion = from_arkit(take, head)
        feed(MotionFrame(motion, now))
