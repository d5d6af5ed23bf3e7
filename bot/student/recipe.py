"""The recipe: from files of pairs to a student, in steps that are kept, so that the same command goes on."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bot.student import learn, lessons, packing, start, vocabulary
from bot.student.model import Student, cut_up
from bot.training import curves
from indexer import fingerprint
from indexer.encoders import Encoder, load_encoder
from indexer.errors import UserError
from indexer.perturb import KINDS, perturb
from indexer.progress import Progress, silent
from indexer.sts import Pairs, read_pairs
from indexer.transformer import BertEncoder

TEACHER, DIM = "minilm", 384
WORN = 0.2  # share of sentences shown as people really type them
MORE = {"no spaces": 4}  # times as often as another kind: the words of such a message look like none seen before
ENGLISH = 0.08  # share of English sentences among the lessons, so that mixed ones are understood


@dataclass(frozen=True)
class Sources:
    """The files of a student."""

    pairs: Sequence[Path]
    weights: Mapping[str, float]
    texts: Sequence[Path]  # more Korean, for the vocabulary
    scored: Sequence[Path]
    dev_scored: Path
    dev_pairs: Path
    begun: Path | None = None  # folder of a student that goes on learning
    mix: float = 0.0  # share of its weights in what comes of it


def teach(
    sources: Sources,
    out: Path,
    samples: int = 800_000,
    pieces: int = 20_000,
    seed: int = 0,
    bf16: bool = False,
    teacher: str = TEACHER,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make a student; give its figures before and after. Everything is seeded."""
    torch.manual_seed(seed)
    progress("Reading")
    pairs = [pair for path in sources.pairs for pair in lessons.read_pairs(path, sources.weights)]
    scored = [read_pairs(path) for path in sources.scored]
    dev_scored, dev_pairs = read_pairs(sources.dev_scored), lessons.read_pairs(sources.dev_pairs, {})
    options = {"samples": samples, "pieces": pieces, "seed": seed, "bf16": bf16, "teacher": teacher}
    shares = {"worn": WORN, "more": MORE, "english": ENGLISH}
    plan = {**options, **shares, "weights": dict(sources.weights), "files": _hashes(sources)}
    begun = start.go_on(sources.begun) if sources.begun else None
    if begun:
        plan |= {"from": begun[0].fingerprint(), "mix": sources.mix}
    _same_plan(out, plan)
    order = lessons.draw(pairs, sources.weights, samples, seed)
    used, order = np.unique(order, return_inverse=True)
    pairs = [pairs[at] for at in used]
    taught_by = _teacher(teacher)
    vectors = lessons.teach([pair.english for pair in pairs], taught_by, teacher, out / "teacher", progress)
    progress("Cutting words")
    taught = lessons.Taught(pairs, vectors)
    student, known = begun or start.begin(
        taught, _pieces(sources, pairs, pieces, out), seed, out / "start.npy", progress
    )
    wanted = taught_by.encode([pair.english for pair in dev_pairs])
    dev = learn.Dev(dev_scored, [pair.korean for pair in dev_pairs], wanted)
    before = learn.measure(student, dev)
    lecture = learn.Plan(out, seed, bf16, scored=[_scored(student, found) for found in scored], mix=sources.mix)
    history = learn.run(lecture, Student(student, known), _lessons(student, taught, order, seed), dev, progress)
    after = learn.measure(student, dev)
    figures = {"before": before, "after": after, "pairs": len(pairs), "samples": len(order), "pieces": pieces}
    figures["sources"] = counts(pairs, order)
    figures["sha256"] = packing.pack(out, out / "packed")
    (out / "learning-curve.svg").write_text(curves.learning(history, "spearman"), encoding="utf-8")
    (out / "run.json").write_text(json.dumps({**figures, "history": history}, indent=1), encoding="utf-8")
    return figures


def counts(pairs: Sequence[lessons.Pair], order: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """Count the pairs of each source, and how often one of them is shown; the most shown source first."""
    shown = np.bincount(order, minlength=len(pairs))
    found: dict[str, dict[str, int]] = {}
    for pair, times in zip(pairs, shown.tolist(), strict=True):
        source = found.setdefault(pair.source, {"pairs": 0, "shown": 0})
        source["pairs"] += 1
        source["shown"] += times
    return dict(sorted(found.items(), key=lambda item: -item[1]["shown"]))


def _teacher(spec: str) -> Encoder:
    """Open the teacher; the student can only give vectors as long as its own."""
    found = load_encoder(spec)
    if found.dim != DIM:
        raise UserError(f"--teacher {spec} gives {found.dim} dimensions, the student {DIM}. Name another teacher.")
    return found


def _hashes(sources: Sources) -> list[str]:
    """Hash every file, in the order given: two may bear one name in different folders."""
    files = (*sources.pairs, *sources.texts, *sources.scored, sources.dev_scored, sources.dev_pairs)
    return [f"{path.name} {fingerprint.of_file(path)}" for path in files]


def _same_plan(out: Path, plan: Mapping[str, Any]) -> None:
    """Go on in a folder only with what it was begun with."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "plan.json"
    if file.exists() and json.loads(file.read_text("utf-8")) != plan:
        raise UserError(f"{out} was begun with other options ({file}). Type the same, or give another --out.")
    file.write_text(json.dumps(plan, indent=1), encoding="utf-8")


def _pieces(sources: Sources, pairs: Sequence[lessons.Pair], count: int, out: Path) -> list[str]:
    """Find the Korean word pieces, and keep them: two runs may order equally frequent ones otherwise."""
    file = out / "pieces.txt"
    if not file.exists():
        texts = [pair.korean for pair in pairs]
        texts += [line for path in sources.texts for line in path.read_text("utf-8").splitlines()]
        file.write_text("\n".join(vocabulary.train(texts, count)), encoding="utf-8")
    return file.read_text("utf-8").split("\n")


def _lessons(student: BertEncoder, taught: lessons.Taught, order: NDArray[np.int64], seed: int) -> learn.Lessons:
    pairs = taught.pairs
    numbers = np.random.default_rng(seed)
    english = numbers.choice(len(pairs), int(len(order) * ENGLISH))
    sentences = cut_up(student, [pair.korean for pair in pairs])
    sentences += cut_up(student, [pairs[at].english for at in english])
    worn, kept = np.split(numbers.permutation(order), [int(len(order) * WORN)])
    sentences += cut_up(student, _worn([pairs[at].korean for at in worn], seed))
    places = np.concatenate([np.arange(len(pairs)), english, worn])
    shown = numbers.permutation(np.concatenate([kept, np.arange(len(pairs), len(sentences))]))
    lengths = np.array([len(ids) for ids in sentences])
    return learn.Lessons(sentences, taught.vectors, places, learn.arrange(shown, lengths, seed))


def _worn(texts: Sequence[str], seed: int) -> list[str]:
    chance = random.Random(seed)
    kinds = chance.choices(list(KINDS), [MORE.get(kind, 1) for kind in KINDS], k=len(texts))
    return [perturb(text, kind, chance) for text, kind in zip(texts, kinds, strict=True)]


def _scored(student: BertEncoder, found: Pairs) -> learn.Scored:
    return learn.Scored(cut_up(student, found.one), cut_up(student, found.other), found.scores)
