"""The lesson of docs/learn: one page a rung, in both languages, whose every command runs.

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
from pathlib import Path

import pytest

LESSON = Path(__file__).parents[1] / "docs/learn"
PAGES = sorted(path.stem for path in (LESSON / "en").glob("[0-9]*.md"))
BEGINNING = ["05-tokenizer", "06-mlm-nsp"]  # which make the one model that all trainings share
FINDING = [page for page in PAGES if page[:2] in ("01", "02", "03", "04", "14", "15")]
LOOKING = [page for page in PAGES if page not in FINDING]
LANGUAGES = pytest.mark.parametrize("language", ["en", "ko"])

SMALLER = {"--steps": "6", "--epochs": "1", "--hidden": "32", "--heads": "2", "--layers": "1", "--layer": "1"}
MORE = {"bot train": ["--limit", "12"], "bot pretrain bert": ["--cache", "cache"]}
TINY = {"minilm": "bert:runs/learn/bert"}  # the encoder of a training
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
    """Give the commands of a page's console blocks, each from its `$` to the end of its continued lines."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    joined = "".join(blocks).replace("\\\n", " ")
    return [" ".join(line[2:].split()) for line in joined.splitlines() if line.startswith("$ ")]


def short(command: str) -> list[str]:
    """Give a command's words with the smaller settings."""
    words = shlex.split(command)
    for at, word in enumerate(words[:-1]):
        words[at + 1] = SMALLER.get(word, words[at + 1])
        if word == "--encoder" and words[:2] == ["bot", "train"]:
            words[at + 1] = TINY.get(words[at + 1], words[at + 1])
    return words + [word for start, more in MORE.items() if command.startswith(start) for word in more]


def made_by(words: list[str]) -> list[str]:
    """Name the files and folders that a command writes."""
    return [words[at + 1] for at, word in enumerate(words) if word in ("--out", "--plot")]


@pytest.fixture
def classroom(tmp_path: Path, root: Path) -> Path:
    """A folder with the lesson's texts, and the first entries of each language of the sheet."""
    shutil.copytree(LESSON / "texts", tmp_path / "docs/learn/texts")
    (tmp_path / "data").mkdir()
    shutil.copy(root / "data/relations.jsonl", tmp_path / "data")
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
    return tmp_path


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "pages", [pytest.param([*BEGINNING, *FINDING], id="finding"), pytest.param(LOOKING, id="looking")]
)
def test_every_command_of_the_lesson_runs(classroom: Path, pages: list[str]) -> None:
    asked = [(page, command) for page in pages for command in commands_of(text_of(page))]
    assert len(asked) > 10
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MUNDAP_JOURNAL": "off"}
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
