"""How alike two texts are, by several vectors of them."""

from pathlib import Path


def similarity(first: str, second: str, model: str, sheet: Path | None = None) -> dict[str, float]:
    """Give the cosine of two texts under [CLS], under the mean, and under Word2Vec learned from a sheet's questions."""
    import torch

    from bot.pretrain import checkpoint
    from indexer.pooling import pool
    from indexer.transformer import load_bert, quietly

    with quietly():
        encoder = load_bert(checkpoint(model))
    batch = encoder.tokenizer(
        [first, second], padding=True, truncation=True, max_length=encoder.limit(), return_tensors="pt"
    )
    with torch.no_grad():
        states, _ = encoder(batch["input_ids"], batch["attention_mask"])
    found = {}
    for pooling in ("cls", "mean"):
        pooled = pool(states, batch["attention_mask"], pooling)
        found[pooling] = float(torch.nn.functional.cosine_similarity(pooled[0], pooled[1], dim=0))
    if sheet:
        found["word2vec"] = _by_words(first, second, sheet)
    return found


def _by_words(first: str, second: str, sheet: Path) -> float:
    from indexer.corpus import read_corpus
    from indexer.encoders import load_encoder

    encoder = load_encoder("word2vec", [row.question for row in read_corpus(sheet).rows])
    one, other = encoder.encode([first, second])
    return float(one @ other)
