"""Perturbations: the same Korean question as people really type it, for measuring and for teaching.

Each kind keeps the meaning: spaces left out or misplaced, a wrong key, particles dropped, plain or polite style, chat
slang, loanwords in Latin letters, numbers in words.
"""

import random
import re
import unicodedata
from collections.abc import Callable

from indexer.words import has_hangul

FIRST, LAST = 0xAC00, 0xD7A3
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS: list[str] = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]


def _twos(words: str) -> list[tuple[str, str]]:
    found = (word.replace("_", " ").split(":") for word in words.split())
    return [(one, other) for one, other in found]


# Keys that lie side by side on the Korean keyboard (two-set layout, KS X 5002), and letters that sound alike.
NEAR = dict(
    _twos("""
    ㅂ:ㅈ ㅈ:ㄷ ㄷ:ㄱ ㄱ:ㅅ ㅅ:ㄱ ㅁ:ㄴ ㄴ:ㅇ ㅇ:ㄹ ㄹ:ㅎ ㅎ:ㄹ ㅋ:ㅌ ㅌ:ㅊ ㅊ:ㅍ ㅍ:ㅊ ㅐ:ㅔ ㅔ:ㅐ ㅗ:ㅓ ㅓ:ㅗ
    ㅏ:ㅣ ㅣ:ㅏ ㅛ:ㅕ ㅕ:ㅑ ㅑ:ㅐ ㅜ:ㅡ ㅡ:ㅜ ㅠ:ㅜ ㅙ:ㅚ ㅚ:ㅙ ㅞ:ㅙ ㅢ:ㅣ ㅆ:ㅅ
    ㄲ:ㄱ ㄸ:ㄷ ㅃ:ㅂ ㅉ:ㅈ
""")
)
PARTICLES = re.compile(r"(?<=[가-힣])(?:은|는|이|가|을|를)(?= )")
# Endings, the longest first, in polite and in plain style.
PLAIN = _twos("""
    하십니까:해 합니까:해 됩니까:돼 입니까:이야 습니까:어 합니다:한다 됩니다:된다 입니다:이다 있습니다:있다
    없습니다:없다 했습니다:했다 습니다:다 하나요:하냐 되나요:되냐 있나요:있냐 없나요:없냐 인가요:인가 나요:나
    까요:까 해주세요:해줘 주세요:줘 세요:셈 어요:어 아요:아 해요:해 돼요:돼 예요:야 에요:야 네요:네 죠:지 데요:데
    여요:여 려요:려 와요:와 워요:워
""")
POLITE = _twos("""
    하냐:합니까 되냐:됩니까 있냐:있습니까 없냐:없습니까 하나요:합니까 되나요:됩니까 있나요:있습니까 없나요:없습니까
    인가요:입니까 돼요:됩니까 해요:합니까 한다:합니다 된다:됩니다 있다:있습니다 없다:없습니다 해줘:해_주십시오
    해주세요:해_주시기_바랍니다 주세요:주십시오
""")
LOANWORDS = _twos("""
    로그인:login 로그아웃:logout 앱:app 이메일:email 메일:mail 카드:card 쿠폰:coupon 포인트:point 패스워드:password
    비밀번호:pw 아이디:ID 파일:file 폴더:folder 다운로드:download 업로드:upload 업데이트:update 설치:install
    링크:link 페이지:page 버튼:button 메뉴:menu 서버:server 데이터:data 컴퓨터:computer 노트북:notebook
    프로그램:program 소프트웨어:software 코드:code 클릭:click 서비스:service 센터:center 이벤트:event 할인:DC
    세일:sale 사이즈:size 배터리:battery 와이파이:wifi 컬러:color 모바일:mobile 온라인:online 오프라인:offline
    멤버십:membership 프로필:profile 계정:account 에러:error 오류:error 테스트:test 인터넷:internet 웹사이트:website
    사이트:site 폰:phone 버스:bus 택시:taxi 호텔:hotel 티켓:ticket 콘서트:concert 영화:movie 뉴스:news 텍스트:text
    이미지:image 비디오:video 오디오:audio 키보드:keyboard 마우스:mouse
""")
SLANG = [
    "ㅠㅠ",
    "ㅠ",
    "ㅜㅜ",
    "ㅋㅋ",
    "ㅎㅎ",
    "ㅇㅇ",
    "ㄱㄱ",
    "!!",
    "??",
    "~",
    "...",
    " ㅠㅠ",
    "용",
    " 급해요ㅠ",
    " 플리즈",
]
BEFORE = ["저기요 ", "아니 ", "근데 ", "혹시 ", "안녕하세요 ", "님들 ", "ㅎㅇ ", "헐 ", "음 "]
DIGITS = ["", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"]


def perturb(text: str, kind: str, numbers: random.Random) -> str:
    """Write a text as people type it in one of `KINDS`; what the kind does not concern comes back as it was."""
    return KINDS[kind](text, numbers)


def _together(text: str, _: random.Random) -> str:
    return text.replace(" ", "")


def _apart(text: str, numbers: random.Random) -> str:
    """Move some spaces: each word may be glued to the next, or be cut in two."""
    found = []
    for word in text.split(" "):
        if len(word) > 2 and numbers.random() < 0.3:
            cut = numbers.randrange(1, len(word))
            word = f"{word[:cut]} {word[cut:]}"
        found.append(word + ("" if numbers.random() < 0.3 else " "))
    return "".join(found).strip()


def _typo(text: str, numbers: random.Random) -> str:
    """Hit a wrong key, leave one out or hit one twice, in one syllable of about eight."""
    syllables = [at for at, letter in enumerate(text) if FIRST <= ord(letter) <= LAST]
    if not syllables:
        return text
    letters = list(text)
    for at in numbers.sample(syllables, max(1, len(syllables) // 8)):
        letters[at] = _slipped(letters[at], numbers)
    return "".join(letters)


def _slipped(syllable: str, numbers: random.Random) -> str:
    rest, final = divmod(ord(syllable) - FIRST, len(FINALS))
    initial, vowel = divmod(rest, len(VOWELS))
    way = numbers.choice(["initial", "vowel", "vowel", "final", "letter"])
    if way == "initial" and INITIALS[initial] in NEAR:
        initial = INITIALS.index(NEAR[INITIALS[initial]])
    elif way == "vowel" and VOWELS[vowel] in NEAR:
        vowel = VOWELS.index(NEAR[VOWELS[vowel]])
    elif way == "final" and final:
        final = FINALS.index(NEAR.get(FINALS[final], "")) if numbers.random() < 0.5 else 0
    elif way == "letter" and final and FINALS[final] in INITIALS:  # the last letter came late: 않 -> 아ㄴ
        return chr(FIRST + (initial * len(VOWELS) + vowel) * len(FINALS)) + FINALS[final]
    return chr(FIRST + (initial * len(VOWELS) + vowel) * len(FINALS) + final)


def _bare(text: str, _: random.Random) -> str:
    return re.sub(r"[?.!]+$", "", PARTICLES.sub("", text))


def _styled(endings: list[tuple[str, str]], text: str) -> str:
    bare = text.rstrip("?.!~ ")
    for ending, other in endings:
        if bare.endswith(ending):
            return f"{bare[: -len(ending)]}{other}{text[len(bare) :]}"
    return text


def _plain(text: str, _: random.Random) -> str:
    return _styled(PLAIN, text)


def _polite(text: str, _: random.Random) -> str:
    return _styled(POLITE, text)


def _slang(text: str, numbers: random.Random) -> str:
    before = numbers.choice(BEFORE) if numbers.random() < 0.5 else ""
    return before + re.sub(r"[?.!]+$", "", _styled(PLAIN, text)) + numbers.choice(SLANG)


def _latin(text: str, _: random.Random) -> str:
    for korean, latin in LOANWORDS:
        text = text.replace(korean, latin)
    return text


def _spelt(text: str, _: random.Random) -> str:
    """Write whole numbers up to 9,999 in words: 30일 -> 삼십일."""
    return re.sub(r"(?<![\d.,])\d{1,4}(?![\d.,])", lambda found: _read(int(found[0])), text)


def _read(number: int) -> str:
    if number == 0:
        return "영"
    found = ""
    for unit, name in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = number // unit % 10
        if digit:
            found += ("" if digit == 1 and name else DIGITS[digit]) + name
    return found


def _decomposed(text: str, _: random.Random) -> str:
    return unicodedata.normalize("NFD", text)


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "no spaces": _together,
    "spaces moved": _apart,
    "typo": _typo,
    "no particles": _bare,
    "plain style": _plain,
    "polite style": _polite,
    "chat slang": _slang,
    "latin loanwords": _latin,
    "numbers spelt": _spelt,
    "decomposed": _decomposed,
}


def perturbed(texts: list[str], kind: str, seed: int = 0) -> list[tuple[int, str]]:
    """Give (place, text) of those Korean texts that a kind changes."""
    numbers = random.Random(f"{seed} {kind}")
    found = [(at, perturb(text, kind, numbers)) for at, text in enumerate(texts) if has_hangul(text)]
    return [(at, text) for at, text in found if text != texts[at]]
