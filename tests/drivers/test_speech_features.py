"""Features of sound: Whisper's own, however the sound is cut; log-mel; and encoders of transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from flamecast.drivers.speech import audio_features
from flamecast.drivers.speech.audio_features import (
    STEP,
    WEIGHTS,
    AudioBuffer,
    EncoderFeatures,
    MelFeatures,
    WhisperConfig,
    WhisperFeatures,
    load_features,
    log_mel,
)
from flamecast.flame_motion import BadInput
from flamecast.training.speech.augment import chords


def _sound(seconds: float) -> torch.Tensor:
    """Something with a tune and a beat."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(
        chords(round(seconds * 16000), rng) * 0.5 + rng.normal(0, 0.01, round(seconds * 16000))
    ).float()


@pytest.fixture(scope="module")
def whisper() -> WhisperFeatures:
    return WhisperFeatures.load()


def test_sound_cut_into_chunks_of_any_length_gives_what_the_whole_gives(whisper, monkeypatch):
    sound = AudioBuffer(_sound(70))
    monkeypatch.setattr(audio_features, "CHUNK", 10**6)
    whole = whisper(sound)
    assert whole.shape == (3500, 512)
    for chunk in (333, 1500):
        monkeypatch.setattr(audio_features, "CHUNK", chunk)
        assert torch.allclose(whisper(sound), whole, atol=1e-3)
    assert torch.allclose(whisper(sound, 2000, 2100), whole[2000:2100], atol=1e-3)
    # A stream that has dropped its beginning, farther back than a feature depends on.
    later = AudioBuffer(sound.samples[1200 * STEP :], 1200)
    assert torch.allclose(whisper(later, 2000, 2100), whole[2000:2100], atol=1e-3)
    assert not torch.allclose(whisper(later, 1210, 1220), whole[1210:1220], atol=1e-2)


def test_the_first_blocks_are_whispers_own(whisper):
    from transformers import WhisperConfig as Config
    from transformers import WhisperFeatureExtractor, WhisperModel

    sound = torch.nn.functional.pad(_sound(9), (0, 21 * 16000))
    spectrum = WhisperFeatureExtractor()(sound.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    assert torch.allclose(log_mel(sound, whisper.mel, None), spectrum[0], atol=1e-4)
    encoder = WhisperModel(
        Config(d_model=512, encoder_layers=4, decoder_layers=1, encoder_attention_heads=8, decoder_attention_heads=8,
               encoder_ffn_dim=2048, decoder_ffn_dim=8)
    ).encoder.eval()  # fmt: skip
    ours, theirs = whisper.state_dict(), {}
    names = {
        "attend_norm": "self_attn_layer_norm", "feed_norm": "final_layer_norm", "out": "self_attn.out_proj",
        "feed_in": "fc1", "feed_out": "fc2",
    }  # fmt: skip
    for kind in ("weight", "bias"):
        for conv in ("conv1", "conv2"):
            theirs[f"{conv}.{kind}"] = ours[f"{conv}.{kind}"]
        for block in range(3):
            for own, other in names.items():
                theirs[f"layers.{block}.{other}.{kind}"] = ours[f"blocks.{block}.{own}.{kind}"]
            for part, value in zip("qkv", ours[f"blocks.{block}.query_key_value.{kind}"].chunk(3)):
                if (part, kind) != ("k", "bias"):
                    theirs[f"layers.{block}.self_attn.{part}_proj.{kind}"] = value
                else:
                    assert not value.any()
    missing = encoder.load_state_dict(theirs, strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith(("layers.3.", "layer_norm.", "embed_positions.")) for name in missing.missing_keys)
    everything = WhisperFeatures(WhisperConfig(back=None, ahead=None)).eval()
    everything.load_state_dict(ours)
    with torch.no_grad():
        hidden = encoder(spectrum, output_hidden_states=True).hidden_states
    assert torch.allclose(everything(AudioBuffer(sound)), hidden[3][0], atol=1e-3)


def test_the_card_says_whose_weights_they_are():
    card = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    assert "openai/whisper" in card["source"] and "sha256" in card["source"] and "MIT" in card["licence"]
    assert "Copyright (c) 2022 OpenAI" in WEIGHTS.with_name("whisper_base.LICENSE.txt").read_text(encoding="utf-8")


def test_mel_bands_are_librosas(whisper):
    librosa = pytest.importorskip("librosa", reason="librosa comes with the extra `train`")
    assert np.allclose(whisper.mel.numpy(), librosa.filters.mel(sr=16000, n_fft=400, n_mels=80), atol=1e-6)
    sound = _sound(3)
    assert MelFeatures()(AudioBuffer(sound)).shape == (150, 160)
    part = MelFeatures()(AudioBuffer(sound), 40, 60)
    assert torch.allclose(part, MelFeatures()(AudioBuffer(sound))[40:60], atol=1e-5)


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper"])
def test_any_encoder_of_transformers_gives_features_at_our_rate(tmp_path, kind):
    import transformers as t

    if kind == "wav2vec2":
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
        convolved = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
        t.Wav2Vec2Model(t.Wav2Vec2Config(**sizes, **convolved)).save_pretrained(tmp_path)
        t.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    else:
        sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        t.WhisperModel(t.WhisperConfig(**sizes, **heads)).save_pretrained(tmp_path)
        t.WhisperFeatureExtractor().save_pretrained(tmp_path)
    features = load_features(f"{tmp_path}@1")
    assert isinstance(features, EncoderFeatures) and features.width == 16 and features.name.endswith("@1")
    found = features(AudioBuffer(_sound(41.01)))
    assert found.shape == (2051, 16) and torch.isfinite(found).all()
    with pytest.raises(BadInput, match="a layer from 0 to 2, got 9"):
        load_features(f"{tmp_path}@9")


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no speech encoder of transformers"):
        load_features(str(tmp_path))
