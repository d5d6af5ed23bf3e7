"""Documents and tokenizers: how text files are cut, down to the piece."""

import json
import unicodedata

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.pretrain.documents import read_documents, sentences
from bot.pretrain.tokenizer import backend, measure, open_tokenizer, save_tokenizer, train_tokenizer
from indexer.errors import UserError

LINES = [
    "환불은 언제까지 되나요? 환불을 받고 싶어요.",
    "환불이 늦어요. 배송도 늦어요. 배송은 언제 오나요?",
    "배송을 취소하고 환불을 받았어요. 한글 문서를 보냈어요.",
    "The refund was late. The refund came today, refunds come late.",
] * 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(LINES, vocab_size=400), folder)
    return folder


@pytest.mark.parametrize(
    ("line", "cut"),
    [
        ("환불은 되나요? 네, 됩니다. 감사합니다", ["환불은 되나요?", "네, 됩니다.", "감사합니다"]),
        ("좋아요.그런데 비싸요!다음에 올게요", ["좋아요.", "그런데 비싸요!", "다음에 올게요"]),
        ("It costs 3.5 dollars. Dr. Kim said so.", ["It costs 3.5 dollars.", "Dr. Kim said so."]),
        ('He said "No." Then he left...', ['He said "No."', "Then he left..."]),
        ("1. 먼저 설치하세요. 2. 여세요.", ["1. 먼저 설치하세요.", "2. 여세요."]),
        ("React.memo(x) is a call", ["React.memo(x) is a call"]),
        ("  ", []),
    ],
)
def test_a_line_is_cut_into_its_sentences(line, cut):
    assert sentences(line) == cut


