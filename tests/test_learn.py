"""The lesson of docs/learn: one page a rung, in both languages, whose every command runs, exercises too.

The commands run in a copy with a smaller sheet and the settings of `SMALLER`, `MORE` and `TINY`; a page's own figures
come from the command as it is printed. One process runs many commands, since most of a command's time is imports.
"""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from bot.answer import Answer
from bot.cli import main as bot
from bot.journal import Journal
from indexer.cli import main as indexer

LESSON = Path(__file__).parents[1] / "docs/learn"
PAGES = sorted(path.stem for path in (LESSON / "en").glob("[0-9]*.md"))
BEGINNING = ["05-tokenizer", "06-mlm-nsp"]  # which make the one model that all trainings share
FINDING = [page for page in PAGES if page[:2] in ("01", "02", "03", "04", "14", "15")]
LOOKING = [page for page in PAGES if page not in FINDING]
LANGUAGES = pytest.mark.parametrize("language", ["en", "ko"])

SMALLER = {"--steps": "6", "--epochs": "1", "--hidden": "32", "--heads": "2", "--layers": "1", "--layer": "1"}
JUDGED = ["--queries", "data/queries.csv", "--qrels", "data/qrels.csv", "--split", "dev"]
MORE = {
    "bot train": ["--limit", "12"],
    "bot pretrain bert": ["--cache", "cache"],
    "indexer evaluate --index runs/learn/w2v": JUDGED,  # "with the queries above", as the page says
}
TINY = {"minilm": "bert:runs/learn/bert"}  # the encoder of a training, and its teacher
OWN = {"...": "cashback"}  # what a page leaves to the reader
CLICKED = 6  # messages in the classroom's journal
ENTRIES = 24  # of the sheet, with the messages on them
CHILD = """
import json, sys
from click.testing import CliRunner
from bot.cli import main as bot
from indexer.cli import main as indexer

for line in sys.stdin:
    name, *arguments = json.loads(line)
    found = CliRunner().invoke({"bot": bot, "indexer": indexer}[name], arguments, prog_name=name)
    error = None if found.exception is None else repr(found.exception)
    print("RAN " + json.dumps([found.exit_code, found.output, error]), flush=True)
"""


def text_of(page: str, language: str = "en") -> str:
    return (LESSON / language / f"{page}.md").read_text("utf-8")


def commands_of(text: str) -> list[str]:
    """Give the commands of a page's console blocks, each to the end of its continued lines, then of its sentences."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    joined = "".join(blocks).replace("\\\n", " ")
    shown = [" ".join(line[2:].split()) for line in joined.splitlines() if line.startswith("$ ")]
    return shown + told(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), shown)


def told(prose: str, shown: list[str]) -> list[str]:
    """Give the commands that a page's sentences tell: whole ones, and what the exercise changes in a command.

    The name of a command or of an option alone is no command.
    """
    exercise = re.search(r"^## (?:Exercise|연습)\n", prose, re.MULTILINE)
    found: list[str] = []
    for code in re.finditer(r"`([^`]+)`", prose):
        span, exercised = " ".join(code[1].split()), exercise and code.start() >= exercise.end()
        if span.startswith(("bot ", "indexer ")):
            command = span if called(span)[1] else ""
        else:
            command = changed(span, shown, found) if exercised and span.startswith(("--", "?")) else ""
        if command:
            found.append(on_its_own(command, span, anew=command != span))
    return found


def called(command: str) -> tuple[click.Command, list[str]]:
    """Find what a command line calls; give it and the words behind its name."""
    name, *words = shlex.split(command)
    found: click.Command | None = {"bot": bot, "indexer": indexer}[name]
    while isinstance(found, click.Group) and words:
        found = found.get_command(click.Context(found), words.pop(0))
    assert found, f"there is no command {command}"
    return found, words


def options_of(command: str) -> dict[str, click.Option]:
    found = [option for option in called(command)[0].params if isinstance(option, click.Option)]
    return {name: option for option in found for name in (*option.opts, *option.secondary_opts)}


def changed(span: str, shown: list[str], before: list[str]) -> str:
    """Give the first shown command that takes options with them, or the last one that has a spec's `?` with another."""
    if span.startswith("?"):
        command = next(command for command in [*reversed(before), *shown] if "?" in command)
        return re.sub(r"\?[^\s\"]+", lambda _: span, command)
    name, *values = shlex.split(span)
    command = next((command for command in shown if name in options_of(command)), "")
    assert command, f"no command on the page takes {span}"
    return f"{command} {span}" if values or options_of(command)[name].is_flag else ""


