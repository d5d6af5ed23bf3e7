"""What is wrong with a text, as far as its letters tell."""

import re
from collections.abc import Callable, Mapping

from indexer.cells import normalise

_ERROR = re.compile(r"#(REF!|N/A|NAME\?|VALUE!|DIV/0!|NULL!|NUM!|SPILL!|CALC!|FIELD!)|##+")
_FORMULA = re.compile(r"=[A-Za-z가-힣(\"@+-]")
_HTML = re.compile(
    r"</?(a|b|br|code|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|script|span|strong|table|tbody|td|th|tr|u|ul)\b[^<>]*>"
    r"|&(nbsp|amp|lt|gt|quot|#\d+);",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://[^\s/]\S*|mailto:[^\s@]+@[^\s@]+", re.IGNORECASE)

_LATER = "작성|입력|업데이트|추가|기재|보완|확정|공지|안내|정리"
_PLACEHOLDER = re.compile(  # of the normalised answer
    rf"[\s.…·–—_?!*/~-]+|tbd|tba|fixme|x{{3,}}|n/a|null|nan|asdf|테스트|미정|lorem ipsum\b.*"
    rf"|(추후|차후)(\s*(내용|답변))?(\s*({_LATER}))?(\s*(중|예정|필요|요망))?"
    rf"|((내용|답변)\s*)?(준비|확인|{_LATER})\s*(중|예정|필요|요망)",
    re.DOTALL,
)
_LEFT_TO_DO = re.compile(r"(TODO|TBD|TBA|FIXME)\b")
_UNFINISHED = re.compile(
    rf"\b(TODO|TBD|TBA|FIXME)\b|[Ll]orem ipsum|(추후|차후)\s*({_LATER})|작성\s*(예정|필요)"
    r"|내용\s*(추가|보완)\s*(예정|필요)|(\.\.\.|…)$"
)

_CONTINUED = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_MISREAD = re.compile(f"\ufffd|[ÂÃ]{_CONTINUED}|â€|([ã-í]{_CONTINUED}{{2}}){{2}}")  # UTF-8 read as CP1252
_ONLY_MARKS = re.compile(r"[?\s]*\?\s?\?\s?\?[?\s]*")  # what Korean becomes in a code page without it
_HANJA = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")

_SCRIPTS: Mapping[str, str] = {
    "가-힣ㄱ-ㆎ": "ko kor korean kr 한국어 국어 한글 국문",
    "A-Za-zÀ-ɏ": "en eng english us gb 영어 영문 fr french de german es spanish it pt nl id vi",
    "ぁ-ヿ一-鿿": "ja jp jpn japanese 일본어 日本語",
    "一-鿿": "zh cn chi zho chinese 중국어 中文",
    "Ѐ-ӿ": "ru rus russian 러시아어 uk bg",
}
_SCRIPT_OF = {name: re.compile(f"[{letters}]") for letters, names in _SCRIPTS.items() for name in names.split()}
_LETTER = re.compile(r"[^\W\d_]")
_OWN_SHARE = 0.25  # of the letters: less, and the text is in another script


def _broken(text: str) -> str | None:
    if found := _MISREAD.search(text):
        return text[max(0, found.start() - 10) :]
    if _ONLY_MARKS.fullmatch(text):
        return text
    if _HANJA.search(text):  # UTF-8 read as CP949 is half Hanja, and turns back into Hangul
        again = text.encode("cp949", "ignore").decode("utf-8", "replace")
        if len(re.findall("[가-힣]", again)) > 1 + again.count("\ufffd") // 4:
            return text
    return None


def _spreadsheet_error(text: str) -> str | None:
    return text if text.startswith("#") and _ERROR.fullmatch(text) else None


def _formula(text: str) -> str | None:
    return text if _FORMULA.match(text) else None


def _html(text: str) -> str | None:
    found = _HTML.search(text)
    return found[0] if found else None


CELL: Mapping[str, Callable[[str], str | None]] = {  # kind of finding -> what shows it, in any cell
    "broken-text": _broken,
    "spreadsheet-error": _spreadsheet_error,
    "formula": _formula,
    "html": _html,
}


def placeholder(answer: str) -> bool:
    """Tell an answer that only holds the place of one."""
    return bool(_LEFT_TO_DO.match(answer) or _PLACEHOLDER.fullmatch(normalise(answer)))


def unfinished(answer: str) -> str | None:
    """Give the part of an answer that says it is not done yet."""
    found = _UNFINISHED.search(answer)
    return answer[max(0, found.start() - 20) : found.end()] if found else None


def broken_url(url: str) -> bool:
    """Tell a link that no browser or mail program would open safely; an empty one is fine."""
    return bool(url) and not _ADDRESS.fullmatch(url)


def other_script(lang: str, text: str) -> bool:
    """Tell a text that is hardly written in the letters of its stated language."""
    own = _SCRIPT_OF.get(re.split(r"[-_ (]", lang.casefold())[0])
    letters = len(_LETTER.findall(text))
    return own is not None and letters > 0 and len(own.findall(text)) < _OWN_SHARE * letters