def test_a_blank_line_ends_a_document_and_so_does_a_file(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffOne. Two.\nThree.\n \nFour.\n\n\nFive.".encode())
    (tmp_path / "b.txt").write_text("Six.", encoding="utf-8")
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    assert read_documents(paths) == [["One.", "Two.", "Three."], ["Four."], ["Five."], ["Six."]]
    assert read_documents(paths, per_line=True) == [["One.", "Two."], ["Three."], ["Four."], ["Five."], ["Six."]]
    assert read_documents(paths, window=2) == [["One.", "Two."], ["Three."], ["Four."], ["Five."], ["Six."]]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("환불".encode("cp949"), {}, r"is not UTF-8 \(byte \d\).*iconv -f CP949"),
        (b" \n\n", {}, "holds no text"),
        (b"text", {"window": 1}, "--window 1.*--window 10"),
        (b"text", {"window": 3, "per_line": True}, "not both"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_mends_it(tmp_path, content, options, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_documents([tmp_path / "a.txt"], **options)


def test_special_tokens_come_first_in_berts_order(trained):
    assert (trained / "vocab.txt").read_text("utf-8").split("\n")[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ids = open_tokenizer(str(trained))("환불", "배송")["input_ids"]
    assert (ids[0], ids[-1], ids.count(3)) == (2, 3, 2)


def test_the_second_of_two_texts_is_of_type_1(trained):
    made = open_tokenizer(str(trained))("환불은", "배송은 늦어요")
    assert made["token_type_ids"] == [0, 0, 0, 1, 1, 1]


def test_hangul_syllables_stay_whole_and_decomposed_input_is_the_same_input(trained):
    tokenizer = open_tokenizer(str(trained))
    for text in ("한글 환불은 늦어요", "배송을 취소하고 받았어요"):
        decomposed = unicodedata.normalize("NFD", text)
        assert decomposed != text
        assert tokenizer(decomposed)["input_ids"] == tokenizer(text)["input_ids"]
        joined = "".join(token.removeprefix("##") for token in tokenizer.tokenize(decomposed))
        assert joined == text.replace(" ", "")
    letters = {letter for token in tokenizer.get_vocab() for letter in token}
    assert not [letter for letter in letters if "\u1100" <= letter <= "\u11ff"]


def test_frequent_words_become_one_piece_and_their_endings_continue(trained):
    tokenizer = open_tokenizer(str(trained))
    assert tokenizer.tokenize("refunds refund") == ["refunds", "refund"]
    assert tokenizer.tokenize("환불과") == ["[UNK]"]  # 과 never stood there


def test_every_syllable_may_stand_inside_a_word_and_the_size_is_kept():
    words = ["환불 배송 문서 강의 계정", "환불배송 배송문서 문서강의 강의계정 계정환불", "불환 송배 서문 의강 정계"]
    tokenizer = train_tokenizer(words * 3, vocab_size=40)
    assert len(tokenizer) == 40
    pieces = tokenizer.tokenize("의정강문")  # as nobody typed it
    assert "".join(pieces) == "의##정##강##문"


def test_bert_tokenizer_opens_the_folder_and_cuts_alike(trained):
    from transformers import AutoTokenizer, BertTokenizerFast

    bert, auto = BertTokenizerFast.from_pretrained(trained), AutoTokenizer.from_pretrained(trained)
    for text in (*LINES[:4], "The Refund"):
        assert bert(text)["input_ids"] == auto(text)["input_ids"]


def test_lower_case_is_a_choice():
    kept = train_tokenizer(LINES, vocab_size=400)
    lowered = train_tokenizer(LINES, vocab_size=400, lower_case=True)
    assert kept.tokenize("The") == ["The"]
    assert lowered.tokenize("THE REFUND") == ["the", "refund"]


def test_word_and_character_tokenizers_are_baselines():
    word = train_tokenizer(LINES, "word", vocab_size=400)
    assert word.tokenize("환불은 환불과 늦어요.") == ["환불은", "[UNK]", "늦어요", "."]
    letters = train_tokenizer(LINES, "character", vocab_size=400)
    assert letters.tokenize("환불은 늦") == ["환", "불", "은", "늦"]


def test_with_morphemes_pieces_stop_at_their_borders_and_kiwi_is_not_needed_to_use_them(tmp_path, monkeypatch):
    pytest.importorskip("kiwipiepy")
    save_tokenizer(train_tokenizer(LINES, vocab_size=400, morphology="kiwi"), tmp_path)
    monkeypatch.setattr("indexer.morphology.kiwi", lambda: pytest.fail("Kiwi was asked"))
    tokenizer = open_tokenizer(str(tmp_path))
    assert tokenizer.tokenize("환불은 배송을") == ["환불", "##은", "배송", "##을"]
    assert not [token for token in tokenizer.get_vocab() if "▁" in token]
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


def test_compare_counts_unknown_words_and_tokens_a_word(tmp_path):
    save_tokenizer(train_tokenizer(["a a b b c c"] * 3, "word", vocab_size=20), tmp_path)
    (found,) = [measure(str(tmp_path), "a d.", "a b c, a d")]
    assert found["pieces"] == ["a", "[UNK]", "[UNK]"]
    assert (found["words"], found["unknown_rate"]) == (5, 2 / 5)  # "c," holds an unknown comma
    assert found["tokens_per_word"] == 6 / 5


def test_the_commands_train_and_compare(tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(LINES), encoding="utf-8")
    made = [str(tmp_path / kind) for kind in ("wordpiece", "character")]
    for out in made:
        kind = out.rpartition("/")[2]
        command = ["pretrain", "tokenizer", str(corpus), "--out", out, "--kind", kind, "--vocab-size", "400"]
        assert CliRunner().invoke(main, command, catch_exceptions=False).exit_code == 0
    command = ["pretrain", "compare", *made, "--text", "환불은 늦어요", "--file", str(corpus), "--json"]
    found = json.loads(CliRunner().invoke(main, command, catch_exceptions=False).stdout)
    assert [entry["unknown_rate"] for entry in found] == [0, 0]
    assert found[1]["pieces"] == list("환불은늦어요")
    assert found[0]["tokens_per_word"] < found[1]["tokens_per_word"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vocab-size", "4"], "at least 10 tokens"),
        (["--min-frequency", "99", "--kind", "word"], "or type: --min-frequency 1"),
        (["--kind", "word", "--morphology", "kiwi"], "leave it out with --kind word"),
    ],
)
def test_settings_that_cannot_be_say_what_to_type(tmp_path, arguments, message):
    (tmp_path / "corpus.txt").write_text("환불은 늦어요", encoding="utf-8")
    command = ["pretrain", "tokenizer", str(tmp_path / "corpus.txt"), "--out", str(tmp_path / "out"), *arguments]
    outcome = CliRunner().invoke(main, command)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert "unexpected" not in outcome.stderr


def test_lengths_set_in_a_tokenizers_file_are_left_out(trained):
    tokenizer = open_tokenizer(str(trained))
    tokenizer.backend_tokenizer.enable_truncation(2)
    assert len(backend(tokenizer).encode("환불은 늦어요 오나요", add_special_tokens=False).ids) > 2
