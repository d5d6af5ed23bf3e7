"""seq2seq:NAME_OR_PATH: a T5, a BART, or what `bot train seq2seq` made; needs torch, and loads it when opened."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bot.generators._writing import Sampling, opened, written
from bot.prompting import as_text
from indexer.retrieve import Candidate

if TYPE_CHECKING:
    from indexer.index import Index

SAMPLING = Sampling()


def open(argument: str, index: "Index", sampling: Sampling) -> "Seq2Seq":
    """Open a model with its tokenizer."""
    return Seq2Seq(*opened(argument, "seq2seq", "AutoModelForSeq2SeqLM"), sampling)


class Seq2Seq:
    """Reads the prompt, and writes."""

    def __init__(self, model: Any, tokenizer: Any, sampling: Sampling) -> None:
        self.model, self.tokenizer, self.sampling = model, tokenizer, sampling
        config = getattr(model.config, "encoder", model.config)
        positions = getattr(config, "max_position_embeddings", None) or 512
        self.room = min(positions, tokenizer.model_max_length)

    def __call__(self, message: str, candidates: Sequence[Candidate]) -> Iterator[str]:
        """Give the draft piece by piece."""
        for number in range(len(candidates), 0, -1):
            ids = self.tokenizer(as_text(message, candidates[:number]))["input_ids"]
            if len(ids) <= self.room or number == 1:
                return written(self.model, self.tokenizer, ids[: self.room], self.sampling)
        return iter(())
