"""Small talk is heard where a message is nothing else, in both languages, and never instead of a question."""

import csv
import json

import pytest

from bot.smalltalk import KINDS, TEXTS, kind_of, reply, without_greeting

SAID = {
    "greeting": """hi | Hello! | hey there | Good morning :) | good evening, everyone | hiya | heyyy| howdy
        | how are you? | How's it going today? | hello, nice to meet you | what's up | Hi, how are you doing today?
        | is anybody there? | Morning!
        | 안녕 | 안녕하세요! | 안녕하십니까 | 하이요~ | 반가워요 | 안녕하세요 반갑습니다 ^^ | 좋은 아침이에요 | ㅎㅇ
        | 안녕 챗봇아 | 처음 뵙겠습니다 | 오랜만이에요 | 잘 지냈어요? | 저기요 | 거기 누구 있어요?""",
    "thanks": """thanks | Thank you so much! | thx | ok thanks a lot | thank you for your help | I really appreciate it
        | great, thanks | Thanks, that was very helpful | cheers mate | that helped a lot, thank you | no thanks
        | perfect, thank you!! | much appreciated | thanks for the quick reply
        | 고마워 | 감사합니다 | 정말 고맙습니다! | 네 감사합니다~ | 답변 감사해요 | 친절하게 알려주셔서 감사합니다
        | 도움이 많이 됐어요 | 덕분에 해결됐어요, 고마워요 | ㄱㅅ | 땡큐 | 도와주셔서 정말 감사드립니다 | 수고하셨습니다
        | 아 그렇군요 감사합니다 | 빠른 답변 고마워요 ㅎㅎ""",
    "goodbye": """bye | Goodbye! | see you later | ok bye | have a nice day | talk to you later | good night
        | that's all, thanks, bye | I have to go now | take care | no more questions | bye bye!
        | 잘 가요 | 안녕히 계세요 | 수고하세요 | 다음에 또 올게요 | 이만 가볼게요 | 바이바이 | 좋은 하루 보내세요
        | 또 봐요 | 네 그럼 들어가세요 | 더 궁금한 건 없어요 | 나중에 또 물어볼게요 | 대화 종료""",
    "human": """are you human? | Are you a bot? | are you a real person or a robot? | am i talking to a human
        | is this a bot | Am I chatting with a real person? | you are a robot, right? | is there a real person there?
        | are you an AI | r u a bot
        | 사람이에요? | 혹시 봇이에요? | 너 사람이야 로봇이야 | 지금 사람이랑 대화하고 있는 건가요? | 챗봇인가요?
        | 진짜 사람 맞아요? | 인공지능이세요? | 사람이 직접 답변하는 건가요? | 기계야 사람이야? | 로봇이죠?""",
    "about": """who are you? | what can you do | What is your name? | what can I ask you? | can you help me?
        | tell me about yourself | How can you help me? | who made you | i have a question | what are you
        | what kind of questions can you answer? | hello, who is this?
        | 누구세요? | 너는 누구야 | 뭘 할 수 있어요? | 이름이 뭐예요? | 무엇을 도와줄 수 있나요? | 자기소개 해 주세요
        | 뭐 물어봐도 돼요? | 넌 뭐 하는 봇이야? | 누가 만들었어요? | 도와주세요 | 어떤 걸 물어볼 수 있어요?
        | 여기는 뭐 하는 곳이에요?""",
    "person": """I want to talk to a person | can I speak to a human please? | connect me to an agent | human agent
        | talk to a real person | please transfer me to a representative | I'd like to speak with someone | operator
        | let me talk to customer service | is there someone I can talk to? | get me a human | i need a real person now
        | 상담원 연결해 주세요 | 사람이랑 얘기하고 싶어요 | 상담원 바꿔 줘 | 직원과 통화할 수 있나요? | 상담사 연결
        | 봇 말고 사람이랑 상담하고 싶어요 | 담당자와 직접 이야기하고 싶습니다 | 상담원이랑 채팅하고 싶은데요
        | 고객센터 연결 부탁드려요 | 사람 불러 주세요 | 상담원 | 상담원한테 연결시켜 주세요""",
    "sorry": """sorry | I'm so sorry about that | my bad | oops, sorry | never mind | apologies for the confusion
        | 죄송합니다 | 미안해요 | 앗 미안 | 제가 잘못 보냈어요 | 정말 죄송해요 | 실례합니다""",
    "compliment": """you are great | good job! | you're so smart | well done | I love this bot | what a helpful bot
        | 똑똑하네요 | 정말 친절하시네요 | 최고예요! | 잘했어요 | 너 진짜 똑똑하다 | 와 대단해요""",
    "insult": """you are useless | stupid bot | this is terrible | shut up | that didn't help at all
        | you don't understand | that's not what I asked
        | 바보야 | 멍청한 봇 | 쓸모없네 | 왜 이렇게 말을 못 알아들어요 | 도움이 안 돼요 | 그게 아니라고요""",
    "okay": """ok | okay, got it | I see | alright | sounds good | 네 알겠습니다 | 오케이 | 아하 그렇구나 | 알았어요""",
}
QUESTIONS = """안녕하세요, 환불은 어떻게 받나요? | 고마운데 그래서 수료증은요? | 상담원이 되려면 어떻게 지원하나요?
    | 사람 | 고객센터 전화번호가 뭐예요? | 봇 계정을 만들 수 있나요? | 이름을 바꾸고 싶어요
    | 안녕하세요 강사 이름이 뭐예요?
    | 감사 인사를 강사님께 어떻게 보내요? | 잘 안 돼요 | 도움말 페이지가 안 열려요 | 하이라이트 기능이 있나요? | 환불
    | 그럼 환불은요? | 얼마예요? | 연결이 끊겨요 | 상담 예약 취소 | 직원 교육용으로 사도 되나요?
    | 누구나 들을 수 있어요?
    | hi, how do I get a refund? | thanks, but how long does it take? | can I talk to my teacher in the app?
    | is a human checking my homework? | what is the name on my certificate? | help with my password | real
    | who is the teacher? | who can see my profile? | how are you going to charge me? | what's new in version 2?
    | can I get a representative sample? | bye bye discount? | how do I contact customer service? | agent commission
    | person | what can you see about me? | are you hiring? | I hate the new player, how do I switch back? | it
    | evening classes | good certificate | there | please | | ??? | ㅋㅋㅋ | 😀"""


