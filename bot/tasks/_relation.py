"""The model of `relate`: a relation is read off the states where the two marked entities begin."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class RelationModel(PreTrainedModel):
    """An encoder, and one layer on the two entity-start states (B, 2H), or on the state of [CLS] (B, H).

    The entity-start states are those of Baldini Soares et al. 2019 ("Matching the Blanks", arXiv:1906.03158); Wu and
    He 2019 (R-BERT, arXiv:1905.08284) mark entities likewise. The encoder stands under its own family's name, so
    AutoModel opens the saved folder too. Where the configuration names the entities' markers (`relation_spans`), a
    segment embedding says of each of their tokens which entity it belongs to ("positional embeddings" of the former).
    """

    # The attention is the encoder's own, which has been asked already what it supports.
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = True

    def __init__(self, config: Any, encoder: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        base: Any = encoder if encoder is not None else AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        self.base_model_prefix = base.base_model_prefix
        setattr(self, self.base_model_prefix, base)
        self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.1))
        states = 1 if config.relation_state == "cls" else 2
        self.classifier = nn.Linear(states * config.hidden_size, config.num_labels)
        if encoder is None:
            self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Give logits (B, labels) for ids (B, T) that hold both start markers once."""
        if getattr(self.config, "relation_spans", None):
            token_type_ids = self._types(input_ids)
        more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        base = getattr(self, self.base_model_prefix)
        states = base(input_ids=input_ids, attention_mask=attention_mask, **more).last_hidden_state
        logits = self.classifier(self.dropout(self._chosen(states, input_ids)))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _types(self, ids: Tensor) -> Tensor:
        """Give the tokens of either entity, its markers among them, the last types but one and the last.

        Where one entity lies within the other, its tokens are its own.
        """
        first, second = self.config.type_vocab_size - 2, self.config.type_vocab_size - 1
        one, other = (
            ((ids == opening).int().cumsum(dim=1) > (ids == closing).int().cumsum(dim=1)) | (ids == closing)
            for opening, closing in self.config.relation_spans
        )
        types = first * one.long() + second * (other & ~one).long()
        inner = other & one & (other.sum(dim=1, keepdim=True) < one.sum(dim=1, keepdim=True))
        whole: Tensor = types.masked_fill(inner, second)
        return whole

    def _chosen(self, states: Tensor, ids: Tensor) -> Tensor:
        if self.config.relation_state == "cls":
            return states[:, 0]
        rows = torch.arange(len(ids), device=ids.device)
        starts = [states[rows, (ids == marker).int().argmax(dim=1)] for marker in self.config.relation_starts]
        return torch.cat(starts, dim=-1)


def opened(folder: str) -> RelationModel:
    """Open a trained folder."""
    model: Any = RelationModel.from_pretrained(folder, config=AutoConfig.from_pretrained(folder))
    opened: RelationModel = model.eval()
    return opened
