"""What a training of the generator makes as it goes: pictures for TensorBoard, and videos of windows of frames."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from torch import Tensor

from ...flame_motion.media.video_writer import VideoWriter

EVERY = 500  # steps
FPS = 12.5  # slower than life, to be looked at


class SampleWriter(Callback):
    """RUN/samples/<step>.png, rows of photo, warped, made and truth; <step>.mp4 of windows; and TensorBoard's."""

    def __init__(self, run: Path, every: int = EVERY) -> None:
        self.folder, self.run, self.every = run / "samples", run, every

    def on_train_batch_end(self, trainer: Trainer, module: Any, *args: Any) -> None:
        """Draws, where it is time."""
        if trainer.global_step % self.every == 0 and trainer.is_global_zero and trainer.global_step:
            self.draw(module, trainer.train_dataloader, trainer.global_step)

    def draw(self, module: Any, batches: Any, step: int) -> None:
        """Writes the samples of a step."""
        from PIL import Image

        shown = module.samples(batches).cpu()  # [windows V T, 4, 3, S, S]
        sheet = _tiled(shown[:: batches.pairs.frames])
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(self.folder / f"{step:06d}.png")
        if batches.pairs.frames > 1:
            with VideoWriter(self.folder / f"{step:06d}.mp4", FPS) as writer:
                for frame in range(batches.pairs.frames):
                    writer.write(_tiled(shown[frame :: batches.pairs.frames]))
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            with SummaryWriter(str(self.run / "log")) as board:
                board.add_image("photo, warped, made, truth", sheet, step, dataformats="HWC")


def _tiled(pictures: Tensor) -> Any:
    """Pictures [R, C, 3, S, S] 0..1 as a sheet uint8 [R S, C S, 3]."""
    sheet = (pictures.clamp(0, 1) * 255).round().byte().permute(0, 3, 1, 4, 2)  # [R, S, C, S, 3]
    return sheet.flatten(2, 3).flatten(0, 1).numpy()
