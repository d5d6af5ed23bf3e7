"""Tokenizers trained on text: WordPiece, and words and characters as baselines to compare with.

WordPiece is that of Schuster and Nakajima (2012, doi:10.1109/ICASSP.2012.6289079) as BERT uses it (Devlin et al. 2019,
arXiv:1810.04805); the library learns its pieces by merging frequent pairs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from indexer.errors import UserError
from indexer.words import has_hangul

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

Kind = Literal["wordpiece", "word", "character"]
NAMES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}  # in BERT's order: ids 0 to 4
INPUTS = ["input_ids", "token_type_ids", "attention_mask"]  # segments too: the library leaves them out by itself
LONGEST = 512  # tokens, as BERT's
INSIDE = "▁"  # before a morpheme that stands inside a word, while pieces are learned


def train_tokenizer(
    lines: Iterable[str],
    kind: Kind = "wordpiece",
    vocab_size: int = 8000,
    min_frequency: int = 2,
    lower_case: bool = False,
    morphology: str = "none",
) -> "PreTrainedTokenizerFast":
    """Learn a vocabulary from lines of text, with BERT's five special tokens first.

    `morphology="kiwi"` lets no piece run over the border of a Korean morpheme, as KLUE-BERT's (Park et al. 2021,
    arXiv:2105.09680); using the tokenizer then needs no Kiwi.
    """
    if vocab_size < 2 * len(NAMES) or min_frequency < 1:
        raise UserError(f"a vocabulary has at least {2 * len(NAMES)} tokens, each seen at least once.")
    if morphology != "none" and kind != "wordpiece":
        raise UserError(f"--morphology cuts what WordPiece learns from; leave it out with --kind {kind}.")
    tokenizer = _untrained(kind, lower_case)
    texts = _marked(lines) if morphology == "kiwi" else lines
    tokenizer.train_from_iterator(texts, _trainer(kind, vocab_size, min_frequency))
    if tokenizer.get_vocab_size() <= len(NAMES):
        raise UserError("no word of the text is frequent enough. Give more text, or type: --min-frequency 1")
    if kind == "wordpiece":
        _complete(tokenizer, vocab_size)
    return _finished(tokenizer, lower_case)


def save_tokenizer(tokenizer: "PreTrainedTokenizerFast", out: Path) -> None:
    """Write a folder that AutoTokenizer opens, and the list of tokens to read."""
    tokenizer.save_pretrained(str(out))
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    (out / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")


def open_tokenizer(name: str) -> Any:
    """Open a tokenizer by folder, spec or hub name."""
    from transformers import AutoTokenizer

    from bot.pretrain import checkpoint

    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint(name))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name}: no tokenizer can be opened there. Give a folder from: bot pretrain tokenizer FILE --out DIR"
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(f"{name}: its tokenizer has no tokenizer.json. Choose another.")
    return tokenizer


def backend(tokenizer: Any) -> "Tokenizer":
    """Give the tokenizer underneath, free of the lengths that are set in its file."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    made.no_truncation()
    made.no_padding()
    return made


def measure(name: str, text: str, corpus: str = "") -> dict[str, Any]:
    """Cut a text; over the corpus (or the text) count unknown words and tokens per word.

    A word is what stands between spaces; an unknown one holds an unknown token. Tokens per word, "fertility", are
    those of Rust et al. 2021 (arXiv:2012.15613).
    """
    opened = open_tokenizer(name)
    cutter, unknown = backend(opened), opened.unk_token_id
    counted = Counter((corpus or text).split())
    cut = [encoding.ids for encoding in cutter.encode_batch(list(counted), add_special_tokens=False)]
    total = sum(counted.values())
    return {
        "tokenizer": name,
        "vocabulary": len(opened),
        "pieces": cutter.encode(text, add_special_tokens=False).tokens,
        "words": total,
        "unknown_rate": sum(n for n, ids in zip(counted.values(), cut, strict=True) if unknown in ids) / total,
        "tokens_per_word": sum(n * len(ids) for n, ids in zip(counted.values(), cut, strict=True)) / total,
    }


