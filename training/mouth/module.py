"""The loss of the mouth's network, for Lightning: the true crop, what it looks like, and a critic."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from ...generator.mouth.network import EDGE, MouthNetwork, around_lips, in_channels_last, opening_of
from ..critic import ProjectedCritic, critic_loss, fooling_loss, seen_by, unlike
from ..generator.perceptual import PerceptualDistance
from ..module import TrainingModule
from .data import Rows
from .options import MouthTraining

ALONE, RISING = 200, 150  # steps for which the critic learns unheard, and over which its weight rises then
LIPS = 1.0  # how much more than the skin beside them they count
# Where teeth and tongue are between the lips no frame tells exactly: a blur would be learned, the mean of all places.
# There a pixel counts little, and the mean over squares of TONE px instead; the rest is left to the critic.
INSIDE, TONE = 0.15, 8
BALANCE_EVERY, BALANCE = 16, 0.2  # steps from one look at the gradients to the next, and how far it is believed
LOUDEST = 50.0  # how much a critic that learned nothing may be amplified


class MouthModule(TrainingModule):
    """A network and its critic, both in one step: either's loss leaves the other's numbers alone."""

    weight_decay, betas = 1e-3, (0.5, 0.99)

    def __init__(self, network: MouthNetwork, options: MouthTraining) -> None:
        """BadInput where the perceptual distance is not installed."""
        super().__init__(options)
        self.network, self.critic = in_channels_last(network), ProjectedCritic()
        self.register_buffer("balance", torch.ones(()))  # of the gradients of both kinds of loss
        # In a list, so that it is no part of what is saved, averaged or trained.
        self._looks = [in_channels_last(PerceptualDistance())]

    def loss(self, batch: Rows, rng: torch.Generator) -> Tensor:
        """The error of pixels and of the opening's tone, the perceptual distance, and the game with the critic."""
        drawn, window = batch["drawn"], around_lips(batch["parts"])
        truth = drawn + window * (batch["truth"] - drawn)
        reference = self.network.reference(batch["photo"], batch["photo_parts"])
        made = drawn + self.network(drawn, batch["parts"], batch["numbers"], reference)[0]
        opening = opening_of(batch["parts"])
        weight = window * (1 + LIPS * batch["parts"][:, 3:]) * (1 - (1 - INSIDE) * opening)
        error = _mean(made - truth, weight)
        tone = _mean(functional.avg_pool2d(opening * (made - truth), TONE), functional.avg_pool2d(opening, TONE))
        looks = self._looks[0].to(made.device)
        with torch.no_grad():
            true = seen_by(looks, _inner(truth))
        seen = seen_by(looks, _inner(made))
        distance = unlike(seen, true)
        self._log({"error": error, "tone": tone, "perceptual": distance})
        rebuilt = error + tone + self.options.perceptual * distance
        if not self.training or self.global_step < self.options.critic_from:
            return rebuilt
        return rebuilt + self._game(made, seen, true, _inner(opening), rebuilt)

    def _game(self, made: Tensor, seen: list[Tensor], true: list[Tensor], opening: Tensor, rebuilt: Tensor) -> Tensor:
        """The critic's loss, and the network's of not fooling it."""
        learned = critic_loss(self.critic(true, opening), self.critic([x.detach() for x in seen], opening))
        fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
        fooled = fooling_loss(functional_call(self.critic, fixed, (seen, opening)))
        if self.global_step % BALANCE_EVERY == 0:
            self._look_at_gradients(made, rebuilt, fooled)
        self._log({"critic": learned, "fooled": fooled, "balance": self.balance})
        return learned + self._loudness() * self.balance.clone() * fooled

    def _loudness(self) -> float:
        """The critic's weight now, of the other terms' gradient."""
        heard = self.global_step - self.options.critic_from - ALONE
        done = self.global_step / max(self.options.steps, 1)
        return self.options.critic * min(max(heard / RISING, 0.0), 1.0) * (1 - 0.5 * done)

    def _look_at_gradients(self, made: Tensor, rebuilt: Tensor, fooled: Tensor) -> None:
        """Sets the balance so that both losses pull a picture equally (Esser et al. 2021, equation 7)."""
        by = [torch.autograd.grad(loss, made, retain_graph=True)[0].norm() for loss in (rebuilt, fooled)]
        now = (by[0] / (by[1] + 1e-8)).clamp(max=LOUDEST)
        first = self.global_step < self.options.critic_from + BALANCE_EVERY
        self.balance.copy_(now if first else self.balance.lerp(now, BALANCE))

    def _log(self, values: dict[str, Tensor]) -> None:
        if self.training:
            self.log_dict({name: value.detach() for name, value in values.items()})


def _mean(difference: Tensor, weight: Tensor) -> Tensor:
    """Mean size of a difference [B, 3, h, w] by weights [B, 1, h, w]."""
    return (weight * difference.abs()).sum() / (3 * weight.sum()).clamp_min(1e-6)


def _inner(x: Tensor) -> Tensor:
    """Less the border, where nothing is changed."""
    return x[..., EDGE:-EDGE, EDGE:-EDGE]
