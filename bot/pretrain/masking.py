"""Masking: which words a model must guess, and batches of them (Devlin et al. 2019, arXiv:1810.04805).

transformers' own whole-word masking always writes [MASK]; BERT's keeps one word in ten, which this does too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bot.pretrain.features import Features

IGNORED = -100  # the label that counts in no loss
MASKED, CHANGED = 0.8, 0.1  # of the chosen tokens; the rest stays as it is


@dataclass(frozen=True, slots=True)
class Masker:
    """What a tokenizer says of its tokens, and how many words are chosen."""

    mask_id: int
    ordinary: Tensor  # the ids that are no special tokens
    special: Tensor  # those that are
    rate: float = 0.15
    whole_words: bool = True

    def __call__(self, ids: Tensor, begins: Tensor, dice: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Choose words of each sequence, at least one; give the ids to read (B, T) and the labels (B, T).

        `begins` (B, T) tells where words begin; without `whole_words` each token is chosen by itself.
        """
        open_ = ~torch.isin(ids, self.special)
        starts = begins if self.whole_words else torch.ones_like(begins)
        draws = torch.rand(ids.shape, generator=dice).masked_fill(~(open_ & starts), 2.0)
        limit = draws.amin(1, keepdim=True).clamp(min=self.rate)
        place = torch.arange(ids.shape[1]).expand_as(ids).masked_fill(~starts, 0).cummax(1).values
        chosen = (draws <= limit).gather(1, place) & open_ & (draws.amin(1, keepdim=True) < 2)
        labels = ids.masked_fill(~chosen, IGNORED)
        fate = torch.rand(ids.shape, generator=dice)
        others = self.ordinary[torch.randint(len(self.ordinary), ids.shape, generator=dice)]
        read = torch.where(chosen & (fate < MASKED), self.mask_id, ids)
        return torch.where(chosen & (fate >= MASKED) & (fate < MASKED + CHANGED), others, read), labels


def masker(tokenizer: Any, rate: float, whole_words: bool) -> Masker:
    """Make the masker of a tokenizer."""
    added = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    special = sorted(added.union(tokenizer.all_special_ids))
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), special)
    return Masker(tokenizer.mask_token_id, torch.tensor(ordinary), torch.tensor(special), rate, whole_words)


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """Features as the rows that a Trainer asks for; held-out rows carry labels that were drawn once."""

    def __init__(self, features: Features, labels: Tensor | None = None, read: Tensor | None = None) -> None:
        self.features, self.labels, self.read = features, labels, read

    def __len__(self) -> int:
        """Count the sequences."""
        return len(self.features.ids)

    def __getitem__(self, at: int) -> dict[str, Any]:
        """Give one sequence."""
        row: dict[str, Any] = {name: getattr(self.features, name)[at] for name in Features.__slots__}
        if self.labels is not None and self.read is not None:
            row |= {"ids": self.read[at].numpy(), "labels": self.labels[at].numpy()}
        return row


def held_out(features: Features, masker: Masker, seed: int) -> Rows:
    """Mask features once and for all, so that figures before and after are of the same words."""
    dice = torch.Generator().manual_seed(seed)
    read, labels = masker(torch.from_numpy(features.ids).long(), torch.from_numpy(features.begins), dice)
    return Rows(features, labels, read)


@dataclass(frozen=True, slots=True)
class Batch:
    """Puts rows into a batch, cut at the longest, and masks those that bring no labels."""

    masker: Masker
    pairs: bool  # second segments and whether they follow

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Give the arguments of BertForPreTraining, or of a masked language model."""
        longest = max(int(row["lengths"]) for row in rows)
        stacked = {
            name: torch.from_numpy(np.stack([row[name][:longest] for row in rows])) for name in ("ids", "begins")
        }
        ids = stacked["ids"].long()
        if "labels" in rows[0]:
            read, labels = ids, torch.from_numpy(np.stack([row["labels"][:longest] for row in rows]))
        else:
            read, labels = self.masker(ids, stacked["begins"])
        lengths = torch.tensor([int(row["lengths"]) for row in rows])
        made = {
            "input_ids": read,
            "labels": labels,
            "attention_mask": (torch.arange(longest) < lengths[:, None]).long(),
        }
        if self.pairs:
            made["token_type_ids"] = torch.from_numpy(np.stack([row["types"][:longest] for row in rows])).long()
            made["next_sentence_label"] = torch.tensor([int(row["random"]) for row in rows])
        return made
