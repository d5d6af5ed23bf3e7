"""Writing a reply with the decoder on the shared encoder: sources in, tokens out, and tokens into the sources' text.

A copied token knows its place, so the reply is spelled as the answer is: capitals, spaces, addresses and Korean
syllables, whatever the pieces are that a tokenizer cuts them into.
"""

import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bot.generators import GeneratorError
from bot.generators._decoder import Heads, Reply, Shape, Sources, follow
from bot.generators._writing import Sampling
from bot.generators.shared import FACTS, facts_of
from indexer.errors import UserError

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

WEIGHTS, ENCODER = "decoder.safetensors", "encoder"
NO_REPEAT = 20  # tokens: a run that comes twice is a loop, unless Korean is cut into letters and the run is short
QUESTION = 64  # tokens read of a message or a stored question
AHEAD = 16  # tokens tried at a time
NO_SPACE = re.compile(r"[.,!?;:)\]%…。]")
Pair = tuple[str, str]  # a stored question and its answer
Token = tuple[int, int]  # and the place that it was copied from, or -1


@dataclass(frozen=True, slots=True)
class Laid:
    """A message and what was retrieved for it, as one row of tokens."""

    ids: list[int]
    parts: list[int]  # 1: the message; 2i and 2i + 1: the i-th question, from 1, and its answer
    spans: list[tuple[int, int]]  # the characters of each token in its text
    answers: list[str]

    def features(self) -> dict[str, list[int]]:
        """Give what a batch is made of."""
        return {"input_ids": self.ids, "parts": self.parts}

    def cut(self, answer: int) -> bool:
        """Tell whether an answer, from 0, was too long to be read to its end."""
        ends = [end for part, (_, end) in zip(self.parts, self.spans, strict=True) if part == 2 * answer + 3]
        read = max(ends, default=0)
        return read < len(self.answers[answer].rstrip())


def lay(tokenizer: Any, message: str, pairs: Sequence[Pair], max_length: int) -> Laid:
    """Set message, questions and answers in one row, each as [CLS] text [SEP]."""
    ids: list[int] = []
    parts: list[int] = []
    spans: list[tuple[int, int]] = []
    for part, text in enumerate([message, *(text for pair in pairs for text in pair)], 1):
        most = max_length if part > 1 and part % 2 else min(QUESTION, max_length)
        found = tokenizer(text, truncation=True, max_length=most, return_offsets_mapping=True)
        ids += found["input_ids"]
        parts += [part] * len(found["input_ids"])
        spans += map(tuple, found["offset_mapping"])
    return Laid(ids, parts, spans, [answer for _, answer in pairs])


def written(model: Reply, row: Laid, sampling: Sampling) -> Iterator[Token]:
    """Write token by token.

    What follows a copied token is tried ahead, and kept as far as the model would have chosen it (prompt lookup, Yang
    et al. 2023, arXiv:2304.04487): the same reply as one token at a time gives, in a tenth of the steps.

    Raises:
        GeneratorError: the time is over before the reply is.
    """
    device, tokenizer = model.words.device, model.encoder.tokenizer
    sources = _sources(model, row, device)
    warpers, draw = _warpers(sampling), torch.Generator(device).manual_seed(sampling.seed)
    until = time.monotonic() + sampling.timeout
    history, tried = [int(tokenizer.cls_token_id)], [int(tokenizer.cls_token_id)]
    match, past = torch.zeros_like(sources.ids), None
    while True:
        if time.monotonic() > until:
            raise GeneratorError("no end in time")
        look = _look(model, tried, past, match, sources)
        used = 0
        while used < len(tried) and (used == 0 or tried[used] == history[-1]):
            token, place = look.choose(used, history, warpers, draw if sampling.temperature else None)
            used += 1
            if token == tokenizer.sep_token_id or len(history) > sampling.max_tokens:
                return
            history.append(token)
            yield token, place
        past = [(key[:, :, : len(history) - 1], value[:, :, : len(history) - 1]) for key, value in look.past]
        match, tried = look.matches[:, used - 1], [history[-1], *_next(row, place)]


def _sources(model: Reply, row: Laid, device: Any) -> Sources:
    with torch.no_grad():
        return model.sources(torch.tensor([row.ids], device=device), torch.tensor([row.parts], device=device))


def _next(row: Laid, place: int) -> list[int]:
    """Give the tokens that follow a place in its answer."""
    end = place + 1
    while place >= 0 and end < len(row.parts) and row.parts[end] == row.parts[place] and end <= place + AHEAD:
        end += 1
    return row.ids[place + 1 : end] if place >= 0 else []


@dataclass(frozen=True, slots=True)
class Look:
    """What the model makes of some tokens that were tried, T of them."""

    chances: Tensor  # (T, V)
    copied: Tensor  # (T, S), the part of them that copies, by place
    own: Tensor  # (T, V), the part that does not
    matches: Tensor  # (1, T, S)
    past: list[Heads]
    ids: Tensor  # (S,), of the sources

    def choose(self, at: int, history: Sequence[int], warpers: Any, draw: torch.Generator | None) -> Token:
        """Choose the token after one of those tried, and say where it is copied from."""
        before = torch.tensor([list(history)], device=self.ids.device)
        scores = warpers(before, self.chances[at : at + 1].clamp_min(1e-30).log())
        best = scores.argmax(-1) if draw is None else torch.multinomial(scores.softmax(-1), 1, generator=draw)[0]
        token = int(best)
        here = self.copied[at] * (self.ids == token)
        return token, int(here.argmax()) if here.sum() >= self.own[at, token] and here.any() else -1


