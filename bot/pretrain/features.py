"""Features: documents as sequences of token ids, made once for the same text, tokenizer and settings."""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.pretrain.documents import Document
from indexer import fingerprint
from indexer.errors import UserError

CACHE = Path.home() / ".cache" / "mundap" / "pretrain"
SHORTEST = 8  # tokens of a sequence
FORM = 2  # counts changes of what is made here

Token = tuple[int, bool]  # its id, and whether it begins a word
Tokens = list[Token]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two segments, and the documents they are from; `random` where the second does not follow the first."""

    first: Tokens
    second: Tokens
    random: bool
    documents: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Features:
    """Sequences padded to one length T."""

    ids: NDArray[np.int32]  # (N, T)
    begins: NDArray[np.bool_]  # (N, T): the token begins a word
    types: NDArray[np.int8]  # (N, T): 1 in the second segment
    lengths: NDArray[np.int32]  # (N,)
    random: NDArray[np.int8]  # (N,): 1 where the second segment does not follow the first, -1 where there is none


def check(length: int, share: float) -> None:
    """Refuse a length that holds no text, or a share that holds nothing out."""
    if length < SHORTEST:
        raise UserError(f"--length {length}: a sequence has at least {SHORTEST} tokens. Type: --length 128")
    if not 0 < share < 1:
        raise UserError(f"--held-out {share:g}: a share between 0 and 1. Type: --held-out 0.05")


def split(documents: Sequence[Document], share: float, seed: int) -> tuple[list[Document], list[Document]]:
    """Hold a share of the documents out, at least one; give those to learn from and those held out.

    Raises:
        UserError: there are fewer than four documents, or too few are left to learn from.
    """
    count = max(1, round(share * len(documents)))
    if len(documents) >= 4 and count > len(documents) - 2:
        raise UserError(
            f"--held-out {share:g} of {len(documents)} documents leaves {len(documents) - count} to learn from, where "
            "two are needed. Type: --held-out 0.05"
        )
    if len(documents) < 4:
        raise UserError(
            f"found {len(documents)} document(s), to hold {share:g} of them out. There must be at least 4: put a blank "
            f"line between documents, or type --window 20 (sentences each) or --document-per-line."
        )
    held = set(random.Random(seed).sample(range(len(documents)), count))
    learned = [document for at, document in enumerate(documents) if at not in held]
    return learned, [documents[at] for at in sorted(held)]


def tokenize(documents: Sequence[Document], cutter: Any) -> list[list[Tokens]]:
    """Cut every sentence of every document; `cutter` is a tokenizer of the library tokenizers."""
    found = []
    for document in documents:
        cut = cutter.encode_batch(document, add_special_tokens=False)
        found.append([tokens for encoding in cut if (tokens := _tokens(encoding))])
    return found


def pairs(documents: Sequence[Sequence[Tokens]], room: int, seed: int) -> list[Pair]:
    """Make pairs of segments, of at most `room` tokens together, for next sentence prediction.

    Each chunk of consecutive sentences is cut in two (Devlin et al. 2019, arXiv:1810.04805). Half of them, to one,
    get the second segment of a chunk of another document; a document of one sentence gives no pair.

    Raises:
        UserError: fewer than two documents have two sentences.
    """
    dice = random.Random(seed)
    whole = [
        (at, *_halves(chunk, dice))
        for at, document in enumerate(documents)
        for chunk in chunks(document, room)
        if len(chunk) > 1
    ]
    if len({at for at, _, _ in whole}) < 2:
        raise UserError(
            "next sentences need two documents of at least two sentences each, in the part to learn from and in the "
            "part held out. Type --window 20 where the text runs on, or --no-nsp to mask words alone."
        )
    changed = set(dice.sample(range(len(whole)), len(whole) // 2))
    made = []
    for number, (at, first, second) in enumerate(whole):
        other = at
        if number in changed:
            while other == at:
                other, _, second = whole[dice.randrange(len(whole))]
        made.append(Pair(*_fitted(first, second, room, dice), number in changed, (at, other)))
    dice.shuffle(made)
    return made


def chunks(document: Sequence[Tokens], room: int) -> list[list[Tokens]]:
    """Gather consecutive sentences while they fit into the room, always two where there are two."""
    found: list[list[Tokens]] = []
    held = 0
    for sentence in document:
        if not found or (len(found[-1]) > 1 and held + len(sentence) > room):
            found.append([])
            held = 0
        found[-1].append(sentence)
        held += len(sentence)
    if len(found) > 1 and len(found[-1]) == 1:
        last = found.pop()
        found[-1] += last
    return found


def of_pairs(made: Sequence[Pair], length: int, tokenizer: Any) -> Features:
    """Write [CLS] first [SEP] second [SEP]."""
    cls, sep = (tokenizer.cls_token_id, True), (tokenizer.sep_token_id, True)
    sequences = [[cls, *pair.first, sep, *pair.second, sep] for pair in made]
    seconds = [len(pair.first) + 2 for pair in made]
    return _padded(sequences, seconds, [int(pair.random) for pair in made], length, tokenizer.pad_token_id)


def of_texts(documents: Sequence[Sequence[Tokens]], length: int, tokenizer: Any) -> Features:
    """Write [CLS] text [SEP], a document's sentences run together and cut where the length ends."""
    cls, sep = (tokenizer.cls_token_id, True), (tokenizer.sep_token_id, True)
    room = length - 2
    runs = [[token for sentence in document for token in sentence] for document in documents]
    sequences = [[cls, *run[at : at + room], sep] for run in runs for at in range(0, len(run), room)]
    return _padded(sequences, [length] * len(sequences), [-1] * len(sequences), length, tokenizer.pad_token_id)


