"""Audio features [T, C] at 50 Hz: the first blocks of Whisper's encoder, log-mel, or any encoder of transformers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.files import existing_file
from ...core.networks import load_network
from ...flame_motion import BadInput

SAMPLE_RATE = 16000  # Hz
RATE = 50  # features a second; the k-th is centred at k / RATE seconds
STEP = SAMPLE_RATE // RATE  # samples
PER_FRAME = 2  # features a frame of motion
FPS = RATE / PER_FRAME  # of motion
WEIGHTS = Path(__file__).parent / "weights" / "whisper_base"
LOG_FLOOR = -6.0  # log10 of mel power; Whisper's own depends on the loudest moment of the clip, unknown to a stream
SLOW_POSITION = 75.0  # index at which the slow waves of the positions stay: near the beginning of a sound
CHUNK = 1500  # features computed at once: 30 s


@dataclass(frozen=True, eq=False)
class AudioBuffer:
    """Sound received so far, perhaps without a beginning that nothing depends on any more."""

    samples: Tensor  # [N] at SAMPLE_RATE, -1..1
    origin: int = 0  # features before the first sample

    @property
    def stop(self) -> int:
        """The number of features in all, those before the first sample included."""
        return self.origin - (-len(self.samples) // STEP)

    def slice(self, first: int, last: int) -> Tensor:
        """The samples of features first..last, padded with silence to the length that a spectrum needs."""
        samples = self.samples[(first - self.origin) * STEP : (last - self.origin) * STEP]
        return F.pad(samples, (0, max(last - first, 2) * STEP - len(samples)))


@dataclass(frozen=True, eq=False)
class FeatureSpan:
    """Features start..stop of a sound, computed once for the networks that use parts of them."""

    values: Tensor  # [stop - start, C]
    start: int = 0

    @property
    def stop(self) -> int:
        """The index after the last feature."""
        return self.start + len(self.values)

    def slice(self, first: int, last: int) -> Tensor:
        """Features first..last, or as many of them as there are."""
        return self.values[max(first - self.start, 0) : max(last - self.start, 0)]

    @classmethod
    def of(cls, encoder: AudioFeatures, sound: AudioBuffer, first: int, last: int) -> FeatureSpan:
        """Features first..last of a sound, or as many of them as it has."""
        start = min(max(first, sound.origin), sound.stop)
        return cls(encoder(sound, start, max(min(last, sound.stop), start)), start)


class AudioFeatures(Protocol):
    """An encoder of sound of any length: each feature depends only on a few seconds around it."""

    name: str
    width: int  # C

    def to(self, device: torch.device | str) -> Any:
        """Moves the encoder to a device, where features then come out; sound may be anywhere."""

    def __call__(self, sound: AudioBuffer, start: int = 0, stop: int | None = None) -> Tensor:
        """Features start..stop [stop - start, C] of the sound; all of them by default."""


def log_mel(samples: Tensor, bank: Tensor, floor: float | None = LOG_FLOOR) -> Tensor:
    """Whisper's log-mel spectrogram (Radford et al. 2022) [bands, N // 160] of samples [N], 100 Hz.

    bank: mel filters [bands, 201]. floor: log10 of power; None: 8 below the loudest, as in Whisper.
    """
    window = torch.hann_window(400, dtype=samples.dtype, device=samples.device)
    spectrum = torch.stft(samples, 400, 160, window=window, return_complex=True, pad_mode="reflect")[..., :-1]
    power = (bank @ spectrum.abs().square()).clamp_min(1e-10).log10()
    return (power.clamp_min(float(power.max()) - 8 if floor is None else floor) + 4) / 4


class MelFeatures:
    """Log-mel at 50 Hz, two spectra a feature: a baseline without weights."""

    name = "log-mel"

    def __init__(self) -> None:
        from safetensors import safe_open

        with safe_open(existing_file(WEIGHTS.with_suffix(".safetensors"), "the speech features"), "pt") as file:
            self.bank = file.get_tensor("mel").float()
        self.width = 2 * len(self.bank)

    def to(self, device: torch.device | str) -> MelFeatures:
        """See `AudioFeatures`."""
        self.bank = self.bank.to(device)
        return self

    def __call__(self, sound: AudioBuffer, start: int = 0, stop: int | None = None) -> Tensor:
        """See `AudioFeatures`; 160 wide."""
        stop = sound.stop if stop is None else stop
        first, last = max(start - 1, sound.origin), min(stop + 1, sound.stop)
        mel = log_mel(sound.slice(first, last).to(self.bank.device), self.bank).T
        return mel.reshape(-1, self.width)[start - first : stop - first]


@dataclass(frozen=True)
class WhisperConfig:
    """Sizes of Whisper's encoder, and how far a block attends."""

    bands: int = 80
    width: int = 512
    heads: int = 8
    blocks: int = 3
    back: int | None = 150  # features before; None, with `ahead`: everything, as in Whisper
    ahead: int | None = 50  # features after