def compare(names: Sequence[str], text: str, corpus: str = "") -> list[dict[str, Any]]:
    """Measure several tokenizers on the same text."""
    if not (corpus or text).split():
        raise UserError('there is nothing to cut. Type: --text "환불은 언제까지 되나요?"')
    return [measure(name, text, corpus) for name in names]


def _untrained(kind: Kind, lower_case: bool) -> "Tokenizer":
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    unknown = NAMES["unk_token"]
    tokenizer = Tokenizer(
        models.WordPiece(unk_token=unknown) if kind == "wordpiece" else models.WordLevel(unk_token=unknown)
    )
    # Composed first, and no accents stripped: otherwise a syllable such as 한 comes apart into its letters.
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.BertNormalizer(strip_accents=False, lowercase=lower_case)]
    )
    words = pre_tokenizers.BertPreTokenizer()
    each = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, each]) if kind == "character" else words
    if kind == "wordpiece":
        tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _trainer(kind: Kind, vocab_size: int, min_frequency: int) -> Any:
    from tokenizers import trainers

    shared: dict[str, Any] = {
        "vocab_size": vocab_size,
        "min_frequency": min_frequency,
        "special_tokens": list(NAMES.values()),
        "show_progress": False,
    }
    if kind != "wordpiece":
        return trainers.WordLevelTrainer(**shared)
    # A syllable costs two ids, bare and with ##; the library's own limit of 1,000 is too low for Korean.
    return trainers.WordPieceTrainer(**shared, limit_alphabet=max(vocab_size // 4, 1))


def _marked(lines: Iterable[str]) -> Iterator[str]:
    """Cut words at their morphemes: 환불은 -> 환불 ▁은."""
    import unicodedata

    from indexer.morphology import kiwi

    analyse = kiwi()
    for line in lines:
        text = unicodedata.normalize("NFC", line).replace(INSIDE, " ")
        begins = {token.start for token in analyse.tokenize(text)}
        inner = (at for at in begins if at and text[at - 1 : at].isalnum() and text[at : at + 1].isalnum())
        yield "".join(part for part in _cut(text, sorted(inner)))


def _cut(text: str, places: Sequence[int]) -> Iterator[str]:
    for begin, end in zip((0, *places), (*places, len(text)), strict=True):
        yield f" {INSIDE}{text[begin:end]}" if begin else text[begin:end]


def _complete(tokenizer: "Tokenizer", vocab_size: int) -> None:
    """Write what was learned inside words as BERT does (▁은 -> ##은), and let every syllable stand inside a word.

    Words are often typed without the spaces between them: a syllable known at the beginning alone would make the
    whole word unknown. Room is made by the pieces that were learned last.
    """
    from tokenizers import models

    learned = tokenizer.get_vocab()
    pieces = dict.fromkeys(
        f"##{token.removeprefix(INSIDE)}" if token.startswith(INSIDE) else token
        for token in sorted(learned, key=learned.__getitem__)
        if token.strip("#") != INSIDE
    )
    inner = [f"##{token}" for token in pieces if len(token) == 1 and has_hangul(token) and f"##{token}" not in pieces]
    longer = [token for token in pieces if len(token.removeprefix("##")) > 1 and token not in NAMES.values()]
    while longer and len(pieces) + len(inner) > vocab_size:
        del pieces[longer.pop()]
    vocabulary = {token: at for at, token in enumerate([*pieces, *inner])}
    tokenizer.model = models.WordPiece(vocabulary, unk_token=NAMES["unk_token"])


def _finished(tokenizer: "Tokenizer", lower_case: bool) -> "PreTrainedTokenizerFast":
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = tokenizer.get_vocab()
    ends = [(token, vocabulary[token]) for token in (NAMES["sep_token"], NAMES["cls_token"])]
    tokenizer.post_processor = processors.BertProcessing(ends[0], ends[1])
    # What BertTokenizer, which reads the tokens and not the normalizer, needs to cut in the same way.
    bert = {"do_lower_case": lower_case, "strip_accents": False, "tokenize_chinese_chars": True}
    made: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=LONGEST, model_input_names=INPUTS, **bert, **NAMES
    )
    return made
