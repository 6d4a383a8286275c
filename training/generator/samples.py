"""What a training of the generator draws as it goes: pictures for TensorBoard, and videos of windows of frames."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from ...flame_motion.media.video_writer import VideoWriter
from .data import Examples

EVERY = 500  # steps
FPS = 12.5  # slower than life, to be looked at


class SampleWriter(Callback):
    """RUN/samples/<step>.png, rows of photo, warped, sampled and truth; <step>.mp4 of windows; and TensorBoard's."""

    def __init__(self, run: Path, examples: Examples, every: int = EVERY) -> None:
        self.folder, self.run, self.examples, self.every = run / "samples", run, examples, every

    def on_train_batch_end(self, trainer: Trainer, module: Any, *args: Any) -> None:
        """Draws, where it is time."""
        if trainer.global_step % self.every == 0 and trainer.is_global_zero and trainer.global_step:
            self.draw(module, trainer.global_step)

    def draw(self, module: Any, step: int) -> None:
        """Writes the samples of a step."""
        from PIL import Image

        frames, shown = self.examples.frames, module.samples(self.examples).cpu()  # [examples V T, 4, 3, S, S]
        sheet = tiled(shown[::frames])
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(self.folder / f"{step:06d}.png")
        if frames > 1:
            write_window(self.folder / f"{step:06d}.mp4", shown, frames)
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            with SummaryWriter(str(self.run / "log")) as board:
                board.add_image("photo, warped, sampled, truth", sheet, step, dataformats="HWC")


def write_window(path: Path, pictures: Tensor, frames: int) -> None:
    """A video of windows [V T, C, 3, S, S] 0..1 of T frames, each frame a sheet of all views."""
    with VideoWriter(path, FPS) as writer:
        for frame in range(frames):
            writer.write(tiled(pictures[frame::frames]))


def tiled(pictures: Tensor) -> np.ndarray:
    """Pictures [R, C, 3, S, S] 0..1 as a sheet uint8 [R S, C S, 3]."""
    sheet = (pictures.clamp(0, 1) * 255).round().byte().permute(0, 3, 1, 4, 2)  # [R, S, C, S, 3]
    return sheet.flatten(2, 3).flatten(0, 1).numpy()
