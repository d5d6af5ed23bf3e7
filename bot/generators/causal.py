"""causal:NAME_OR_PATH: a GPT-2, a KoGPT or any other AutoModelForCausalLM; needs torch, and loads it when opened."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bot.generators._writing import Sampling, opened, written
from bot.prompting import as_text, chat
from indexer.errors import UserError
from indexer.retrieve import Candidate

if TYPE_CHECKING:
    from indexer.index import Index

SAMPLING = Sampling()


def open(argument: str, index: "Index", sampling: Sampling) -> "Causal":
    """Open a model with its tokenizer."""
    return Causal(*opened(argument, "causal", "AutoModelForCausalLM"), sampling)


class Causal:
    """Goes on where the prompt ends."""

    def __init__(self, model: Any, tokenizer: Any, sampling: Sampling) -> None:
        self.model, self.tokenizer, self.sampling = model, tokenizer, sampling
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        if tokenizer.pad_token_id is None:
            raise UserError(f"causal:{tokenizer.name_or_path}: its tokenizer has no token to pad with. Choose another.")

    def __call__(self, message: str, candidates: Sequence[Candidate]) -> Iterator[str]:
        """Give the draft piece by piece."""
        return written(self.model, self.tokenizer, self._ids(message, candidates), self.sampling)

    def _ids(self, message: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the prompt's ids; of the entries as many as there is room for beside what is to be written."""
        config = self.model.config
        room = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 1024
        room = max(8, room - self.sampling.max_tokens)
        for number in range(len(candidates), 0, -1):
            ids = self._encoded(message, candidates[:number])
            if len(ids) <= room:
                return ids
        return self._encoded(message, candidates[:1])[-room:]

    def _encoded(self, message: str, candidates: Sequence[Candidate]) -> list[int]:
        if getattr(self.tokenizer, "chat_template", None):
            text = self.tokenizer.apply_chat_template(
                chat(message, candidates), tokenize=False, add_generation_prompt=True
            )
        else:
            text = as_text(message, candidates)
        # Without special tokens: a BERT tokenizer would close the text with [SEP], and nothing would go on.
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        begin = self.tokenizer.bos_token_id
        return [begin, *found] if begin is not None and begin != self.tokenizer.cls_token_id else found
