"""Specs: NAME[:ARGUMENT][?key=value&...], the one way to name an encoder, a store or a generator."""

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, get_args, get_origin
from urllib.parse import parse_qsl

from indexer.errors import UserError

NUMBERS = {int: "whole numbers", float: "numbers"}


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed spec."""

    name: str
    argument: str
    options: dict[str, str]


def parse(text: str) -> Spec:
    """Cut a spec into name, argument and options."""
    head, _, tail = text.strip().partition("?")
    name, _, argument = head.partition(":")
    try:
        pairs = parse_qsl(tail, keep_blank_values=True, strict_parsing=True) if tail else []
    except ValueError as error:
        raise UserError(f"{text!r}: {error}. Write options as NAME?key=value&key=value.") from error
    return Spec(name, argument, dict(pairs))


def kinds(package: ModuleType) -> list[str]:
    """List the names that a folder offers: one file each; a helper's file begins with an underscore."""
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def known(package: ModuleType, spec: Spec, what: str) -> str:
    """Give the spec's name; an unknown one is an error that lists the right ones."""
    names = kinds(package)
    if spec.name not in names:
        raise UserError(f"unknown {what} {spec.name!r}: choose one of {', '.join(names)}.")
    return spec.name


def refuse_argument(name: str, argument: str, instead: str = "") -> None:
    """Refuse an argument to a name that takes none, and name what is meant instead."""
    if argument:
        raise UserError(f"{name} takes no argument, found {argument!r}. {instead or f'Type: {name}'}")


def options(spec: Spec, function: Callable[..., Any]) -> dict[str, Any]:
    """Turn the spec's options into the function's keyword-only arguments, typed as it declares them."""
    accepted = {
        name: parameter.annotation
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for key in sorted(spec.options.keys() - accepted.keys()):
        names = ", ".join(sorted(accepted)) or "none"
        raise UserError(f"{spec.name} has no option {key!r}: its options are {names}.")
    return {key: _typed(spec.name, key, value, accepted[key]) for key, value in spec.options.items()}


def _typed(name: str, key: str, value: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        for choice in choices:
            if str(choice) == value:
                return choice
        raise UserError(f"{name}?{key}={value}: choose one of {', '.join(map(str, choices))}.")
    try:
        return kind(value)
    except ValueError as error:
        raise UserError(f"{name}?{key}={value}: {key} takes {NUMBERS.get(kind, kind.__name__)}.") from error
