"""Write the weights as the ONNX files that Chroma would download: prepare.py FOLDER (run where torch is installed)."""

import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from plain import MODEL
from transformers import AutoModel

COPIED = ("config.json", "special_tokens_map.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class States(torch.nn.Module):
    """The model as Chroma calls it: three inputs, the tokens' last states."""

    def __init__(self) -> None:
        super().__init__()
        self.model = AutoModel.from_pretrained(MODEL, attn_implementation="eager").eval()

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """Give the last states."""
        return self.model(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state


def main(folder: Path) -> None:
    """Export the graph and copy the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copy(Path(MODEL) / name, folder / name)
    sample = {name: torch.ones((2, 8), dtype=torch.int64) for name in INPUTS}
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    program = torch.onnx.export(
        States(), kwargs=sample, input_names=list(INPUTS), dynamo=True, dynamic_shapes=dict.fromkeys(INPUTS, axes)
    )
    if program is None:
        raise SystemExit("torch exported nothing")
    program.save(str(folder / "model.onnx"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
