"""Motions paired with tokens of words or sound, as padded batches: what motion denoisers are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from .batches import batch_number


@dataclass  # Lightning moves its tensors in place
class MotionPairs:
    """A corpus, or a batch of it: normalised motions and the tokens that condition them, padded."""

    motion: Tensor  # [B, T, D]
    frames: Tensor  # [B, T] bool
    tokens: Tensor  # [B, S, C]
    token_mask: Tensor  # [B, S] bool
    index: Tensor  # [B] of each clip in its corpus

    @classmethod
    def collate(cls, pairs: Sequence[tuple[Tensor, Tensor]], mean: Tensor, spread: Tensor) -> MotionPairs:
        """Pads tokens [S, C] and motions [T, D] to the longest of each; in half precision, as corpora are kept."""
        count, (token, motion) = len(pairs), pairs[0]
        longest, most_tokens = (max(len(pair[part]) for pair in pairs) for part in (1, 0))
        motions = torch.zeros(count, longest, motion.shape[-1], dtype=torch.half)
        frames = torch.zeros(count, longest, dtype=torch.bool)
        tokens = torch.zeros(count, max(most_tokens, 1), token.shape[-1], dtype=torch.half)
        mask = torch.zeros(tokens.shape[:2], dtype=torch.bool)
        for row, (token, motion) in enumerate(pairs):
            motions[row, : len(motion)] = (motion.float() - mean) / spread
            frames[row, : len(motion)] = True
            tokens[row, : len(token)], mask[row, : len(token)] = token, True
        return cls(motions, frames, tokens, mask, torch.arange(count))

    def rows(self, rows: Sequence[int], padded: bool = False) -> MotionPairs:
        """Some of its clips in single precision, padded to their own longest, or to the longest of all."""
        index = torch.tensor(rows, device=self.motion.device)
        frames, mask = self.frames[index], self.token_mask[index]
        longest, most_tokens = frames.shape[1], mask.shape[1]
        if not padded:
            longest, most_tokens = int(frames.sum(1).max()), max(int(mask.sum(1).max()), 1)
        return MotionPairs(
            self.motion[index, :longest].float(),
            frames[:, :longest],
            self.tokens[index, :most_tokens].float(),
            mask[:, :most_tokens],
            index,
        )

    def to(self, device: torch.device) -> MotionPairs:
        """The same on a device."""
        return MotionPairs(*(getattr(self, field.name).to(device) for field in fields(self)))


class MotionPairBatches:
    """Batches of clips of like length, which need little padding: each once an epoch, in another order every epoch."""

    def __init__(self, pairs: MotionPairs, batch_size: int, seed: int, padded: bool = False) -> None:
        """padded: all batches of one shape, as a compiled model wants them."""
        self.pairs, self.seed, self.padded = pairs, seed, padded
        self.lengths = pairs.frames.sum(1).tolist()
        self.batch_size = min(batch_size, len(self.lengths))
        self._latest: tuple[int, list[list[int]]] = (-1, [])  # an epoch and its batches

    def __len__(self) -> int:
        return len(self.lengths) // self.batch_size

    def to(self, device: torch.device) -> MotionPairBatches:
        """The whole corpus in a device's memory: loading it by processes takes longer than a step."""
        return MotionPairBatches(self.pairs.to(device), self.batch_size, self.seed, self.padded)

    def at(self, step: int, rank: int = 0, world: int = 1) -> MotionPairs:
        """See `Batches`."""
        epoch, place = divmod(batch_number(step, rank, world), len(self))
        return self.pairs.rows(self.epoch(epoch)[place], self.padded)

    def epoch(self, number: int) -> list[list[int]]:
        """Which clips come together in an epoch: neighbours by length within blocks of 16 batches, shuffled."""
        if self._latest[0] != number:
            self._latest = number, self._shuffled(number)
        return self._latest[1]

    def _shuffled(self, epoch: int) -> list[list[int]]:
        rng, size = np.random.default_rng([self.seed, epoch]), self.batch_size
        order = rng.permutation(len(self.lengths))
        batches = []
        for start in range(0, len(order), 16 * size):
            block = sorted(order[start : start + 16 * size].tolist(), key=lambda index: self.lengths[index])
            batches += [block[first : first + size] for first in range(0, len(block), size)]
        whole = [batch for batch in batches if len(batch) == size]
        return [whole[k] for k in rng.permutation(len(whole))]


def statistics_of(motions: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and spread [D] of motions [T, D]; what hardly moves is not blown up."""
    whole = torch.cat([motion.float() for motion in motions])
    spread = whole.std(0)
    return whole.mean(0), spread.clamp(min=max(float(spread.max()) * 1e-2, 1e-4))
