"""What a model guesses for a masked word."""

from typing import TYPE_CHECKING, Any

from indexer.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

BLANK = "[MASK]"  # what people type, whatever the model's own mask token is


class Guesser:
    """A checkpoint that guesses masked words."""

    def __init__(self, spec: str, instead: str = "") -> None:
        from bot.pretrain import checkpoint
        from bot.pretrain.bert import open_masked
        from bot.pretrain.tokenizer import open_tokenizer

        self.tokenizer = open_tokenizer(spec)
        self.model: Any
        self.model, headless = open_masked(checkpoint(spec))
        if headless or self.tokenizer.mask_token is None:
            raise UserError(
                f"{spec} has no head that guesses words. Type --model with a model that has one, such as "
                f"bert:runs/bert from: bot pretrain bert FILE --tokenizer DIR --out runs/bert{instead}"
            )
        self.model.eval()

    def distribution(self, text: str) -> "Tensor":
        """Give the probability of every token (V,) at the first blank of a text."""
        import torch

        from indexer.transformer import BertEncoder

        if BLANK not in text:
            raise UserError(f"{text!r} has no blank. Write {BLANK} where a word is to be guessed.")
        ids = self.tokenizer(text.replace(BLANK, self.tokenizer.mask_token))["input_ids"]
        limit = BertEncoder(self.model.base_model, self.tokenizer, "mean").limit()
        if len(ids) > limit:
            raise UserError(f"the text has {len(ids)} tokens, and the model reads {limit}. Shorten it.")
        with torch.no_grad():
            logits = self.model(torch.tensor([ids])).logits[0, ids.index(self.tokenizer.mask_token_id)]
        found: Tensor = logits.softmax(-1)
        return found

    def best(self, probabilities: "Tensor", k: int) -> list[dict[str, Any]]:
        """Name the likeliest tokens."""
        values, ids = probabilities.topk(min(k, len(probabilities)))
        names = self.tokenizer.convert_ids_to_tokens(ids.tolist())
        return [{"token": name, "probability": float(p)} for name, p in zip(names, values.tolist(), strict=True)]


def fill_mask(text: str, model: str, k: int = 5, attack: str = "") -> dict[str, Any]:
    """Guess a masked word, and again behind words that have nothing to do with it.

    A prefix that names a wrong word often makes the model say it: misprimed probes, Kassner and Schütze 2020
    (doi:10.18653/v1/2020.acl-main.698).
    """
    guesser = Guesser(model)
    plain = guesser.distribution(text)
    found: dict[str, Any] = {"text": text, "top": guesser.best(plain, k)}
    if attack:
        attacked = guesser.distribution(f"{attack} {text}")
        top = guesser.best(attacked, k)
        first = int(plain.argmax())
        found |= {
            "attack": attack,
            "attacked": top,
            "flipped": top[0]["token"] != found["top"][0]["token"],
            "first_before": float(plain[first]),
            "first_after": float(attacked[first]),
        }
    return found
