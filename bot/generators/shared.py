"""shared:PATH: the decoder of `bot train reply` on the encoder of the index itself; loads torch when opened.

An index by `minilm` or `bert:PATH` serves without torch, from an exported graph; here the same weights are opened as a
module, once for a process (`encoder_of`), and the decoder holds that very module.
"""

import logging
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.generators._writing import Sampling
from bot.prompting import names_of
from indexer import spec as specs
from indexer.errors import UserError
from indexer.retrieve import Candidate

if TYPE_CHECKING:
    from bot.generators._decoder import Reply
    from indexer.index import Index
    from indexer.transformer import BertEncoder

SAMPLING = Sampling(no_repeat=20, max_tokens=400)
FACTS = "reply.json"
OPENERS = ("minilm", "bert")
_open_encoders: "weakref.WeakValueDictionary[str, BertEncoder]" = weakref.WeakValueDictionary()
_opening = threading.Lock()


def open(argument: str, index: "Index", sampling: Sampling) -> "Shared":
    """Open a folder of `bot train reply` for an index.

    Raises:
        UserError: the folder holds none, the index is by an encoder that torch has no module of, or the decoder belongs
            to other weights.
    """
    if not argument:
        raise UserError("shared needs a folder. Type: bot train reply --train SHEET --out runs/reply")
    folder = Path(argument)
    facts = _checked(folder, index)
    logging.getLogger(__name__).warning(
        "shared:%s loads torch and the weights of %s, which serving alone does not need.", argument, index.facts.encoder
    )
    from bot.generators import _replying as replying

    encoder = encoder_of(index)
    if encoder.fingerprint() != facts["encoder"]:
        raise UserError(_other_weights(folder, index, facts["fine_tuned"]))
    return Shared(replying.load(folder, encoder), sampling)


def facts_of(folder: Path) -> dict[str, Any]:
    """Read what a folder's decoder belongs to; a folder without one is an error."""
    import json

    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder}: there is no model that `bot train reply` made (no {FACTS}). "
            f"Type: bot train reply --train SHEET --out {folder}"
        ) from error
    return facts


def encoder_of(index: "Index") -> "BertEncoder":
    """Give the module with the weights that an index was built with: one object for all that ask for the same.

    Raises:
        UserError: there is no such module, or its weights have changed since the build.
    """
    spec = specs.parse(index.facts.encoder)
    pooling = f"?pooling={spec.options['pooling']}" if "pooling" in spec.options else ""
    name = f"{spec.name}{':' if spec.argument else ''}{spec.argument}{pooling}"
    with _opening:
        found = _open_encoders.get(index.facts.fingerprint)
        if found is None:
            from bot.learning.learner import load_learner

            found = load_learner(name).eval()
            # The index's own fingerprint begins with that of the weights, cut off after 16 letters.
            if spec.name == "bert" and index.facts.fingerprint.split("-")[1] != found.fingerprint()[:16]:
                raise UserError(
                    f"{index.folder}: the weights of {index.facts.encoder} have changed since the build. "
                    f"Type: {index.facts.rebuild(index.folder)}"
                )
            _open_encoders[index.facts.fingerprint] = found
    return found


class Shared:
    """Writes from the candidates, and cites after each sentence the one that it was copied from."""

    def __init__(self, model: "Reply", sampling: Sampling) -> None:
        self.model, self.sampling = model, sampling
        self._reading = threading.Lock()  # a tokenizer, and what the encoder remembers, serve one thread at a time

    def __call__(self, message: str, candidates: Sequence[Candidate]) -> Iterator[str]:
        """Give the draft sentence by sentence; drafts beyond the first begin on a new line."""
        known = candidates[: self.model.shape.candidates]
        if not known:
            return
        laid = self._laid(message, known)
        for number in range(self.sampling.num_return_sequences):
            if number:
                yield "\n"
            yield from self._draft(laid, names_of(known), self.sampling.seed + number)

    def _laid(self, message: str, candidates: Sequence[Candidate]) -> Any:
        from bot.generators._replying import lay
        from bot.prompting import bare

        encoder = self.model.encoder
        pairs = [(bare(one.row.question), bare(one.row.answer)) for one in candidates]
        with self._reading:
            return lay(encoder.tokenizer, bare(message), pairs, encoder.limit())

    def _draft(self, laid: Any, names: Sequence[str], seed: int) -> Iterator[str]:
        from dataclasses import replace

        from bot.generators._replying import Spelling, written
        from bot.grounding import Cutter

        spelling, cutter = Spelling(self.model.encoder.tokenizer, laid), Cutter()
        source, count = -1, 0
        with self._reading:
            tokens = written(self.model, laid, replace(self.sampling, seed=seed))
            first = next(tokens, None)  # reads the sources
        while first is not None:
            piece, before = spelling.piece(first), source
            source, count = spelling.source, count + 1
            # A sentence is whole once the next one begins, maybe in another entry.
            yield from (cited(text, names, before) for text in cutter.feed(piece))
            first = next(tokens, None)
        # What is cut off may lack the very words that limit it.
        if count < self.sampling.max_tokens and not (source >= 0 and laid.cut(source)):
            yield from (cited(text, names, source) for text in cutter.rest())


def cited(sentence: str, names: Sequence[str], source: int) -> str:
    """Write a sentence with the id of the entry that it was copied from; without one, where nothing was."""
    return f"{sentence} [{names[source]}]\n" if source >= 0 else f"{sentence}\n"


def _checked(folder: Path, index: "Index") -> dict[str, Any]:
    """Read a folder's facts; of folder and index all that is wrong is told at once, since either takes minutes."""
    unfit = _unfit(folder, index)
    try:
        facts = facts_of(folder)
    except UserError as error:
        raise UserError(f"{error} and then: {unfit}" if unfit else str(error)) from error
    if unfit:
        raise UserError(unfit)
    return facts


def _unfit(folder: Path, index: "Index") -> str:
    facts = index.facts
    if specs.parse(facts.encoder).name in OPENERS and facts.retrieval != "lexical":
        return ""
    made = f"by {facts.encoder}" + (", lexical" if facts.retrieval == "lexical" else "")
    return (
        f"shared:{folder} needs an index by minilm or bert:PATH, and {index.folder} is one {made}. "
        f"Type: indexer build {facts.sheet} --out {index.folder} --encoder minilm"
    )


def _other_weights(folder: Path, index: "Index", fine_tuned: bool) -> str:
    facts = index.facts
    if fine_tuned:
        mend = f"indexer build {facts.sheet} --out {index.folder} --encoder bert:{folder / 'encoder'}"
    else:
        mend = f"bot train reply --train {facts.sheet} --encoder {facts.encoder} --out {folder}"
    return f"{folder}: its decoder was trained on other weights than those of {index.folder}. Type: {mend}"
