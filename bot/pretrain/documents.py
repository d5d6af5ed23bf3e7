"""Documents: plain text files, read as documents of sentences."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from indexer.errors import UserError

Document = list[str]  # its sentences
# The end of a sentence: its mark and what closes a quotation, before a space; or a mark between two Hangul syllables,
# since Korean is often typed without the space.
END = re.compile(r"[.!?…。！？]+[\"'”’)\]」』]*(?=\s)|(?<=[가-힣])[.!?]+(?=[가-힣])")
NO_END = re.compile(r"(?:^|\s|\()(?:\d+|[A-Za-z]|dr|mr|mrs|ms|prof|vs|etc|e\.g|i\.e|no|fig|st)\.$", re.IGNORECASE)


def read_documents(paths: Sequence[Path], per_line: bool = False, window: int = 0) -> list[Document]:
    """Read UTF-8 text files: a blank line stands between documents, and a line holds one or more whole sentences.

    `per_line` makes every line a document; `window` makes documents of so many sentences, where a file has neither.

    Raises:
        UserError: a file is no UTF-8 or holds no text, or both layouts are asked for.
    """
    if per_line and window:
        raise UserError("a line is a document or a window of sentences is, not both. Give one of the two options.")
    if window == 1 or window < 0:
        raise UserError(f"--window {window}: a document of fewer than 2 sentences has no next one. Type: --window 10")
    found = []
    for path in paths:
        lines = read_text(path).splitlines()
        found += _windows(lines, window) if window else _documents(lines, per_line)
    return found


def read_text(path: Path) -> str:
    """Read a UTF-8 file that is not empty."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 (byte {error.start:,}). Type, if it is Korean from Windows: "
            f"iconv -f CP949 -t UTF-8 {path} > {path.stem}-utf8{path.suffix}"
        ) from error
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}. Give text files in UTF-8.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder. Give its text files: {path}/*.txt") from error
    if not text.strip():
        raise UserError(f"{path} holds no text. Leave it out, or give another file.")
    return text


def sentences(line: str) -> list[str]:
    """Cut a line into sentences, Korean or English; a line without marks is one sentence."""
    found, begin = [], 0
    for end in END.finditer(line):
        if not NO_END.search(line[begin : end.end()]):
            found.append(line[begin : end.end()].strip())
            begin = end.end()
    return [sentence for sentence in (*found, line[begin:].strip()) if sentence]


def _documents(lines: Iterable[str], per_line: bool) -> list[Document]:
    found: list[Document] = [[]]
    for line in lines:
        if per_line or not line.strip():
            found.append([])
        found[-1] += sentences(line)
    return [document for document in found if document]


def _windows(lines: Iterable[str], window: int) -> list[Document]:
    """Cut what runs on without blank lines; a blank line still ends a document."""
    return [
        document[begin : begin + window]
        for document in _documents(lines, per_line=False)
        for begin in range(0, len(document), window)
    ]
