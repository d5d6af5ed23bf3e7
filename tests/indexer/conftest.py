"""Real texts, and tiny checkpoints of several families, made once a test run and shared by its workers."""

import csv
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from indexer import export

LONG = "Where do I find the certificate of the course that I finished last week? 수료증은 어디서 받나요? " * 4
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "initializer_range": 0.3,  # far from the usual .02, so that every layer changes the vectors
}


@pytest.fixture(scope="session")
def texts(root: Path) -> list[str]:
    """Questions of both languages, short and long mixed, the longest beyond every limit."""
    with (root / "data/qa.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    languages = ([row["question"] for row in rows if row["lang"] == lang][:14] for lang in ("en", "ko"))
    mixed = [text for pair in zip(*languages, strict=True) for text in pair]
    return [*mixed[:9], LONG, "a", *mixed[9:], rows[0]["answer"]]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    """A folder of random two-layer models, one for each name in `make_models` and `make_sentence_models`."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with FileLock(base / "tiny-models.lock.test"):
        if not (base / "tiny-models").exists():
            make_models(base / "tiny-models.partial", texts)
            (base / "tiny-models.partial").rename(base / "tiny-models")
    return base / "tiny-models"


@pytest.fixture
def tiny(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny models, exported into a cache of this test run."""
    monkeypatch.setattr(export, "CACHE", models / "cache")
    return models


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def make_models(folder: Path, texts: list[str]) -> None:
    import torch
    from transformers import (
        BertConfig,
        BertModel,
        ElectraConfig,
        ElectraModel,
        MPNetConfig,
        MPNetModel,
        RobertaConfig,
        RobertaModel,
    )

    pieces, pairs = word_pieces(texts), byte_pairs(texts)
    bert = {**SIZES, "vocab_size": len(pieces), "max_position_embeddings": 64}
    roberta = {**SIZES, "vocab_size": len(pairs), "max_position_embeddings": 66, "pad_token_id": 1}
    made = [
        ("bert", 1, BertModel, BertConfig(**bert), pieces),
        ("other", 2, BertModel, BertConfig(**bert), pieces),
        ("electra", 3, ElectraModel, ElectraConfig(**bert, embedding_size=16), pieces),
        ("roberta", 4, RobertaModel, RobertaConfig(**roberta), pairs),
        ("mpnet", 5, MPNetModel, MPNetConfig(**roberta), pairs),
        ("gelu_new", 6, BertModel, BertConfig(**bert, hidden_act="gelu_new"), pieces),
        ("bf16", 7, BertModel, BertConfig(**bert, dtype="bfloat16"), pieces),
    ]
    for name, seed, kind, config, tokenizer in made:
        torch.manual_seed(seed)
        kind(config).to(config.dtype).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    make_sentence_models(folder, pieces)


def make_sentence_models(folder: Path, pieces: Any) -> None:
    """Pipelines of sentence-transformers: the plain ones, and what else one meets."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        StaticEmbedding,
        Transformer,
    )

    def pipeline(name: str, bert: str, pooling: str, *more: Any, **options: Any) -> None:
        transformer = Transformer(str(folder / bert), max_seq_length=48)
        save(name, [transformer, Pooling(32, pooling_mode=pooling), *more], **options)

    def save(name: str, modules: list[Any], **options: Any) -> None:
        SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder / name))

    torch.manual_seed(8)
    pipeline("sbert", "bert", "mean", Normalize())
    pipeline("sbert-other", "other", "mean", Normalize())
    pipeline("sbert-cls", "roberta", "cls")
    pipeline("sbert-max-dense", "bert", "max", Dense(32, 20))
    pipeline("sbert-mpnet", "mpnet", "mean", Normalize(), truncate_dim=16)
    pipeline("sbert-bf16", "bf16", "mean")
    pipeline("sbert-prompt", "bert", "mean", prompts={"query": "."}, default_prompt_name="query")
    save("sbert-static", [StaticEmbedding(pieces, embedding_dim=24)])
    save("sbert-static-unit", [StaticEmbedding(pieces, embedding_dim=24), Normalize()])


def word_pieces(texts: list[str]) -> Any:
    """A WordPiece tokenizer as BERT's, that leaves Hangul syllables whole.

    Its pieces are listed rather than trained: the trainer breaks ties anew in every run, and the random models
    would then give other vectors each time.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = sorted(set("".join(texts).lower()) - {" ", "\n"})
    words = sorted({word for text in texts[::2] for word in text.lower().split() if len(word) > 1})
    pieces = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *words])
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return fast(tokenizer, model_max_length=64, **names)


def byte_pairs(texts: list[str]) -> Any:
    """A byte-level BPE tokenizer as RoBERTa's; like many checkpoints', it names no longest text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, show_progress=False, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token")
    return fast(tokenizer, **dict(zip(names, special, strict=True)))


def fast(tokenizer: Any, **names: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
