"""Morphology: how the lexical leg cuts Korean, chosen by name. `none` needs nothing, `kiwi` the extra `korean`.

`none` cuts stems by a list of endings (`indexer.words.terms`). `kiwi` adds the morphemes that carry meaning, as Kiwi
finds them (Lee 2024, doi:10.23287/KJDH.2024.1.1.6), verbs by their stem: 맡겨도 and 맡기려면 meet in 맡기.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Any

from indexer.errors import UserError
from indexer.words import HANGUL, has_hangul, is_syllable, plain, terms

Cut = Callable[[str], list[str]]  # a text -> its terms
LIBRARIES = {"none": (), "kiwi": ("kiwipiepy", "kiwipiepy_model")}  # what each needs, in the versions it was built with
# Nouns, verbs, adjectives, modifiers, interjections, prefixes, roots, numbers, foreign words. Particles, endings,
# auxiliary verbs and suffixes join words without saying what they are about.
KEPT = ("NN", "NP", "NR", "VV", "VA", "VCN", "MM", "MA", "IC", "XPN", "XR", "SL", "SN", "SH", "UN")
INSTALL = "Type: pip install 'mundap[korean]'"


def check_morphology(name: str) -> None:
    """Refuse an unknown name, or one whose library is missing, before any work is done."""
    if name not in LIBRARIES:
        raise UserError(f"morphology {name!r} is unknown. Type: --morphology {' or '.join(LIBRARIES)}")
    if name == "kiwi":
        _library()


def library_versions(name: str) -> dict[str, str]:
    """Give the versions of what a morphology needs: another one may cut otherwise."""
    return {library: version(library) for library in LIBRARIES[name]}


def cut_by(name: str) -> Cut:
    """Give the function that cuts texts into terms, ready for the first of them.

    Raises:
        UserError: the name is unknown, or its library is not installed.
    """
    check_morphology(name)
    if name == "none":
        return terms
    kiwi()
    return kiwi_terms


def kiwi_terms(text: str) -> list[str]:
    """Cut a text into stems, pairs of syllables and other words as `terms` does; then morphemes and their syllables.

    Only the syllables of morphemes are terms here: those of endings are everywhere.
    """
    if not has_hangul(text):
        return terms(text)
    found = [term for term in terms(text) if not is_syllable(term)]
    held = set(found)
    for form in morphemes(text):
        if HANGUL.search(form):
            found += [form, *(f"{syllable}__" for syllable in form)]
        elif form not in held:  # PDF of PDF파일; a word that stands alone is there already
            found.append(form)
    return found


def morphemes(text: str) -> list[str]:
    """List the morphemes of a text that carry meaning: 짐을 맡겨도 되나요 -> 짐, 맡기, 되."""
    # Half a character, as a broken file may hold, would stop the library.
    whole = plain(text).encode("utf-8", "replace").decode()
    return [token.form for token in kiwi().tokenize(whole) if token.tag.startswith(KEPT)]


@cache
def kiwi() -> Any:
    """Load Kiwi, once a process: a second, 320 MB. Threads may share it.

    Without the dictionary of names of several words: it lifts no figure of the Korean packs, for 180 MB more.
    """
    made = _library()(num_workers=1, load_multi_dict=False)
    made.tokenize("")  # the library loads at its first text
    return made


def _library() -> Any:
    try:
        from kiwipiepy import Kiwi
    except ImportError as error:
        raise UserError(f"morphology kiwi needs the library kiwipiepy ({error}). {INSTALL}") from error
    return Kiwi
