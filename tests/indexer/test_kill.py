"""A build killed at any moment leaves the index whole: the old rows or the new, never a mix."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from indexer.build import build_index
from indexer.index import Index
from indexer.topic import off_topic
from indexer.verify import verify

BUILD = "from indexer.cli import main; main()"
SPEC = "tfidf?dim=512"


def start(sheet: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", BUILD, "build", str(sheet), "--out", str(out), "--encoder", SPEC]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write(path: Path, version: int, rows: int = 1500) -> None:
    lines = [f"q{n},question number {n} of version {version},answer {n} v{version}" for n in range(rows)]
    path.write_text("id,question,answer\n" + "\n".join(lines) + "\n", encoding="utf-8")


def test_ten_killed_builds_never_damage_the_index(tmp_path):
    sheet, folder = tmp_path / "sheet.csv", tmp_path / "index"
    write(sheet, 0)
    began = time.monotonic()
    build_index(sheet, folder, SPEC)
    whole = 2 + 1.2 * (time.monotonic() - began)  # seconds that a build takes in a process of its own, at most
    moments = random.Random(20261121)
    published, versions = 0, {0}
    for version in range(1, 11):
        write(sheet, version)
        versions.add(version)
        process = start(sheet, folder)
        try:
            process.wait(timeout=moments.uniform(0.3, whole))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        assert verify(folder)["faults"] == []
        index = Index.open(folder)
        stored = {row.question.rpartition(" ")[2] for row in index.database.rows(index.facts.generation)}
        assert len(stored) == 1, "a generation mixes two versions of the sheet"
        assert index.facts.rows == 1500
        assert int(stored.copy().pop()) in versions
        published = max(published, index.facts.generation)
        index.close()
    build_index(sheet, folder, SPEC)
    index = Index.open(folder)
    assert index.search(["question number 77 of version 10"], 1)[0][0].row.id == "q77"
    assert index.facts.generation >= published
    assert not list((folder / "generations").glob("*.partial"))


def test_what_a_killed_build_encoded_is_kept(tmp_path, monkeypatch):
    """The vectors are committed share by share, so the next build goes on where the killed one stopped."""
    from indexer import build as building

    sheet, folder = tmp_path / "sheet.csv", tmp_path / "index"
    write(sheet, 0, rows=40)
    monkeypatch.setattr(building, "SHARE", 10)
    calls = 0

    def stop_at_the_third(stage: str, done: int = 0, of: int = 0) -> None:
        nonlocal calls
        calls += stage == "Encoding"
        if calls == 3:
            raise KeyboardInterrupt

    try:
        build_index(sheet, folder, SPEC, progress=stop_at_the_third)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("the build was to be interrupted")
    monkeypatch.undo()
    assert build_index(sheet, folder, SPEC).encoded == 80 + len(off_topic()) - 20


def test_what_a_killed_build_left_goes_with_the_next_even_if_nothing_has_changed(tmp_path):
    sheet, folder = tmp_path / "sheet.csv", tmp_path / "index"
    write(sheet, 0, rows=10)
    build_index(sheet, folder, SPEC)
    left = folder / "generations/000002.partial/questions"
    left.mkdir(parents=True)
    assert not build_index(sheet, folder, SPEC).changed
    assert not left.parent.exists()