class WhisperFeatures(nn.Module):
    """Convolutions and the first blocks of Whisper's encoder, in chunks of any length.

    Whisper attends to 30 s at once; here a feature attends to `back` and `ahead` of its neighbours, so that sound may
    be endless and the result does not depend on how it is cut. Positions go on beyond Whisper's table of 30 s: waves
    that are faster than it continue, slower ones keep the value of `SLOW_POSITION`.
    """

    def __init__(self, config: WhisperConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or WhisperConfig()
        self.name, self.width = f"whisper-base-{config.blocks}", config.width
        self.conv1 = nn.Conv1d(config.bands, config.width, 3, padding=1)
        self.conv2 = nn.Conv1d(config.width, config.width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(_EncoderBlock(config.width, config.heads) for _ in range(config.blocks))
        self.register_buffer("mel", torch.zeros(config.bands, 201))
        self.mel: Tensor

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> WhisperFeatures:
        """The packaged weights (`weights/whisper_base.json` names their origin), or others. Raises BadInput."""
        return load_network(path, lambda sizes: cls(WhisperConfig(**sizes)))[0]

    @torch.no_grad()
    def forward(self, sound: AudioBuffer, start: int = 0, stop: int | None = None) -> Tensor:
        """See `AudioFeatures`. Computed in chunks, each with all the context that its features depend on."""
        stop = sound.stop if stop is None else stop
        if self.config.back is None or self.config.ahead is None:
            samples = sound.slice(0, sound.stop).to(self.mel.device)
            return self.hidden(log_mel(samples, self.mel, None))[start:stop]
        before, after = (self.config.blocks * span + 3 for span in (self.config.back, self.config.ahead))
        parts = [torch.zeros(0, self.width, device=self.mel.device)]
        for begin in range(start, stop, CHUNK):
            end = min(begin + CHUNK, stop)
            first, last = max(begin - before, sound.origin), min(end + after, sound.stop)
            mel = log_mel(sound.slice(first, last).to(self.mel.device), self.mel)
            parts.append(self.hidden(mel, first)[begin - first : end - first])
        return torch.cat(parts)

    def hidden(self, mel: Tensor, first: int = 0) -> Tensor:
        """Log-mel [bands, 2 T] -> features [T, width]; `first` is the index of the first one in the whole sound."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel[None]))))[0].T
        x = x + self._positions(torch.arange(first, first + len(x), device=x.device))
        for block in self.blocks:
            x = block(x, self.config.back, self.config.ahead)
        return x

    def _positions(self, index: Tensor) -> Tensor:
        """Whisper's sinusoids [T, width] at an index [T]; with limited attention, slow ones stay at `SLOW_POSITION`."""
        half = self.config.width // 2
        rates = torch.exp(-math.log(10000) / (half - 1) * torch.arange(half, device=index.device))
        angle = index[:, None] * rates
        if self.config.back is not None:
            angle = torch.where(rates * 1500 < 2 * math.pi, SLOW_POSITION * rates, angle)
        return torch.cat([angle.sin(), angle.cos()], 1)


class _EncoderBlock(nn.Module):
    """One block of Whisper's encoder."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attend_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_in, self.feed_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, back: int | None, ahead: int | None) -> Tensor:
        """x [T, width] -> [T, width]."""
        mixed = self.query_key_value(self.attend_norm(x)).unflatten(1, (3, self.heads, -1))
        query, key, value = mixed.permute(1, 2, 0, 3)
        mask = None
        if back is not None and ahead is not None:
            index = torch.arange(len(x), device=x.device)
            offset = index - index[:, None]
            mask = (offset >= -back) & (offset <= ahead)
        attended = F.scaled_dot_product_attention(query[None], key[None], value[None], attn_mask=mask)[0]
        x = x + self.out(attended.transpose(0, 1).flatten(1))
        return x + self.feed_out(F.gelu(self.feed_in(self.feed_norm(x))))


def interpolate(values: Tensor, times: Tensor) -> Tensor:
    """Values [T, C] at frames [t] that need not be whole, linear between neighbours, held beyond the ends."""
    times = times.clamp(0, len(values) - 1).to(values.dtype)
    low = times.floor().long().clamp(max=max(len(values) - 2, 0))
    return torch.lerp(values[low], values[(low + 1).clamp(max=len(values) - 1)], (times - low)[:, None])


def load_features(folder: str | None = None) -> AudioFeatures:
    """The packaged encoder; "mel"; or a transformers folder, `folder` or `folder@layer`. Raises BadInput for others."""
    if folder is None:
        return WhisperFeatures.load()
    if folder == "mel":
        return MelFeatures()
    name, _, layer = folder.rpartition("@")
    return EncoderFeatures(name, int(layer)) if name and layer.isdigit() else EncoderFeatures(folder)


class EncoderFeatures:
    """A hidden layer of any speech encoder of transformers (wav2vec 2, HuBERT, WavLM, Whisper, …), in windows."""

    WINDOW, MARGIN = 20.0, 2.0  # s encoded at once, and how much of it on either side is dropped

    def __init__(self, folder: str, layer: int | None = None) -> None:
        """folder: on this machine; nothing is downloaded. layer: of the hidden states, 0 before the first block.

        None takes the middle layer. Raises BadInput for a folder without a speech encoder, and an unknown layer.
        """
        from transformers import AutoFeatureExtractor, AutoModel

        if not Path(folder).is_dir():
            raise BadInput(f"speech features {folder}: expected a folder with a speech encoder of transformers")
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            extract = AutoFeatureExtractor.from_pretrained(folder, **options)
            model = AutoModel.from_pretrained(folder, use_safetensors=True, **options).eval()
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"speech features {folder}: no speech encoder of transformers ({str(error)[:90]})") from None
        self.model = model.get_encoder() if model.config.is_encoder_decoder else model
        self.extract, self.config = extract, model.config
        blocks = getattr(model.config, "encoder_layers", None) or model.config.num_hidden_layers
        self.layer = blocks // 2 if layer is None else layer
        if not 0 <= self.layer <= blocks:
            raise BadInput(f"speech features {folder}: expected a layer from 0 to {blocks}, got {layer}")
        self.name, self.width = f"{Path(folder).name}@{self.layer}", int(model.config.hidden_size)

    def to(self, device: torch.device | str) -> EncoderFeatures:
        """See `AudioFeatures`."""
        self.model.to(device)
        return self

    @torch.no_grad()
    def __call__(self, sound: AudioBuffer, start: int = 0, stop: int | None = None) -> Tensor:
        """See `AudioFeatures`."""
        stop = sound.stop if stop is None else stop
        parts = [torch.zeros(0, self.width, device=self.model.device)]
        window, margin = (round(seconds * RATE) for seconds in (self.WINDOW, self.MARGIN))
        for begin in range(start, stop, window - 2 * margin):
            end = min(begin + window - 2 * margin, stop)
            first, last = max(begin - margin, sound.origin), min(end + margin, sound.stop)
            parts.append(self._window(sound.slice(first, last), last - first)[begin - first : end - first])
        return torch.cat(parts)

    def _window(self, samples: Tensor, count: int) -> Tensor:
        """Features [count, width] of the samples [N] of one window, resampled from the encoder's own rate."""
        seconds = len(samples) / SAMPLE_RATE
        inputs = self.extract(samples.numpy(), sampling_rate=SAMPLE_RATE, return_tensors="pt").to(self.model.device)
        hidden = self.model(**inputs, output_hidden_states=True).hidden_states[self.layer][0]
        spectral = "input_features" in inputs and hasattr(self.extract, "chunk_length")
        length = self.extract.chunk_length if spectral else seconds  # Whisper's windows are padded to 30 s
        return interpolate(hidden, torch.arange(count, device=hidden.device) / RATE * (len(hidden) / length))
