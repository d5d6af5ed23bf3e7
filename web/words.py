"""The words of the page in English and Korean, and the choice between the two."""

import re

from flask import request

LANGUAGES = ("en", "ko")
HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Mundap: ask a question",
        "description": "A chatbot that answers from stored questions and answers",
        "skip": "Skip to the message field",
        "language": "Language",
        "new": "New conversation",
        "conversation": "Conversation",
        "greeting_title": "What would you like to know?",
        "greeting": "Ask in your own words. Answers come from {n} stored questions and answers, "
        "and where none fits, you are told so.",
        "starters": "For example",
        "you": "You",
        "bot": "Mundap",
        "field": "Your message",
        "placeholder": "Ask a question",
        "send": "Send",
        "hint": "Enter sends, Shift + Enter starts a new line",
        "count": "{n} of {limit} characters",
        "waiting": "Looking for an answer",
        "percent": "{n}\u00a0%",
        "high": "Quite sure",
        "middle": "Fairly sure",
        "low": "Not very sure",
        "generated": "Written by a language model",
        "source": "Source",
        "new_tab": "Opens in a new tab",
        "copy": "Copy",
        "copied": "Copied",
        "not_copied": "Could not copy",
        "closest_questions": "Or pick one of the closest stored questions:",
        "choices": "Suggested questions",
        "retry": "Try again",
        "offline": "The server cannot be reached. Check your connection.",
        "slow": "The answer took too long.",
        "broken": "The server's reply could not be read.",
        "interrupted": "This question was not answered, because the page was left.",
        "why": "Why this answer?",
        "closest": "Closest stored question",
        "confidence": "Probability right",
        "candidates": "Compared questions",
        "probability": "probability",
        "cosine": "similarity",
        "rank": "rank",
        "on_topic": "On topic",
        "legs": "Found by",
        "legs_dense": "meaning",
        "legs_lexical": "shared words",
        "legs_dense+lexical": "meaning and shared words",
        "legs_exact": "the same wording",
        "matched": "Matching words",
        "rule": "Rule",
        "margin": "Lead over the second",
        "encoder": "Encoder",
        "retrieval": "Retrieval",
        "lang": "Message language",
        "lang_en": "English",
        "lang_ko": "Korean",
        "generation": "Index version",
        "back": "Back to the conversation",
    },
    "ko": {
        "title": "문답: 질문하기",
        "description": "저장된 질문과 답변에서 답을 찾아 주는 챗봇",
        "skip": "메시지 입력란으로 건너뛰기",
        "language": "언어",
        "new": "새 대화",
        "conversation": "대화",
        "greeting_title": "무엇이 궁금하세요?",
        "greeting": "편하게 물어보세요. 저장된 질문과 답변 {n}개에서 답을 찾고, "
        "맞는 답이 없으면 없다고 알려 드려요.",
        "starters": "예를 들면",
        "you": "나",
        "bot": "문답",
        "field": "메시지",
        "placeholder": "질문을 적어 주세요",
        "send": "보내기",
        "hint": "Enter로 보내고 Shift + Enter로 줄을 바꿔요",
        "count": "{limit}자 중 {n}자",
        "waiting": "답을 찾는 중이에요",
        "percent": "{n}%",
        "high": "꽤 확실해요",
        "middle": "아마 맞을 거예요",
        "low": "확실하지 않아요",
        "generated": "언어 모델이 쓴 답변",
        "source": "출처",
        "new_tab": "새 탭에서 열려요",
        "copy": "복사",
        "copied": "복사했어요",
        "not_copied": "복사하지 못했어요",
        "closest_questions": "가장 가까운 저장된 질문에서 골라도 돼요.",
        "choices": "추천 질문",
        "retry": "다시 시도",
        "offline": "서버에 연결할 수 없어요. 인터넷 연결을 확인해 주세요.",
        "slow": "답변이 너무 오래 걸려요.",
        "broken": "서버의 응답을 읽을 수 없어요.",
        "interrupted": "페이지를 벗어나서 이 질문에는 답하지 못했어요.",
        "why": "왜 이 답변인가요?",
        "closest": "가장 가까운 저장된 질문",
        "confidence": "맞을 확률",
        "candidates": "비교한 질문",
        "probability": "확률",
        "cosine": "유사도",
        "rank": "순위 점수",
        "on_topic": "주제에 맞을 확률",
        "legs": "찾은 방법",
        "legs_dense": "의미",
        "legs_lexical": "같은 낱말",
        "legs_dense+lexical": "의미와 같은 낱말",
        "legs_exact": "똑같은 문장",
        "matched": "일치한 낱말",
        "rule": "적용한 규칙",
        "margin": "2위와의 차이",
        "encoder": "인코더",
        "retrieval": "검색 방식",
        "lang": "메시지 언어",
        "lang_en": "영어",
        "lang_ko": "한국어",
        "generation": "색인 버전",
        "back": "대화로 돌아가기",
    },
}


def language() -> str:
    """Give the language of the page: asked for, remembered, or the browser's."""
    for choice in (request.args.get("lang"), request.cookies.get("lang")):
        if choice in LANGUAGES:
            return choice
    return request.accept_languages.best_match(LANGUAGES) or "en"


def text_language(text: str) -> str:
    """Give the language of a text by its script."""
    return "ko" if HANGUL.search(text) else "en"