def _look(model: Reply, tried: list[int], past: list[Heads] | None, match: Tensor, sources: Sources) -> Look:
    with torch.no_grad():
        tokens = torch.tensor([tried], device=match.device)
        matches = follow(match, tokens, sources.ids)
        states, keys = model.states(tokens, past, sources)
        copying, writing, gate = (share[0] for share in model.shares(states, matches, sources))
        copied, own = copying * (1 - gate[:, None]), writing * gate[:, None]
        nothing = torch.zeros(len(tried), model.vocabulary()).to(own)
        alone = nothing.index_add(1, model.words, own)
        total = alone.scatter_add(1, sources.ids.expand(len(tried), -1), copied)
    return Look(total, copied, alone, matches, keys, sources.ids[0])


def _warpers(sampling: Sampling) -> Any:
    from transformers import (
        LogitsProcessorList,
        NoRepeatNGramLogitsProcessor,
        TemperatureLogitsWarper,
        TopPLogitsWarper,
    )

    found = LogitsProcessorList()
    if sampling.no_repeat:
        found.append(NoRepeatNGramLogitsProcessor(sampling.no_repeat))
    if sampling.temperature:
        found.append(TemperatureLogitsWarper(sampling.temperature))
        found.append(TopPLogitsWarper(sampling.top_p))
    return found


class Spelling:
    """Turns tokens into text as they come, and remembers which answer the last one was copied from."""

    def __init__(self, tokenizer: Any, laid: Laid) -> None:
        self.tokenizer, self.laid = tokenizer, laid
        self.last = -2  # place of the last token
        self.source = -1  # answer of the last copied token, from 0
        self.begun = False

    def piece(self, token: Token) -> str:
        """Give the text that a token adds."""
        number, place = token
        text = self._copied(place) if place >= 0 else self._own(number)
        self.last, self.begun = place, self.begun or bool(text)
        return text

    def _copied(self, place: int) -> str:
        self.source = (self.laid.parts[place] - 3) // 2
        answer, (start, end) = self.laid.answers[self.source], self.laid.spans[place]
        if place == self.last + 1:
            # Several pieces of one Korean syllable span the same character.
            return answer[self.laid.spans[self.last][1] : end]
        glued = not self.begun or NO_SPACE.match(answer[start:end]) or (start and answer[start - 1] not in " \n")
        return answer[start:end] if glued else f" {answer[start:end]}"

    def _own(self, number: int) -> str:
        piece = str(self.tokenizer.convert_ids_to_tokens(number))
        if piece.startswith("##"):
            return piece[2:]
        return piece if not self.begun or NO_SPACE.match(piece) else f" {piece}"


def text_of(model: Reply, row: Laid, sampling: Sampling) -> str:
    """Write a whole reply."""
    spelling = Spelling(model.encoder.tokenizer, row)
    return unicodedata.normalize("NFC", "".join(map(spelling.piece, written(model, row, sampling))))


def save(model: Reply, folder: Path) -> None:
    """Write the decoder, and the encoder with it where that has learned too."""
    import json

    from safetensors.torch import save_file

    from indexer.transformer import load_bert, quietly

    state = {name: value.detach().cpu().contiguous() for name, value in model.own_state().items()}
    save_file(state, folder / WEIGHTS)
    fingerprint = model.encoder.cpu().fingerprint()
    if not model.frozen:
        with quietly():
            model.encoder.model.save_pretrained(folder / ENCODER)
        model.encoder.tokenizer.save_pretrained(folder / ENCODER)
        fingerprint = load_bert(str(folder / ENCODER), model.encoder.pooling).fingerprint()
    shape = {"layers": model.shape.layers, "candidates": model.shape.candidates, "words": len(model.words)}
    facts = {"shape": shape, "encoder": fingerprint, "fine_tuned": not model.frozen}
    (folder / FACTS).write_text(json.dumps(facts, indent=2), encoding="utf-8")


def load(folder: Path, encoder: "BertEncoder") -> Reply:
    """Put a folder's decoder on an encoder, which is held and not copied.

    Raises:
        UserError: the folder holds none, or its weights do not fit this encoder.
    """
    from safetensors.torch import load_file

    facts = facts_of(folder)
    try:
        model = Reply(encoder, Shape(**facts["shape"]))
        missing, unknown = model.load_state_dict(load_file(folder / WEIGHTS), strict=False)
        if unknown or any(not name.startswith("encoder.") for name in missing):
            raise ValueError("other weights")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise UserError(f"{folder}: its decoder cannot be opened ({reason}). Train it again.") from error
    return model.eval()


def labels_of(tokenizer: Any, answer: str, most: int) -> list[int]:
    """Give what is to be learned of an answer: its first tokens, and [SEP] behind them where these are all."""
    # A whole answer is longer than what the model reads at once, and no warning is needed of that.
    found: list[int] = tokenizer(answer, truncation=True, max_length=most + 2)["input_ids"][1:]
    return found[:most]
