"""What is personal leaves a text, in whatever form it is written; what only looks like it stays."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.journal.personal import mask

EMAILS = [
    "minji.kim@example.com", "a+b_c%d@mail.example.co.kr", "KIM@EXAMPLE.ORG", "01012345678@example.com",
    "x@a-b.example", "ｋｉｍ＠ｅｘａｍｐｌｅ．ｃｏｍ", "민지@example.com",
    f"{'a' * 100}@example.com",
]  # fmt: skip
PHONES = [
    "010-1234-5678", "01012345678", "010 1234 5678", "010.1234.5678", "010 - 1234 - 5678", "011-123-4567",
    "0161234567", "(010) 1234-5678", "010)1234-5678", "０１０－１２３４－５６７８", "010–1234–5678", "010·1234·5678",
    "010ㅡ1234ㅡ5678", "02-123-4567", "02-1234-5678", "(02)1234-5678", "02)123-4567", "0212345678", "031-123-4567",
    "064 123 4567", "070-1234-5678", "080-123-4567", "0505-123-4567", "050712345678", "1588-1234", "1544 1234",
    "1899.1234", "+82-10-1234-5678", "+82 10 1234 5678", "+821012345678", "+82 (0)10-1234-5678", "+82 (0) 2 123 4567",
    "＋82 10 1234 5678", "0082-10-1234-5678", "82-10-1234-5678", "821012345678", "+82-2-123-4567", "+82 31 123 4567",
    "212-555-0123", "(212) 555-0123", "(212)555-0123", "212.556.0123", "212 556 0123", "1-212-555-0123",
    "+1 212 555 0123", "+1 (212) 555-0123", "+12125550123", "1-800-555-0199", "800 556 0199", "123-456-7890",
    "+44 20 7946 0958", "+44 (0)20 7946 0958", "020 7946 0958", "07700 900123", "0044 20 7946 0958",
    "+81-3-1234-5678", "03-1234-5678", "+49 (30) 123456789", "+376 312 345", "٠١٠-١٢٣٤-٥٦٧٨",
]  # fmt: skip
CARDS = [  # numbers that payment networks publish for trials
    "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111", "4222222222222",
    "4222 2222 2222 2", "378282246310005", "3782 822463 10005", "3782-822463-10005", "30569309025904",
    "3056 930902 5904", "5555 5555 5555 4444", "2223003122003222", "6011-1111-1111-1117", "3530111333300000",
    "6304 0000 0000 0000", "6205 5000 0000 0000 004", "6205500000000000004", "４１１１　１１１１　１１１１　１１１１",
    "1234567812345670", "9490 2200 0661 1406",
]  # fmt: skip
RESIDENTS = [
    "900101-1234567", "9001011234567", "900101 1234567", "900101 - 2345678", "040229-3123456", "851231-5678901",
    "100630.4123456", "000229-4000000", "001231-8000000", "880808-1******", "９００１０１－１２３４５６７",
]  # fmt: skip
KINDS = {"[email]": EMAILS, "[phone]": PHONES, "[card]": CARDS, "[resident number]": RESIDENTS}
AROUND = [
    "{}", "연락처는 {}입니다.", "my number: {}, thanks", "({})", "{}로 연락 주세요\n", "a {} b {} c", "{}.",
    "\u200b{}\u200b",
]  # fmt: skip
KEPT = [
    "2026-11-21", "2026.11.21", "2026/11/21", "21.11.2026", "11/21/2026", "20261121", "2026년 11월 21일",
    "2026-11-21 10:30:00", "2026-11-21T10:30:00.123Z", "10:30", "09:00-18:00", "9시~18시", "1,234,567원",
    "₩1,234,567", "$1,234.56", "1234567원", "12,345,678,901원", "1.234.567,89 €", "v1.2.3", "3.11.0", "10.15.7",
    "192.168.100.200", "127.0.0.1:8000", "ORD-2026-001234", "20261121-0001234", "2026112100012345", "A-1234567",
    "주문번호 12345678", "#1234567", "order 1234567890", "주문 123-45-67890", "2026-1121-123456",
    "order 4111111111111112", "4111-1111-1111-1112", "ORD4111111111111111X", "550e8400-e29b-41d4-a716-446655440000",
    "100%", "1/2", "2019 2020 2021 2022", "1588", "1588년 1234년", "1800-1850년", "880-1234-567890", "110-123-456789",
    "991301-1234567", "900230-1234567", "010229-3123456", "900101-9234567", "900101-0234567", "900101-12345678",
    "@minji", "a @ b", "user@localhost", "3 * 4 = 12", "1e10", "ISBN 978-89-01-23456-7", "3333-01-1234567",
    "2026-212-555-0123", "212-555-0123-99", "1234-1588-1234", "+100", "+1,234,567", "C++20", "300 400 5000", "02-11",
    "06:30~07:00", "0.5", "1732186963123", "",
]  # fmt: skip


@pytest.mark.parametrize(("word", "found"), [(word, found) for word, forms in KINDS.items() for found in forms])
def test_personal_data_is_masked_whatever_is_around_it(word, found):
    for around in AROUND[: None if ")" not in found or "(" in found else 3]:  # ")" may close a bracket before it
        assert mask(around.replace("{}", found)) == around.replace("{}", word)


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_personal_data_stays(text):
    assert mask(text) == text
    assert mask(f"{text} 언제 되나요?") == f"{text} 언제 되나요?"


def test_one_text_may_hold_several():
    text = "민지(900101-1234567): 010-1234-5678, 02-123-4567 또는 kim@example.com, "
    text += "카드 4111 1111 1111 1111 12/27 123, 25,000원"
    masked = "민지([resident number]): [phone], [phone] 또는 [email], 카드 [card] 12/27 123, 25,000원"
    assert mask(text) == masked
    assert mask("010-1234-5678 010-2222-3333/kim@example.com,lee@example.com") == "[phone] [phone]/[email],[email]"


def test_a_domain_in_hangul_ends_where_its_letters_end():
    assert mask("메일: help@예시.한국, 전화 없음") == "메일: [email], 전화 없음"


def test_what_a_check_digit_denies_may_hold_another():
    assert mask("1234 4111 1111 1111 1111") == "1234 [card]"
    assert mask("4111 1111 1111 1111 123") == "[card] 123"  # with the code on its back


SIGNS = st.text(st.sampled_from("0123456789-. +()@ak_,１＠－\n") | st.characters(), max_size=80)
FOUND = st.sampled_from([found for forms in KINDS.values() for found in forms])


@example("0@0." + "a" * 100 + "@example.com")
@given(st.lists(SIGNS | FOUND, max_size=6).map("".join))
def test_masking_twice_is_masking_once(text):
    once = mask(text)
    assert mask(once) == once


@given(st.text())
def test_a_text_without_digits_and_at_signs_is_never_changed(text):
    text = re.sub(r"[\d@＠]", "", text)
    assert mask(text) == text


@given(
    st.text(st.characters(exclude_characters="@＠"), max_size=40), st.text(max_size=5).filter(lambda t: "@" not in t)
)
def test_all_but_the_found_stays_as_it_is(before, after):
    before, after = (re.sub(r"[\d@＠()+]", "", text) for text in (before, after))
    assert mask(f"{before}, 010-1234-5678, {after}") == f"{before}, [phone], {after}"


@pytest.mark.parametrize(
    "text", ["1" * 10**6, "1 " * 10**5, "1234 " * 10**5, "a" * 10**6, "a@" * 10**5, "a." * 10**5, "+1" * 10**5]
)
def test_a_long_text_is_masked_too(text):
    assert isinstance(mask(text), str)