def on_its_own(command: str, span: str, anew: bool) -> str:
    """Let a command write where no other does, and fill in what is the reader's own."""
    words = " ".join(OWN.get(word, word) for word in command.split())
    folder = re.sub(r"\W+", "-", span).strip("-")
    elsewhere = "--out" in options_of(command) and (anew or "--out" not in command)
    return f"{words} --out runs/learn/own/{folder}" if elsewhere else words


def short(command: str) -> list[str]:
    """Give a command's words with the smaller settings."""
    words = shlex.split(command)
    for at, word in enumerate(words[:-1]):
        words[at + 1] = SMALLER.get(word, words[at + 1])
        if word in ("--encoder", "--teacher") and words[:2] == ["bot", "train"]:
            words[at + 1] = TINY.get(words[at + 1], words[at + 1])
    return words + [word for start, more in MORE.items() if command.startswith(start) for word in more]


def possible(command: str) -> bool:
    """Tell whether the packages that a command asks for are here: Kiwi is an extra."""
    return "kiwi" not in command or find_spec("kiwipiepy") is not None


def made_by(words: list[str]) -> list[str]:
    """Name the files and folders that a command writes."""
    return [words[at + 1] for at, word in enumerate(words) if word in ("--out", "--plot")]


@pytest.fixture
def classroom(tmp_path: Path, root: Path) -> Path:
    """A folder with the lesson's texts, and the first entries of each language of the sheet."""
    shutil.copytree(LESSON / "texts", tmp_path / "docs/learn/texts")
    (tmp_path / "data").mkdir()
    for name in ("relations", "relations-dev"):
        shutil.copy(root / f"data/{name}.jsonl", tmp_path / "data")
    tables = {name: _rows(root / f"data/{name}.csv") for name in ("qa", "queries", "qrels")}
    kept: list[str] = []
    for lang in ("en", "ko"):
        kept += list(dict.fromkeys(row["entry"] for row in tables["qa"] if row["lang"] == lang))[: ENTRIES // 2]
    rows = [row for row in tables["qa"] if row["entry"] in kept]
    ids = {row["id"] for row in rows}
    foreign = {row["query"] for row in tables["qrels"] if row["document"] not in ids}
    judged = [row for row in tables["qrels"] if row["query"] not in foreign]
    asked = {row["query"] for row in judged}
    queries = [row for row in tables["queries"] if row["id"] in asked]
    for name, smaller in (("qa", rows), ("queries", queries), ("qrels", judged)):
        with (tmp_path / f"data/{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(smaller[0]))
            writer.writeheader()
            writer.writerows(smaller)
    _clicks(tmp_path / "data/journal.db", rows[:CLICKED])
    return tmp_path


def _clicks(path: Path, rows: list[dict[str, str]]) -> None:
    """Write a journal in which each of some stored questions was clicked once."""
    journal = Journal(path)
    for row in rows:
        answer = Answer("choose", "Is it one of these?", 0.5, [{"id": row["id"], "entry": row["entry"]}])
        exchange = journal.record(f"{row['question'][:12]} ...", answer, "chat", None, 1.0)
        assert journal.choose(exchange, row["id"])
    journal.close()


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "pages", [pytest.param([*BEGINNING, *FINDING], id="finding"), pytest.param(LOOKING, id="looking")]
)
def test_every_command_of_the_lesson_runs(classroom: Path, pages: list[str]) -> None:
    asked = [(page, command) for page in pages for command in commands_of(text_of(page)) if possible(command)]
    assert len(asked) > 10
    environment = {
        **os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
        "MUNDAP_JOURNAL": "data/journal.db", "MUNDAP_INDEX": "runs/learn/ladder/hybrid",
    }  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-c", CHILD], input="".join(json.dumps(short(command)) + "\n" for _, command in asked),
        cwd=classroom, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    ran = [json.loads(line[4:]) for line in child.stdout.splitlines() if line.startswith("RAN ")]
    for (page, command), (code, output, error) in zip(asked, ran, strict=False):
        assert code == 0, f"{page}: {command}\n{output}\n{error}"
        assert output.strip(), f"{page}: {command} says nothing"
        for path in made_by(short(command)):
            assert (classroom / path).exists(), f"{page}: {command} made no {path}"
    assert len(ran) == len(asked), child.stderr[-2000:]
    for page in pages:
        for picture in _pictures(text_of(page)):
            assert picture in _drawn(classroom), f"{page}: no command draws {picture}"


def _pictures(text: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(\.\./([\w.-]+)\)", text)


def _drawn(folder: Path) -> set[str]:
    """Name the pictures as the lesson keeps them: runs/learn/mood/confusion.svg is mood-confusion.svg."""
    runs = folder / "runs/learn"
    return {"-".join(path.relative_to(runs).parts) for path in runs.rglob("*.svg")}


def test_both_languages_have_the_same_pages() -> None:
    assert sorted(path.stem for path in (LESSON / "ko").glob("[0-9]*.md")) == PAGES
    assert [page[:2] for page in PAGES] == [f"{at:02}" for at in range(1, len(PAGES) + 1)]


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_blocks_and_pictures(page: str) -> None:
    english, korean = text_of(page), text_of(page, "ko")
    commands = commands_of(english)
    assert commands
    assert commands == commands_of(korean)
    assert all(command.startswith(("bot ", "indexer ")) for command in commands)
    # Output is what came, not what a language makes of it.
    assert re.findall(r"^```.*?^```", english, re.DOTALL | re.MULTILINE) == re.findall(
        r"^```.*?^```", korean, re.DOTALL | re.MULTILINE
    )
    assert _pictures(english) == _pictures(korean) != []


@LANGUAGES
@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_its_paper_and_sets_an_exercise(page: str, language: str) -> None:
    text = text_of(page, language)
    paper, exercise = {"en": ("## The paper", "## Exercise"), "ko": ("## 논문", "## 연습")}[language]
    assert exercise in text
    assert re.search(r"https://(arxiv\.org/abs/\d{4}\.\d{4,5}|doi\.org/10\.\S+)", text.partition(paper)[2])


@LANGUAGES
def test_the_index_lists_every_page_in_order(language: str) -> None:
    index = text_of("README", language)
    assert re.findall(r"\]\((\d\d-[\w-]+)\.md\)", index) == PAGES


@LANGUAGES
@pytest.mark.parametrize("page", ["README", *PAGES])
def test_links_and_pictures_lead_somewhere(page: str, language: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", text_of(page, language)):
        assert target.startswith("https://") or (LESSON / language / target).exists(), target


def test_commands_read_only_what_the_repository_holds(root: Path) -> None:
    for page in PAGES:
        for word in shlex.split(" ".join(commands_of(text_of(page)))):
            if word.startswith(("data/", "docs/")):
                assert (root / word).is_file(), f"{page}: {word}"
            assert "/shared/" not in word
            assert not word.startswith("shared/")


def test_short_settings_replace_what_a_page_asks_for() -> None:
    words = short("bot train tag --train a.jsonl --encoder minilm --epochs 8 --out runs/learn/tags")
    assert words[-2:] == ["--limit", "12"]
    assert words[words.index("--epochs") + 1] == "1"
    assert words[words.index("--encoder") + 1] == "bert:runs/learn/bert"
    assert short("indexer sts pairs.tsv --encoder minilm")[-1] == "minilm"
    assert commands_of("x\n```console\n$ bot a \\\n    --b c\nout\n$ bot d\n```\n```\n$ no\n```\n") == [
        "bot a --b c",
        "bot d",
    ]


def test_the_commands_in_sentences_are_found_and_completed() -> None:
    shown = "bot pretrain tokenizer a.txt --vocab-size 9 --out t", "bot pretrain bert a.txt --tokenizer t --out b"
    ladder = "indexer ladder a.csv --reranker cross:b?top=5 --out l"
    block = "```console\n" + "".join(f"$ {command}\n" for command in (*shown, ladder)) + "```\n"
    text = (
        "`--no-nsp` and `indexer sts` say nothing.\n" + block + 'See `bot inspect\nsimilarity "a" "b"`, or `x`.\n'
        "## 연습\n`--vocab-size\n400`, `--no-nsp`, another `--out`, `?top=2`,\n"
        "`bot pretrain extend minilm --tokens ...`.\n"
    )
    assert commands_of(text) == [
        *shown, ladder,
        'bot inspect similarity "a" "b"',
        f"{shown[0]} --vocab-size 400 --out runs/learn/own/vocab-size-400",
        f"{shown[1]} --no-nsp --out runs/learn/own/no-nsp",
        "indexer ladder a.csv --reranker cross:b?top=2 --out l --out runs/learn/own/top-2",
        "bot pretrain extend minilm --tokens cashback --out runs/learn/own/bot-pretrain-extend-minilm-tokens",
    ]  # fmt: skip
    with pytest.raises(AssertionError, match="no command on the page takes --no-npsp"):
        commands_of(text + "`--no-npsp`")
