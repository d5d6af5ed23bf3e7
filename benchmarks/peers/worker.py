"""One measurement inside a peer's environment: worker.py PEER_FOLDER TASK ARGUMENT...; the result is one JSON line.

A peer is one file, peer.py, that offers the same functions. What is heavy is imported within them.

    build(sheet, folder)                  make an index of a CSV sheet
    build_for_updates(sheet, folder)      the same, where updates need another kind of index (optional)
    update(sheet, folder)                 bring it up to date with the edited sheet, given nothing else
    open_index(folder) -> answer(text)    give the stored answer of the best row
    serve(folder, port)                   answer over HTTP until killed
    bulk() -> encode(texts)               the encoder alone, as it encodes many texts
    build_store(vectors, folder)          the store alone, from (n, 384) float32 unit vectors
    open_store(folder) -> search(vector, k), the row numbers of the k nearest
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

WARM_UPS = 20


def main() -> None:
    """Run the task that the command line names."""
    peer_folder, task, *arguments = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries chat on stdout
    sys.path.append(str(Path(__file__).parent))  # last: folders here are named like the libraries
    spec = importlib.util.spec_from_file_location("peer", Path(peer_folder) / "peer.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{peer_folder} has no peer.py")
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    print(json.dumps(TASKS[task](peer, *arguments)), file=out, flush=True)
    os._exit(0)  # what was to be measured is done; some libraries take seconds to leave


def build(peer: Any, sheet: str, folder: str) -> None:
    """Make an index."""
    peer.build(Path(sheet), Path(folder))


def build_for_updates(peer: Any, sheet: str, folder: str) -> None:
    """Make an index that can be updated."""
    getattr(peer, "build_for_updates", peer.build)(Path(sheet), Path(folder))


def update(peer: Any, sheet: str, folder: str) -> None:
    """Bring an index up to date."""
    peer.update(Path(sheet), Path(folder))


def first(peer: Any, folder: str, message: str) -> str:
    """Give one answer."""
    return str(peer.open_index(Path(folder))(message))


def serve(peer: Any, folder: str, port: str) -> None:
    """Serve until killed."""
    peer.serve(Path(folder), int(port))


def query(peer: Any, folder: str, messages: str) -> dict[str, Any]:
    """Time one message after the other in this process."""
    answer, texts = peer.open_index(Path(folder)), json.loads(Path(messages).read_text("utf-8"))
    for text in texts[:WARM_UPS]:
        answer(text)
    times, answers = [], []
    for text in texts[WARM_UPS:]:
        started = time.perf_counter()
        answers.append(answer(text))
        times.append(round((time.perf_counter() - started) * 1e3, 3))
    return {"ms": times, "answers": answers} | memory()


def bulk(peer: Any, texts_file: str) -> float:
    """Give the texts a second of the encoder alone, once warm."""
    encode, texts = peer.bulk(), json.loads(Path(texts_file).read_text("utf-8"))
    encode(texts[:64])
    started = time.perf_counter()
    encode(texts)
    return len(texts) / (time.perf_counter() - started)


def build_store(peer: Any, vectors: str, folder: str) -> float:
    """Fill the store alone; give the seconds, without those of reading the vectors."""
    import numpy as np

    found = np.load(vectors, mmap_mode="r")
    started = time.perf_counter()
    peer.build_store(found, Path(folder))
    return time.perf_counter() - started


def search_store(peer: Any, folder: str, queries: str) -> dict[str, Any]:
    """Time single searches in the store alone."""
    import numpy as np

    started = time.perf_counter()
    search, times, found = peer.open_store(Path(folder)), [], []
    opened = time.perf_counter() - started
    for number, vector in enumerate(np.load(queries)):
        started = time.perf_counter()
        rows = [int(row) for row in search(vector, 10)]
        if number >= WARM_UPS:
            times.append((time.perf_counter() - started) * 1e3)
            found.append(rows)
    return {"open_s": opened, "ms": times, "found": found} | memory()


def memory() -> dict[str, float]:
    """Give this process's proportional and resident memory in MB."""
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    sizes = {name.rstrip(":"): int(size) / 1024 for name, size, *_ in lines}
    return {"pss_mb": sizes["Pss"], "rss_mb": sizes["Rss"]}


TASKS = {
    task.__name__: task
    for task in (build, build_for_updates, update, first, serve, query, bulk, build_store, search_store)
}

if __name__ == "__main__":
    main()
