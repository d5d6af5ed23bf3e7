"""The student: a BERT whose new word pieces are taught while the teacher's own stay where they are."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bot.student.losses import agree
from indexer.transformer import BertEncoder

BATCH = 128
LONGEST = 64  # pieces


class Pieces(nn.Module):
    """A table of word pieces whose first rows, the teacher's own, stay where they are."""

    kept: Tensor

    def __init__(self, table: Tensor, known: int) -> None:
        super().__init__()
        self.register_buffer("kept", table[:known].detach().clone(), persistent=False)
        self.weight = nn.Parameter(table[known:].detach().clone())

    def forward(self, ids: Tensor) -> Tensor:
        """Give the embeddings of piece ids."""
        new = ids - len(self.kept)
        old = nn.functional.embedding(ids.clamp(max=len(self.kept) - 1), self.kept)
        return torch.where((new < 0)[..., None], old, nn.functional.embedding(new.clamp(min=0), self.weight))

    def whole(self) -> nn.Embedding:
        """Give the plain table."""
        table = nn.Embedding(len(self.kept) + len(self.weight), self.weight.shape[1], padding_idx=0)
        table.weight.data = torch.cat([self.kept, self.weight.detach()])
        return table


class Student(nn.Module):
    """A BertEncoder that knows what it is to learn."""

    def __init__(self, encoder: BertEncoder, known: int) -> None:
        super().__init__()
        self.encoder = encoder
        # On a processor the fused attention's way back takes a third of a step with sentences this short.
        encoder.model.set_attn_implementation("eager")
        table: Any = encoder.model.get_input_embeddings()
        encoder.model.set_input_embeddings(Pieces(table.weight, known))

    @property
    def pieces(self) -> Pieces:
        """Give the table of word pieces, which belongs to the model."""
        return cast(Pieces, self.encoder.model.get_input_embeddings())

    def forward(self, ids: Sequence[Sequence[int]], wanted: Tensor) -> dict[str, Tensor]:
        """Give the loss of a batch."""
        found = vectors_of(self.encoder, ids)
        return {"loss": agree(found, wanted.to(found.device))}


def vectors_of(encoder: BertEncoder, sentences: Sequence[Sequence[int]]) -> Tensor:
    """Encode sentences of piece ids to unit vectors (B, dim)."""
    width = max(map(len, sentences))
    ids = torch.zeros((len(sentences), width), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, found in enumerate(sentences):
        ids[row, : len(found)] = torch.as_tensor(found)
        mask[row, : len(found)] = 1
    device = encoder.model.device
    pooled: Tensor = encoder(ids.to(device), mask.to(device))[1]
    return pooled.float()


def encode(encoder: BertEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode texts, texts of near length together."""
    cut = cut_up(encoder, texts)
    order = np.argsort([len(ids) for ids in cut], kind="stable")
    found = np.zeros((len(texts), encoder.model.config.hidden_size), dtype=np.float32)
    encoder.eval()
    with torch.no_grad():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found[rows] = vectors_of(encoder, [cut[row] for row in rows]).cpu().numpy()
    encoder.train()
    return found


def cut_up(encoder: BertEncoder, texts: Sequence[str]) -> list[list[int]]:
    """Cut texts into piece ids."""
    found: list[list[int]] = encoder.tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
    return found
