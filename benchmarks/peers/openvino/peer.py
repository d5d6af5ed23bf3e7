"""sentence-transformers switched to OpenVINO with 8-bit weights, as a user does who wants speed."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from plain import MODEL, read_sheet, serve_flask

CONVERTED = Path.home() / ".cache" / "peers-openvino"  # converted once


def bulk() -> Callable[[Sequence[str]], Any]:
    """Encode with the library's own batching, sorted by length."""
    from sentence_transformers import SentenceTransformer

    if not CONVERTED.exists():
        convert()
    model, alone = SentenceTransformer(str(CONVERTED), device="cpu", backend="openvino"), Lock()

    def encode(texts: Sequence[str]) -> Any:
        with alone:  # its inference request fails with "busy" when a second thread comes
            return model.encode(list(texts), show_progress_bar=False)

    return encode


def convert() -> None:
    """Write the model with 8-bit weights, beside the files that sentence-transformers reads."""
    from optimum.intel import OVModelForFeatureExtraction, OVWeightQuantizationConfig

    config = OVWeightQuantizationConfig(bits=8)
    model = OVModelForFeatureExtraction.from_pretrained(MODEL, export=True, quantization_config=config)
    partial = CONVERTED.with_suffix(".partial")
    shutil.copytree(MODEL, partial, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    model.save_pretrained(partial / "openvino")
    partial.rename(CONVERTED)


def build(sheet: Path, folder: Path) -> None:
    """Save the vectors of all questions, and the answers as JSON."""
    import numpy as np

    rows = read_sheet(sheet)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", bulk()([row["question"] for row in rows]))
    (folder / "answers.json").write_text(json.dumps([row["answer"] for row in rows]), encoding="utf-8")


update = build  # the script is run again


def open_index(folder: Path) -> Callable[[str], str]:
    """Encode a message, find the nearest question."""
    import numpy as np

    encode, vectors = bulk(), np.load(folder / "vectors.npy")
    answers = json.loads((folder / "answers.json").read_text("utf-8"))
    return lambda text: str(answers[int(np.argmax(vectors @ encode([text])[0]))])


def serve(folder: Path, port: int) -> None:
    """Serve with Flask."""
    serve_flask(open_index(folder), port)
