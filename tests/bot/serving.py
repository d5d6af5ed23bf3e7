"""An index that is built by the encoder of a trained folder, and asked."""

from pathlib import Path

import numpy as np

from bot.learning.learner import load_learner
from indexer.build import build_index
from indexer.index import Index

ENTRIES = {"refund", "password", "refund-ko", "certificate-ko"}  # of the sheet `small`


def assert_serves(trained: Path, sheet: Path, folder: Path) -> None:
    """Build and search; what the index makes of texts is what torch makes of them with the trained weights."""
    import torch

    build_index(sheet, folder, f"bert:{trained}?precision=fp32")
    index = Index.open(folder)
    asked = ["How do I get a refund?", "Can I have my money back?"]
    encoder = load_learner(f"bert:{trained}")
    tokens = encoder.tokenizer(asked, padding=True, return_tensors="pt")
    with torch.no_grad():
        one, other = encoder.eval()(tokens["input_ids"], tokens["attention_mask"])[1].numpy()
    np.testing.assert_allclose(index.encoder.encode(asked), [one, other], atol=1e-5)
    for candidates in index.search(["I want my money, please", "비밀번호"], 5):
        assert {candidate.entry for candidate in candidates} == ENTRIES
