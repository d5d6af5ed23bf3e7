"""Korean as visitors type it: a few syllables against whole sentences, particles and endings that differ."""

import csv

import pytest

from indexer.build import build_index
from indexer.index import Index

QUESTIONS = {
    "refund": "결제한 강의를 취소하면 환불은 며칠 안에 받을 수 있나요?",
    "certificate": "과정을 모두 마친 뒤에 수료증을 다시 발급받으려면 어떻게 해야 하나요?",
    "password": "로그인 비밀번호를 잊어버렸는데 새로 정하려면 어디로 가야 하나요?",
    "devices": "휴대전화와 태블릿까지 합쳐 몇 대의 기기에서 강의를 볼 수 있나요?",
    "subtitles": "영상을 볼 때 한글 자막을 켜고 글자 크기를 바꾸는 방법이 궁금합니다.",
    "receipt": "회사에 제출할 영수증과 세금계산서는 어디에서 내려받을 수 있습니까?",
    "coupon": "친구에게 받은 할인쿠폰을 결제 화면에서 등록하는 방법을 알려 주세요.",
    "leave": "더 이상 이용하지 않아서 회원에서 탈퇴하고 개인정보를 지우고 싶습니다.",
    "extend": "수강 기간이 끝나기 전에 기간을 더 늘리려면 비용을 내야 하나요?",
    "speed": "강사님 말씀이 느려서 재생 속도를 두 배로 높이고 싶은데 가능한가요?",
    "teacher": "강의 내용을 선생님께 직접 여쭤보려면 어느 게시판에 글을 써야 하나요?",
    "live": "실시간 수업에 늦게 들어가면 앞부분을 나중에 다시 볼 수 있는지요?",
    "homework": "과제를 정해진 날까지 내지 못하면 점수가 얼마나 깎이게 되나요?",
    "offline": "비행기에서 보려고 하는데 영상을 미리 저장해 둘 수는 없을까요?",
    "account": "동생과 제 계정을 하나로 합치거나 이름을 바꾸는 일이 되나요?",
}
SHORT = {
    "결제취소환불": "refund",
    "수료증재발급": "certificate",
    "비번 찾기 비밀번호": "password",
    "기기대수": "devices",
    "자막켜기": "subtitles",
    "영수증": "receipt",
    "쿠폰등록": "coupon",
    "회원탈퇴": "leave",
    "수강기간연장": "extend",
    "재생속도": "speed",
}
ALIKE = {
    "수료증이 다시 발급되나요": "certificate",
    "자막을 켜는 법": "subtitles",
    "과제 점수는 얼마나 깎여요": "homework",
    "영상 저장이 되나요": "offline",
    "ＱＲ 말고 할인쿠폰으로": "coupon",
}


@pytest.fixture(scope="module", params=["hybrid", "lexical"])
def index(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("korean")
    with (folder / "sheet.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "answer"])
        writer.writerows([name, question, f"답 {number}"] for number, (name, question) in enumerate(QUESTIONS.items()))
    build_index(folder / "sheet.csv", folder / "index", retrieval=request.param)
    return Index.open(folder / "index")


def test_ten_short_queries_that_share_no_whole_word_find_ten_questions(index):
    words = {word.strip("?.") for question in QUESTIONS.values() for word in question.split()}
    assert not [query for query in SHORT if set(query.split()) & words]
    found = {query: candidates[0].row.id for query, candidates in zip(SHORT, index.search(list(SHORT), 1), strict=True)}
    assert found == SHORT


def test_particles_and_endings_may_differ(index):
    found = {query: candidates[0].row.id for query, candidates in zip(ALIKE, index.search(list(ALIKE), 1), strict=True)}
    assert found == ALIKE
