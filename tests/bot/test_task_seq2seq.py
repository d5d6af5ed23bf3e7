"""seq2seq: ROUGE-L by hand, the forms of data, six texts by heart on a shared encoder, and a named T5."""

import json

import pytest
import torch
from tiny_bert import make_tiny

from bot.learning.task import Data, Setup
from bot.tasks import seq2seq
from bot.tasks._rouge import longest_common, rouge_l, rouge_l_characters
from bot.training.train import Request, train
from indexer.encoders import load_encoder
from indexer.errors import UserError

PAIRS = [
    ("where is my parcel", "parcel late"),
    ("I want my money back", "refund wanted"),
    ("the page does not open", "page broken"),
    ("소포가 오지 않아요", "배송 지연"),
    ("돈을 돌려받고 싶어요", "환불 요청"),
    ("화면이 열리지 않아요", "화면 고장"),
]
OPTIONS = seq2seq.Options(target_length=8)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seq2seq")
    make_tiny(folder / "bert", [" ".join(pair) for pair in PAIRS])
    rows = folder / "rows.tsv"
    rows.write_text("source\ttarget\n" + "\n".join("\t".join(pair) for pair in PAIRS), encoding="utf-8")
    encoder = f"bert:{folder / 'bert'}"
    found = train(Request("seq2seq", rows, folder / "out", rows, encoder, 80, 6, 5e-3, patience=0, options=OPTIONS))
    return folder, found


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [
        ("abcde", "ace", 3),
        ("ace", "abcde", 3),
        ("abc", "cba", 1),
        ("", "abc", 0),
        ("xaxbx", "aab", 2),
        ("aaa", "aa", 2),
    ],
)
def test_longest_common_subsequence(one, other, length):
    assert longest_common(one, other) == length


def test_rouge_l_by_hand():
    # police, the, gunman are in order in both: 3 words of 4 and 4.
    assert rouge_l("police kill the gunman", "Police killed the gunman.") == pytest.approx(0.75)
    assert rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(0.5)
    assert rouge_l("a", "a b c") == pytest.approx(2 * 1 * (1 / 3) / (1 + 1 / 3))
    assert rouge_l("", "a") == rouge_l("a", "") == rouge_l("", "") == 0
    # 환불을 and 환불은 are other words, but share two of three characters; 받아요 is the same: 5 of 6 and 6.
    assert rouge_l("환불을 받아요", "환불은 받아요") == pytest.approx(0.5)
    assert rouge_l_characters("환불을 받아요", "환불은 받아요") == pytest.approx(5 / 6)


def test_metrics_set_what_is_written_beside_copy_and_lead(learned):
    folder, _ = learned
    setup = Setup(tokenizer(folder / "bert"), (), OPTIONS, 64)
    data = Data([seq2seq.Example("", "where is. my parcel late", "parcel late")], [])
    ids = [[2, *setup.tokenizer("parcel late", add_special_tokens=False).input_ids, 3, -100, -100]]
    assert seq2seq.metrics(ids, data, setup) == pytest.approx(
        {"rouge_l": 1, "rouge_l_characters": 1, "copy_rouge_l": 4 / 7, "lead_rouge_l": 0}
    )


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("a.tsv", "source\ttarget\na b\tc", seq2seq.Options()),
        ("a.tsv", "ko\ten\na b\tc", seq2seq.Options()),
        ("a.csv", "text,my summary\na b,c", seq2seq.Options()),
        ("a.tsv", "en\tko\tnote\na b\tc\tx", seq2seq.Options(source="en", target="ko")),
        ("a.tsv", "ko\ten\nc\ta b", seq2seq.Options(source="en", target="ko")),
        ("a.jsonl", json.dumps({"source": "a b", "target": "c"}), seq2seq.Options()),
        ("a.csv", "target,source\nc,a b", seq2seq.Options()),
    ],
)
def test_forms(tmp_path, name, text, options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert [(found.source, found.target) for found in seq2seq.read(path, options)] == [("a b", "c")]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.csv", "질문,답변"),
        ("a.csv", "Question,Answer"),
        ("a.csv", "질문 내용,답변 내용"),
        ("a.csv", "FAQ,\nquestion,answer"),
        ("a.tsv", "Q\tA"),
    ],
)
def test_two_columns_that_an_index_would_take_are_a_sheet(tmp_path, name, header):
    path = tmp_path / name
    row = "\t".join(["q", "One. Two!"]) if name.endswith("tsv") else "q,One. Two!"
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")
    assert [(found.source, found.target) for found in seq2seq.read(path, seq2seq.Options())] == [("One. Two!", "One.")]
    one, other = header.split("\n")[0].split("\t" if name.endswith("tsv") else ",")
    if other:  # what was named is read, sheet or not
        found = seq2seq.read(path, seq2seq.Options(source=one, target=other))
        assert [(each.source, each.target) for each in found] == [("q", "One. Two!")]


