"""A bot with fixed answers, each made to show something of the page."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.answer import Answer, Source
from indexer.errors import UserError


def candidate(number: int, question: str, score: float, **more: Any) -> dict[str, Any]:
    found = {"id": f"q{number}", "entry": f"e{number}", "question": question, "answer": f"Answer {number}."}
    return found | {"score": score, "rank_score": score, "url": "", "category": "", "lang": ""} | more


REFUND = Answer(
    decision="answer",
    text="You can return an item within 14 days.\nWrite to us first: https://shop.example/returns, please.",
    confidence=0.92,
    candidates=[
        candidate(1, "How do I get a refund?", 0.87, rank_score=0.93, probability=0.92),
        candidate(2, "How long does a refund take?", 0.71, rank_score=0.62, probability=0.05),
        candidate(3, "Can I exchange an item?", 0.55, rank_score=0.41),
    ],
    sources=[Source("q1", "e1", "How do I get a refund?", "https://www.shop.example/help/refunds")],
    trace={
        "generation": 3,
        "on_topic": 0.98,
        "rule": "The first candidate is right with more than 85 %.",
        "legs": "dense",
        "encoder": "minilm",
        "lang": "en",
        "margin": 0.1612345,
        "matched": ["refund", "get"],
        "surprise": {"nested": [1, None, "<b>"]},
        "nothing": None,
    },
)
CHOOSE = Answer(
    decision="choose",
    text="Which of these do you mean?",
    confidence=0.48,
    candidates=[
        candidate(1, "How do I get a refund?", 0.62),
        candidate(4, "비밀번호를 잊어버렸어요", 0.6),
        candidate(5, "Can I change my delivery address?", 0.59),
        candidate(6, "A fourth question that is not offered", 0.4),
    ],
    trace={"generation": 3, "on_topic": 0.9, "rule": "Several candidates are close.", "legs": "lexical"},
)
ABSTAIN = Answer(
    decision="abstain",
    text="I have no answer to that.",
    confidence=0.04,
    candidates=[candidate(2, "How long does a refund take?", 0.31)],
    trace={"generation": 3, "on_topic": 0.45, "rule": "Nothing stored is about this."},
)
KOREAN = Answer(
    decision="answer",
    text="로그인 화면에서 '비밀번호 찾기'를 누르고 가입할 때 쓴 이메일 주소를 적어 주세요.\n"
    "메일이 오지 않으면 스팸함을 확인해 보세요.",
    confidence=0.71,
    candidates=[
        candidate(4, "비밀번호를 잊어버렸어요", 0.83, rank_score=0.9),
        candidate(7, "비밀번호는 어떻게 바꾸나요?", 0.74, rank_score=0.7),
    ],
    sources=[Source("q4", "e4", "비밀번호를 잊어버렸어요", "mailto:help@shop.example")],
    trace={"generation": 3, "on_topic": 0.99, "legs": "exact", "lang": "ko", "matched": ["비밀번호"]},
)
EVIL = Answer(
    decision="answer",
    text="<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>",
    confidence=0.5,
    candidates=[candidate(8, "<b onclick=alert(1)>bold</b>", 0.9)],
    sources=[Source("q8", "e8", "<i>source</i>", "javascript:window.hacked=3")],
    trace={
        "rule": "<script>window.hacked = 4</script>",
        "<u>key</u>": "</script><script>window.hacked=5</script>",
    },
)
UNRELATED = Answer(
    decision="abstain",
    text="I have no answer to that.",
    confidence=0.0,
    candidates=[candidate(2, "How long does a refund take?", 0.02)],
    trace={"on_topic": 0.01},
)
SMALLTALK = Answer(decision="smalltalk", text="Hello! Ask me anything.", confidence=1.0, candidates=[])
GENERATED = Answer(
    decision="generated",
    text="Returns are free within 14 days.",
    confidence=0.6,
    candidates=[candidate(1, "How do I get a refund?", 0.5)],
    sources=[
        Source("q1", "e1", "How do I get a refund?", "http://shop.example/a"),
        Source("q2", "e2", "How long does a refund take?", ""),
    ],
)

ANSWERS = {
    "How do I get a refund?": REFUND,
    "which one": CHOOSE,
    "weather on Mars": ABSTAIN,
    "비밀번호를 잊어버렸어요": KOREAN,
    "evil": EVIL,
    "qqqq": UNRELATED,
    "hello": SMALLTALK,
    "write something": GENERATED,
}


@dataclass
class FakeBot:
    """Answers from ANSWERS and remembers what it was asked."""

    answers: dict[str, Answer] = field(default_factory=lambda: dict(ANSWERS))
    failure: Exception | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    searched: list[tuple[str, int]] = field(default_factory=list)
    generates: bool = False
    growing: dict[str, Sequence[Answer]] = field(default_factory=dict)
    gate: threading.Event | None = None  # a closed gate holds answers back

    def answer(self, message: str, session: str | None = None) -> Answer:
        self.asked.append((message, session))
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.failure is not None:
            raise self.failure
        return self.answers.get(message, ABSTAIN)

    def warm(self) -> None:
        pass

    def stream(self, message: str, session: str | None = None) -> Iterator[Answer]:
        """Search at once; then the partial answers of `growing`, then the answer."""
        answer = self.answer(message, session)
        return (one for one in [*self.growing.get(message, ()), answer])

    def search(self, query: str, k: int = 5) -> Sequence[Mapping[str, Any]]:
        self.searched.append((query, k))
        if self.failure is not None:
            raise self.failure
        return REFUND.candidates[:k]

    def info(self) -> Mapping[str, Any]:
        if isinstance(self.failure, UserError):
            raise self.failure
        examples = ["How do I get a refund?", "비밀번호를 잊어버렸어요", "Can I exchange an item?"]
        examples += ["배송은 얼마나 걸리나요?", "Where is my order?", "회원 탈퇴는 어떻게 하나요?"]
        named = {"encoder": "minilm", "retrieval": "hybrid", "index": "data/index", "examples": examples}
        return {"generation": 3, "entries": 1312, "rows": 2700} | named
