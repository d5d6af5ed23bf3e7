"""Packing: a taught student as the three small files that the encoder `bilingual` serves from."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from indexer import export, weights
from indexer.transformer import load_bert
from indexer.weights import packed

LICENCE = {"licence": "CC-BY-SA-4.0", "taught_by": f"sentence-transformers/all-MiniLM-L6-v2 {weights.SHA256}"}


def pack(student: Path, out: Path) -> dict[str, str]:
    """Write korean.safetensors (8 bits), korean.json (tokenizer) and korean.npz (what torch makes of them).

    Give the SHA-256 of each. `student` is the folder that `bot.student.recipe.teach` wrote.
    """
    out.mkdir(parents=True, exist_ok=True)
    encoder = load_bert(str(student))
    known = len(load_bert(str(weights.minilm())).tokenizer)
    state = {name: tensor.numpy() for name, tensor in encoder.model.state_dict().items() if tensor.is_floating_point()}
    kept = packed.pack(state, known)
    save_file(kept, out / weights.KOREAN.name, LICENCE)
    shutil.copyfile(student / "tokenizer.json", out / weights.KOREAN_TOKENIZER.name)
    whole = packed.unpack(kept, state[packed.TABLE][:known])
    encoder.model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in whole.items()}, strict=False)
    np.savez(out / weights.KOREAN_PROOF.name, mean=export.proof(encoder, weights.MAX_TOKENS))
    names = (weights.KOREAN.name, weights.KOREAN_TOKENIZER.name, weights.KOREAN_PROOF.name)
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}
