"""The serving face of a BERT-like encoder: one ONNX graph, one tokenizer file, no torch.

`indexer.export` writes the files, `OnnxEncoder` answers from them (ONNX Runtime, onnxruntime.ai). A text's vector
is the same to the last bit whatever else is encoded with it.
"""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from indexer.pooling import pool
from indexer.vectors import Vectors, unit

GRAPH, TOKENIZER, CONFIG = "model.onnx", "tokenizer.json", "encoder.json"
BATCH = 1024  # tokens a run, padding included: the states of a layer stay within a core's cache
LEAST = 0.8  # of a batch's longest text: a shorter one would be padding by more than a batch gains


class OnnxEncoder:
    """Encodes with the files of a folder."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        config = json.loads((folder / CONFIG).read_text("utf-8"))
        self.dim: int = config["dim"]
        self._pooling, self._padding = config["pooling"], config["pad_id"]
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.enable_truncation(config["max_tokens"])
        self._tokenizer.no_padding()  # a batch is padded to its own longest text
        self._session = _session(str(folder / GRAPH))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts, near in length together so that little is spent on padding; a blank one is zero."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        told = [place for place, text in enumerate(texts) if text.strip()]
        if told:
            tokens = [found.ids for found in self._tokenizer.encode_batch_fast([texts[place] for place in told])]
            batches = list(_batches(tokens))
            runs = [[tokens[at] for at in batch] for batch in batches]
            found_by_run = map(self._run, runs) if sum(map(len, tokens)) <= BATCH else self._in_parallel(runs)
            for batch, found in zip(batches, found_by_run, strict=True):
                vectors[[told[at] for at in batch]] = found
        return vectors

    def _in_parallel(self, runs: Sequence[Sequence[Sequence[int]]]) -> Iterator[Vectors]:
        """Run batches on a core each: they never wait for each other, as threads within a run would."""
        with ThreadPoolExecutor(min(len(runs), cores())) as pool:
            yield from pool.map(self._run, runs)

    def _run(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        longest = max(map(len, tokens))
        ids = np.full((len(tokens), longest), self._padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        (states,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return unit(pool(states, mask, self._pooling))


def _batches(tokens: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Group texts of near length, longest first: if memory does not suffice, that shows at once."""
    order = sorted(range(len(tokens)), key=lambda at: -len(tokens[at]))
    batch: list[int] = []
    for at in order:
        longest = len(tokens[batch[0]]) if batch else 0
        if batch and ((len(batch) + 1) * longest > BATCH or len(tokens[at]) < LEAST * longest):
            yield batch
            batch = []
        batch.append(at)
    yield batch


def _session(graph: str) -> Any:
    # From 1.29 on ONNX Runtime reports to its maker, unless it is told not to before it is loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # One thread a run: a message is too little work to share, a build has a batch for every core.
    options.intra_op_num_threads = 1
    if not multiplies_bytes():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@cache
def multiplies_bytes() -> bool:
    """Tell whether products of bytes are exact at full speed.

    On x86 that takes VNNI (2019 and later). Without it the fast kernels overflow, which would give other vectors than
    elsewhere; slower ones do not. A system that does not say counts as one without.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return False


def cores() -> int:
    """Count the cores that this process may use: its affinity, and the quota of its container (cgroup 2)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, round(int(quota) / int(period))))
