"""Generators: from a message and stored entries to a draft, one file each; the file's name is the spec's name.

A file offers `open(argument, index, *, options) -> Generator`; one that needs a key says `SECRET = True` and takes it
as a third argument, and one with a `SAMPLING`, a dataclass of options, takes that instead of options of its own. What a
generator writes is a draft: nobody reads it before `bot.grounding` has checked it.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from bot.grounding import Cutter
from indexer import spec as specs
from indexer.errors import UserError
from indexer.retrieve import Candidate

if TYPE_CHECKING:
    from indexer.index import Index


class GeneratorError(Exception):
    """The generator cannot write now: it is away, too slow, or sends what cannot be read."""


class CutOffError(GeneratorError):
    """The draft had to end before its last sentence did: its length was used up."""


class RestingError(GeneratorError):
    """The generator was not asked: it has failed several times in a row."""


class Generator(Protocol):
    """Writes a draft; several threads may call it at once.

    Closing the iterator stops the work; throwing a GeneratorError into it also says that the draft was no good.
    """

    def __call__(self, message: str, candidates: Sequence[Candidate]) -> Iterator[str]:
        """Give a draft piece by piece.

        Raises:
            GeneratorError: it cannot go on, or has no room to; of a sentence that broke off nobody may read anything.
        """
        ...


def load_generator(spec: str, index: "Index", secret: str = "") -> Generator:
    """Open a generator for an index.

    Raises:
        UserError: the name or an option is unknown, or the model cannot be opened.
    """
    parsed = specs.parse(spec)
    module = _module(parsed)
    generator: Generator
    if usual := getattr(module, "SAMPLING", None):
        generator = module.open(parsed.argument, index, replace(usual, **specs.options(parsed, type(usual))))
    else:
        more = [secret] if getattr(module, "SECRET", False) else []
        generator = module.open(parsed.argument, index, *more, **specs.options(parsed, module.open))
    return generator


def kind_of(spec: str) -> str:
    """Give the name of a spec's generator, which a visitor may see; an address or a path is nobody's business."""
    return specs.parse(spec).name


def between(name: str, value: float, least: float, most: float) -> None:
    """Refuse an option outside its bounds."""
    if not least <= value <= most:
        raise UserError(f"{name}={value:g}: choose a number from {least:g} to {most:g}.")


def check_count(number: int, temperature: float) -> None:
    """Refuse several drafts that would be one and the same."""
    between("num_return_sequences", number, 1, 4)
    if number > 1 and not temperature:
        raise UserError("num_return_sequences above 1 needs a temperature: greedy drafts are all the same.")


def whole(draft: Iterator[str]) -> Iterator[str]:
    """Give a draft's sentences, each on a line; the last one only where the draft was not cut off.

    For a draft that another one follows: what comes next must not complete what was cut off.
    """
    cutter = Cutter()
    try:
        for piece in draft:
            yield from (f"{sentence}\n" for sentence in cutter.feed(piece))
    except CutOffError:
        return
    yield from (f"{sentence}\n" for sentence in cutter.rest())


def _module(spec: specs.Spec) -> ModuleType:
    return import_module(f"bot.generators.{specs.known(sys.modules[__name__], spec, 'generator')}")
