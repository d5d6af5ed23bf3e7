"""Words and terms: how a text is cut for the lexical leg and for the word encoders."""

import re
import unicodedata
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[^\W_]+")
HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")  # syllables, and the letters typed alone as in ㅠㅠ
# What a Korean question ends in, and the particles that follow a noun: glued to the stem, they say little.
ENDING = re.compile(
    r"(?:하려고요?|하려면요?|으?려고요?|으?려면요?|싶어요|싶은데요?|싶습니다|하나요|되나요|있나요|없나요|인가요|은가요|는가요|건가요|나요|을까요|까요|"
    r"했어요|됐어요|었어요|았어요|어요|아요|해요|돼요|되요|에요|예요|세요|셔요|습니다|입니다|합니다|됩니다|니다|습니까|입니까|니까|"
    r"는데요?|은데요?|인데요?|네요|군요|지요|죠|건지|는지|은지|인지|라고요?|다고요?|면서|으면|하면|되면|해서|어서|아서|"
    r"하는|되는|하고|되고|해줘|주세요|하게|해야|해도|하기|하려|할|될|요)$"
)
PARTICLE = re.compile(
    r"(?:에서는|에서도|에게서|으로는|으로도|까지는|부터는|에서|에게|한테|께서|으로|까지|부터|처럼|보다|마다|이나|이랑|하고|라도|이라|"
    r"은|는|이|가|을|를|에|로|도|만|의|와|과|랑|나)$"
)


def has_hangul(text: str) -> bool:
    """Tell whether a text holds Korean letters."""
    return bool(HANGUL.search(text)) or bool(HANGUL.search(unicodedata.normalize("NFC", text)))


def plain(text: str) -> str:
    """Write a text in lower case and in composed letters of one width."""
    return unicodedata.normalize("NFKC", text).casefold()


def words(text: str) -> list[str]:
    """Cut a text into lower-case words."""
    return WORD.findall(plain(text))


def terms(text: str) -> list[str]:
    """Cut a text into the lexical leg's terms: words; of Korean words the stem, the syllables and their pairs.

    Korean glues particles and endings to a stem, so whole words rarely meet: 환불은 and 환불이 share 환불.
    Pairs find stems without a dictionary; single syllables bridge spacing errors, those of the stem counting twice,
    since those of endings are everywhere.
    """
    found = []
    for word in words(text):
        if HANGUL.search(word):
            bare = stem(word)
            found.append(bare)
            found.extend(f"{a}{b}_" for a, b in pairwise(word))
            found.extend(f"{syllable}__" for syllable in word + bare)
        else:
            found.append(word)
    return found


def stem(word: str) -> str:
    """Cut the endings and the particle off a Korean word: 강의에서는 -> 강의, 취소하려면 -> 취소."""
    for _ in range(2):
        word = ENDING.sub("", word) or word
    bare = PARTICLE.sub("", word)
    return bare if len(bare) >= 2 else word


def is_syllable(term: str) -> bool:
    """Tell a single syllable from the other terms."""
    return term.endswith("__")


def rarity(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weigh words by a / (a + their share of the corpus), so that "how do I" does not drown the rest.

    The smooth inverse frequency of Arora, Liang and Ma 2017 (openreview.net/forum?id=SyK00v5xx), a = 0.001.
    """
    weights: NDArray[np.float32] = (1e-3 / (1e-3 + counts / counts.sum())).astype(np.float32)
    return weights