def of_blocks(documents: Sequence[Sequence[Tokens]], length: int, end: int) -> Features:
    """Write documents one after the other, the token `end` after each, in blocks of exactly the length."""
    run = [token for document in documents for part in (*document, [(end, True)]) for token in part]
    length = min(length, len(run))
    blocks = [run[at : at + length] for at in range(0, len(run) - length + 1, length)]
    return _padded(blocks, [length] * len(blocks), [-1] * len(blocks), length, end)


def kept(folder: Path, parts: Sequence[Any], make: Callable[[], Features]) -> tuple[Features, bool]:
    """Give features from the cache, named by the hash of all that they depend on; say whether they were there."""
    path = folder / f"{fingerprint.of_text(repr((FORM, *parts)))[:24]}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as found:
            return Features(**{name: found[name] for name in Features.__slots__}), True
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, **{name: getattr(made, name) for name in Features.__slots__})
    partial.rename(path)
    return made, False


def _tokens(encoding: Any) -> Tokens:
    words = encoding.word_ids
    return [(id, at == 0 or words[at] != words[at - 1]) for at, id in enumerate(encoding.ids)]


def _halves(chunk: Sequence[Tokens], dice: random.Random) -> tuple[Tokens, Tokens]:
    border = dice.randint(1, len(chunk) - 1)
    first, second = ([token for sentence in part for token in sentence] for part in (chunk[:border], chunk[border:]))
    return first, second


def _fitted(first: Tokens, second: Tokens, room: int, dice: random.Random) -> tuple[Tokens, Tokens]:
    """Shorten the longer of the two, at the front or the back, until both fit."""
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        longer = first if len(first) > len(second) else second
        longer.pop(0 if dice.random() < 0.5 else -1)
    # What is left of a word that lost its beginning is a word.
    return [(first[0][0], True), *first[1:]], [(second[0][0], True), *second[1:]]


def _padded(
    sequences: Sequence[Tokens], seconds: Sequence[int], random: Sequence[int], length: int, pad: int
) -> Features:
    """Fill up to one length; from `seconds` on a sequence is of type 1."""
    ids = np.full((len(sequences), length), pad, dtype=np.int32)
    begins = np.ones(ids.shape, dtype=np.bool_)
    types = np.zeros(ids.shape, dtype=np.int8)
    for row, (tokens, second) in enumerate(zip(sequences, seconds, strict=True)):
        ids[row, : len(tokens)] = [id for id, _ in tokens]
        begins[row, : len(tokens)] = [begin for _, begin in tokens]
        types[row, second : len(tokens)] = 1
    lengths = np.array([len(tokens) for tokens in sequences], dtype=np.int32)
    return Features(ids, begins, types, lengths, np.array(random, dtype=np.int8))