def split(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", " ").split("|")]


CASES = [(kind, message) for kind, text in SAID.items() for message in split(text)]


@pytest.mark.parametrize(("kind", "message"), CASES)
def test_small_talk_is_heard(kind, message):
    assert kind_of(" ".join(message.split())) == kind


def test_the_list_is_long_enough_in_both_languages():
    korean = [
        message for _, message in CASES if any("가" <= letter <= "힣" or letter in "ㄱㅅㅎㅇ" for letter in message)
    ]
    assert len(korean) >= 60
    assert len(CASES) - len(korean) >= 60
    assert {kind for kind, _ in CASES} == set(KINDS)


@pytest.mark.parametrize("message", split(QUESTIONS))
def test_a_question_is_no_small_talk(message):
    assert kind_of(message) is None


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("안녕하세요, 환불은 어떻게 받나요?", "환불은 어떻게 받나요?"),
        ("안녕하세요 반갑습니다! 환불이요", "환불이요"),
        ("Hi there! How do I get a REFUND?", "How do I get a REFUND?"),
        ("hello how do I get a refund", "how do I get a refund"),
        ("Good morning. Hey, my video stops", "my video stops"),
        ("How are you? Can I pay by card?", "Can I pay by card?"),
        ("hi-res video", "hi-res video"),
        ("what's new in version 2?", "what's new in version 2?"),
        ("how is it going to be charged?", "how is it going to be charged?"),
        ("하이라이트 기능이 있나요?", "하이라이트 기능이 있나요?"),
        ("환불은요? 안녕하세요", "환불은요? 안녕하세요"),
        ("hi", "hi"),
        ("", ""),
    ],
)
def test_a_greeting_in_front_is_cut_off(message, asked):
    assert without_greeting(message) == asked


def test_no_judged_message_of_ours_with_an_answer_is_taken_for_small_talk(root):
    with (root / "data/qrels.csv").open(encoding="utf-8") as lines:
        answered = {record["query"] for record in csv.DictReader(lines)}
    with (root / "data/queries.csv").open(encoding="utf-8") as lines:
        asked = [record["text"] for record in csv.DictReader(lines) if record["id"] in answered]
    assert [text for text in asked if kind_of(text)] == []


@pytest.mark.parametrize("pack", ["en_banking77", "en_stackfaq", "en_covidqa", "en_snips", "ko_parakqc"])
def test_no_message_of_a_pack_is_taken_for_small_talk(shared, pack):
    lines = (shared / pack / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    assert [text for text in (json.loads(line)["query"] for line in lines) if kind_of(text)] == []


@pytest.mark.parametrize(("pack", "most"), [("ko_chatbot", 20), ("en_clinc150", 60)])
def test_packs_that_store_small_talk_themselves_lose_little_of_it(shared, pack, most):
    """Of some 3,000 messages; all of these ask for the sheet's own small talk, in other words than it stores."""
    lines = (shared / pack / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    assert 0 < sum(1 for line in lines if kind_of(json.loads(line)["query"])) <= most


def test_every_kind_has_a_text_in_both_languages_and_three_name_the_contact():
    assert set(TEXTS) == {(kind, language) for kind in KINDS for language in ("en", "ko")}
    for language in ("en", "ko"):
        named = {kind for kind in KINDS if "help@shop.example" in reply(kind, language, "help@shop.example")}
        assert named == {"person", "human", "insult"}
    assert "cannot" in reply("person", "en")
    assert "못해요" in reply("person", "ko")


@pytest.mark.parametrize(
    "unit", ["hi ", "안녕", "thank you so very much ", "are you a bot or a ", "!", " ", "hi! ", "ㅎ"]
)
def test_a_huge_message_is_read_in_linear_time(unit):
    """Anything but linear time would not come back from these."""
    message = unit * 100_000
    assert kind_of(message) is None
    assert without_greeting(message + "환불" + message).strip().endswith(message.strip()[-20:])
