"""Trains the second scale on what the first one makes: pixels, perceptual distance, and after a while a critic.

python -m flamecast.training.completion.detail --data FOLDER --first CHECKPOINT --run FOLDER
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...generator.completion.atlas import COLUMNS, ROWS
from ...generator.completion.detail import DetailConfig, DetailNetwork, detail_input
from ...generator.completion.frame import AtlasView
from ...generator.completion.merge import FINE, merge
from ...generator.completion.network import CompletionConfig, CompletionNetwork
from ...generator.completion.seen import network_input
from ...generator.training.perceptual import PerceptualDistance
from .checkpoints import load_checkpoint, save_checkpoint, update_average
from .critic import ProjectedCritic, critic_loss, fooling_loss, seen_by, unlike
from .samples import seen_of
from .train import write_row

SIZE = ROWS * FINE, COLUMNS * FINE
WINDOW = 96, 128  # rows and columns of what a step sees of an atlas
MARGIN = 8  # texels beside a window's edge that do not count: what joins there is no neighbour
MADE = np.dtype([
    ("color", "u1", (*SIZE, 3)), ("shown", "u1", SIZE), ("hair", "u1", SIZE), ("wanted", "u1", (*SIZE, 3)),
    ("there", "u1", SIZE),
])  # fmt: skip


@dataclass(frozen=True)
class DetailPlan:
    """What is trained when, and how much each term counts."""

    steps: int = 20_000
    lr: float = 5e-4
    critic_from: int = 1_500  # the step from which the critic learns
    fooled_from: int = 1_700  # and from which the network is told what it says
    perceptual: float = 0.15
    critic: float = 1.0  # of the strength of the other terms' gradient

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.lr * min((step + 1) / 100, 1.0) * max(0.05, min(1.0, 2 * (1 - step / self.steps)))


def load_first(checkpoint: Path) -> CompletionNetwork:
    """The averaged completion network of a checkpoint."""
    told = json.loads((checkpoint / "state.json").read_text())["config"]
    network = CompletionNetwork(CompletionConfig(**{**told, "widths": tuple(told["widths"])}))
    network.load_state_dict(load_file(checkpoint / "average.safetensors"))
    return network.eval()


def complete_samples(folder: Path, network: CompletionNetwork, output: Path) -> np.memmap:
    """What the first scale makes of each sample, beside the truth, as one array of `MADE`; made once."""
    if not output.exists():
        hidden = output.with_suffix(".part")
        with open(hidden, "wb") as file:
            for path in sorted(folder.glob("*.npz")):
                with np.load(path) as arrays:
                    if "camera_from_atlas" in arrays:
                        file.write(_completed(dict(arrays), network).tobytes())
        hidden.rename(output)
    return np.memmap(output, MADE, "r")


@torch.no_grad()
def _completed(arrays: dict[str, np.ndarray], network: CompletionNetwork) -> np.ndarray:
    """A record of `MADE`."""
    made = network(torch.from_numpy(network_input(seen_of(arrays)))[None])
    view = AtlasView(arrays["intrinsics"], arrays["camera_from_atlas"])
    head = merge(arrays["photo"], arrays["matte"].astype(np.float32) / 255, view, made, strands=False)
    record = np.zeros((), MADE)
    hair = arrays["truth.hair_there"][..., None] / 255
    record["wanted"] = arrays["truth.skin"] * (1 - hair) + arrays["truth.hair"] * hair + 0.5
    record["there"] = np.maximum(arrays["truth.skin_there"], arrays["truth.hair_there"])
    record["color"], record["shown"], record["hair"] = head.color + 0.5, 255 * head.shown, 255 * head.hair
    return record


class DetailBatches:
    """Windows of completed samples by seed and step, mirrored at random, where much is hidden."""

    def __init__(self, samples: np.ndarray, batch_size: int, seed: int = 0) -> None:
        self.samples, self.batch_size, self.seed = samples, batch_size, seed

    def at(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Input [B, GIVEN, h, w], truth [B, 3, h, w] 0..1 and what counts [B, 1, h, w] of a step's windows."""
        rng = np.random.default_rng([self.seed, step])
        windows = [self._window(rng) for _ in range(self.batch_size)]
        given, wanted, counts = (torch.stack(x) for x in zip(*windows))
        return given, wanted, counts

    def _window(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        record = self.samples[rng.integers(len(self.samples))]
        get = lambda name: torch.from_numpy(record[name].astype(np.float32) / 255).reshape(*SIZE, -1).permute(2, 0, 1)  # noqa: E731
        noise = torch.from_numpy(rng.standard_normal((1, *SIZE), np.float32))
        given = detail_input(*(x[None] for x in (get("color"), get("shown"), get("hair"), noise)))[0]
        whole = torch.cat([given, get("wanted"), (1 - get("shown")) * (get("there") > 0.9)])
        whole = torch.cat([whole, whole], -1)  # a window may reach over the seam
        if rng.random() < 0.5:
            whole = whole.flip(-1)
        for _ in range(8):
            row, column = rng.integers(SIZE[0] - WINDOW[0] + 1), rng.integers(SIZE[1])
            part = whole[:, row : row + WINDOW[0], column : column + WINDOW[1]]
            if float(part[-1].mean()) > 0.5:
                break
        counts = torch.zeros_like(part[-1:])
        counts[:, MARGIN:-MARGIN, MARGIN:-MARGIN] = part[-1:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        return part[:-4].contiguous(), part[-4:-1].contiguous(), counts


class DetailTraining:
    """The network, its average, the critic and their optimisers, a step at a time."""

    def __init__(self, config: DetailConfig, plan: DetailPlan, ema_decay: float = 0.999, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.network, self.average, self.critic = DetailNetwork(config), DetailNetwork(config), ProjectedCritic()
        self.average.load_state_dict(self.network.state_dict())
        self.average.eval().requires_grad_(False)
        self.looks = PerceptualDistance()
        self.plan, self.ema_decay, self.step = plan, ema_decay, 0
        self.optimizer = torch.optim.AdamW(self.network.parameters(), plan.lr, betas=(0.5, 0.99), weight_decay=1e-3)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), 4e-4, betas=(0.0, 0.99))

    def train_on(self, batches: DetailBatches) -> dict[str, float]:
        """One step on the windows of its number; its terms."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(self.step)
        given, wanted, counts = batches.at(self.step)
        with torch.autocast("cpu", torch.bfloat16):
            color = self.network(given)
        true = color.detach() + counts * (wanted - color.detach())  # they differ where it counts, and nowhere else
        # Through a picture of its own, so that the gradients of the terms can be weighed against each other there.
        made = color.detach().requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                seen_true = seen_by(self.looks, true)
            seen_made = seen_by(self.looks, made)
        pixels = (counts * (made - wanted).abs()).sum() / (3 * counts.sum()).clamp_min(1)
        distance = unlike(seen_made, seen_true)
        (gradient,) = torch.autograd.grad(pixels + self.plan.perceptual * distance, made, retain_graph=True)
        terms = {"pixels": pixels.item(), "perceptual": distance.item(), "critic": 0.0, "fooled": 0.0}
        if self.step >= self.plan.critic_from:
            terms["critic"] = self._teach_critic(seen_true, seen_made, counts)
        if self.step >= self.plan.fooled_from:
            terms["fooled"], told = self._told(seen_made, made, counts)
            rise = min((self.step - self.plan.fooled_from) / 200, 1.0)
            # Evened out to the other terms' strength; within bounds, or a critic that knows nothing is made loud.
            gradient = (
                gradient + self.plan.critic * rise * (gradient.norm() / (told.norm() + 1e-8)).clamp(max=50) * told
            )
        self.optimizer.zero_grad()
        color.backward(gradient)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        update_average(self.average, self.network, self.step, self.ema_decay)
        return terms

    def _teach_critic(self, true: list[Tensor], made: list[Tensor], counts: Tensor) -> float:
        """One step of the critic; its loss."""
        loss = critic_loss(self.critic(true, counts), self.critic([x.detach() for x in made], counts))
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        return loss.item()

    def _told(self, seen_made: list[Tensor], made: Tensor, counts: Tensor) -> tuple[float, Tensor]:
        """What the critic says of what was made, and how that changes with its pixels [B, 3, h, w]."""
        fooled = fooling_loss(self.critic(seen_made, counts))
        (gradient,) = torch.autograd.grad(fooled, made)
        return fooled.item(), gradient * counts

    def save(self, run: Path) -> None:
        """A checkpoint."""
        save_checkpoint(run, self.step, *self._parts(), {"config": self.network.config.to_dict()})

    def load(self, run: Path) -> None:
        """Goes on from the last checkpoint of a run, if it has one."""
        told = load_checkpoint(run, *self._parts())
        self.step = told["step"] if told else 0

    def _parts(self) -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
        networks = {"weights": self.network, "average": self.average, "critic": self.critic}
        return networks, {"optimizer": self.optimizer, "critic_optimizer": self.critic_optimizer}


def train(
    data: Path, first: Path, run: Path, plan: DetailPlan, *, batch_size: int = 6, minutes: float = float("inf"),
    checkpoint_minutes: float = 10.0, log_every: int = 50,
) -> None:  # fmt: skip
    """Trains until the plan's end or for some minutes, from the run's last checkpoint on."""
    run.mkdir(parents=True, exist_ok=True)
    training = DetailTraining(DetailConfig(), plan)
    training.load(run)
    batches = DetailBatches(complete_samples(data, load_first(first), run / "made.bin"), batch_size)
    saved, started, recent = time.monotonic(), time.monotonic(), []
    while training.step < plan.steps and time.monotonic() - started < 60 * minutes:
        recent.append(training.train_on(batches))
        if training.step % log_every == 0:
            means = {k: float(np.mean([r[k] for r in recent])) for k in recent[0]}
            write_row(run / "train.csv", training.step, means)
            print(training.step, means, flush=True)
            recent = []
        if time.monotonic() - saved > 60 * checkpoint_minutes:
            training.save(run)
            saved = time.monotonic()
    training.save(run)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that `prepare` made")
    parser.add_argument("--first", type=Path, required=True, help="checkpoint of the completion network")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=DetailPlan.steps)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after them; the same line goes on")
    given = parser.parse_args()
    train(given.data, given.first, given.run, DetailPlan(given.steps), minutes=given.minutes)


if __name__ == "__main__":
    main()