def test_a_sheet_gives_lead_sentences(tmp_path):
    path = tmp_path / "sheet.csv"
    answers = ['"One. Two!"', "Just one.", '"One. Two!"', '"네, 됩니다. 7.5일 안에 오세요."', '"줄\n둘째 줄"']
    rows = [f"q{at},{answer}" for at, answer in enumerate(answers)]
    path.write_text("\n".join(["question,answer", *rows]), encoding="utf-8")
    found = [(example.where.rpartition(" ")[2], example.target) for example in seq2seq.read(path, seq2seq.Options())]
    assert found == [("2", "One."), ("5", "네, 됩니다."), ("6", "줄")]


@pytest.mark.parametrize(
    ("name", "text", "options", "told"),
    [
        (
            "a.csv",
            "title,content\na,b",
            seq2seq.Options(),
            "a.csv: 'title' and 'content' may head a sheet of questions and answers, or what is read and written. "
            "Type: --source title --target content, or for a sheet write question and answer there.",
        ),
        ("a.tsv", "source\ttarget\na\tb\nc\t", seq2seq.Options(), "line 3: 'target' is ''"),
        ("a.tsv", "x\ty\tz\na\tb\tc", seq2seq.Options(source="x"), "line 2: there is no 'target'"),
        (
            "a.jsonl",
            '{"source": "a", "target": "b"}\n{"source": 3, "target": "b"}',
            seq2seq.Options(),
            "line 2: 'source'",
        ),
        ("a.csv", "question,answer\na,One.\n", seq2seq.Options(), "no answer has two sentences"),
        ("a.tsv", "", seq2seq.Options(), "the file is empty"),
        ("a.csv", "id,text,lang\n1,a,en", seq2seq.Options(), "Type: --source NAME --target NAME"),
        ("a.tsv", "source\ttarget\na\tb", seq2seq.Options(beams=0), "are at least 1"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, name, text, options, told):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        seq2seq.read(path, options)
    assert told in str(error.value)


def test_six_texts_are_learned_by_heart_and_open_elsewhere(learned):
    from transformers import AutoModelForSeq2SeqLM

    folder, found = learned
    assert found["before"]["rouge_l"] < 0.5
    assert found["after"]["rouge_l"] == found["after"]["rouge_l_characters"] == 1
    model = AutoModelForSeq2SeqLM.from_pretrained(folder / "out").eval()
    assert model.generation_config.num_beams == 1
    assert not model.generation_config.do_sample
    setup = Setup(tokenizer(folder / "out"), (), OPTIONS, 64)
    said = seq2seq.predict(model, setup, [source for source, _ in PAIRS], [])
    assert [line["written"] for line in said] == [target for _, target in PAIRS]


def test_the_encoder_is_shared_and_serves_an_index(learned):
    from indexer.transformer import load_bert

    folder, _ = learned
    encoder = load_bert(str(folder / "bert"))
    made = seq2seq.model(encoder, Setup(encoder.tokenizer, (), OPTIONS, 64))
    assert made.encoder is encoder.model
    assert len(made.decoder.bert.encoder.layer) == 2
    assert made.decoder.get_output_embeddings().weight is made.decoder.get_input_embeddings().weight
    vectors = load_encoder(f"bert:{folder / 'out/encoder'}?precision=fp32").encode(["where is my parcel"] * 2)
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-5)


def test_the_decoder_begins_as_the_encoder_and_looks_at_the_source_anew(learned):
    from indexer.transformer import load_bert

    encoder = load_bert(str(learned[0] / "bert"))
    made = seq2seq.model(encoder, Setup(encoder.tokenizer, (), OPTIONS, 64))
    theirs = dict(encoder.model.named_parameters())
    copied = {name: weight for name, weight in made.decoder.bert.named_parameters() if name in theirs}
    assert {"embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"} <= copied.keys()
    assert any(name.startswith("encoder.layer.1.output.") for name in copied)
    for name, weight in copied.items():
        if "token_type" not in name:
            assert torch.equal(weight, theirs[name][: len(weight)]), name
            assert weight.data_ptr() != theirs[name].data_ptr()
    assert [name for name, _ in made.decoder.bert.named_parameters() if "crossattention" in name]


def test_a_named_t5_takes_the_encoders_place(learned, tmp_path):
    from transformers import T5Config, T5ForConditionalGeneration

    folder, _ = learned
    words = tokenizer(folder / "bert")
    config = T5Config(
        vocab_size=len(words), d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4,
        decoder_start_token_id=2, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    words.save_pretrained(tmp_path / "t5")
    options = seq2seq.Options(model=str(tmp_path / "t5"), target_length=8)
    rows = folder / "rows.tsv"
    found = train(Request("seq2seq", rows, tmp_path / "out", rows, f"bert:{folder / 'bert'}", 1, 6, options=options))
    assert json.loads((tmp_path / "out/config.json").read_text("utf-8"))["model_type"] == "t5"
    assert not (tmp_path / "out/encoder").exists()
    assert found["after"]["copy_rouge_l"] == found["before"]["copy_rouge_l"]
    with pytest.raises(UserError, match="no model that transformers can open"):
        seq2seq.model(None, Setup(words, (), seq2seq.Options(model=str(tmp_path)), 64))


def tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)
