"""The most that fp32 could reach: the model's matrix products alone, at the real number of tokens, without padding.

limit.py TEXTS.json, run in the tutorial's environment; prints the texts a second as one JSON line.
"""

import json
import sys
import time
from pathlib import Path

import torch
from plain import MODEL
from tokenizers import Tokenizer

LAYERS, WIDTH, INNER = 6, 384, 1536
SHAPES = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, INNER), (INNER, WIDTH))  # q, k, v in one; out; in; out
BATCHES = (256, 512, 1024, 2048)  # tokens at once: the quickest counts


def main() -> None:
    """Print the limit, the tokens a text and the GFLOP/s."""
    torch.set_num_threads(2)
    texts = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    tokenizer = Tokenizer.from_file(f"{MODEL}/tokenizer.json")
    tokenizer.no_padding()
    tokens = sum(len(found.ids) for found in tokenizer.encode_batch(texts)) / len(texts)
    token_s = min(seconds_a_token(batch) for batch in BATCHES)
    flops = 2 * LAYERS * sum(rows * columns for rows, columns in SHAPES)
    print(json.dumps({"texts_s": 1 / (tokens * token_s), "tokens": tokens, "gflops": flops / token_s / 1e9}))


def seconds_a_token(batch: int, repeats: int = 30) -> float:
    """Time the products of all layers; the best of some repeats."""
    matrices = [[torch.randn(shape) for shape in SHAPES] for _ in range(LAYERS)]
    inputs = {width: torch.randn(batch, width) for width in (WIDTH, INNER)}
    outputs = {columns: torch.empty(batch, columns) for _, columns in SHAPES}
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        for layer in matrices:
            for matrix in layer:
                torch.mm(inputs[matrix.shape[0]], matrix, out=outputs[matrix.shape[1]])
        times.append(time.perf_counter() - started)
    return min(times) / batch


if __name__ == "__main__":
    main()
