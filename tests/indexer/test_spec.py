"""Specs: every form of the contract, and what a wrong one says."""

from typing import Literal

import pytest

import indexer.encoders
import indexer.stores
from indexer.encoders import check_spec, load_encoder
from indexer.errors import UserError
from indexer.spec import Spec, kinds, known, options, parse, refuse_argument
from indexer.stores import check_store


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("minilm", Spec("minilm", "", {})),
        (" minilm ", Spec("minilm", "", {})),
        ("minilm?", Spec("minilm", "", {})),
        ("minilm?pooling=cls", Spec("minilm", "", {"pooling": "cls"})),
        ("bert:klue/bert-base?pooling=mean", Spec("bert", "klue/bert-base", {"pooling": "mean"})),
        (r"bert:C:\models\my bert", Spec("bert", r"C:\models\my bert", {})),
        ("sbert:runs/my-model", Spec("sbert", "runs/my-model", {})),
        ("word2vec?sg=1&vector_size=200", Spec("word2vec", "", {"sg": "1", "vector_size": "200"})),
        ("tfidf?dim=2048", Spec("tfidf", "", {"dim": "2048"})),
        ("x:http://host:19530/db?a=b%26c", Spec("x", "http://host:19530/db", {"a": "b&c"})),
    ],
)
def test_a_spec_is_cut_into_name_argument_and_options(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["minilm?pooling", "minilm?pooling=cls&", "minilm?&&"])
def test_options_without_a_value_say_how_to_write_them(text):
    with pytest.raises(UserError, match=r"Write options as NAME\?key=value&key=value\.$"):
        parse(text)


def sample(
    folder: str, *, size: int = 1, share: float = 0.5, name: str = "a", way: Literal["one", "two"] = "one"
) -> None: ...


def test_options_have_the_types_that_the_function_declares():
    found = options(parse("x?size=7&share=.25&name=07&way=two"), sample)
    assert found == {"size": 7, "share": 0.25, "name": "07", "way": "two"}
    assert [type(value) for value in found.values()] == [int, float, str, str]


def test_options_left_out_are_left_to_the_function():
    assert options(parse("x"), sample) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x?zise=7", "x has no option 'zise': its options are name, share, size, way."),
        ("x?folder=7", "x has no option 'folder': its options are name, share, size, way."),
        ("x?b=1&a=1", "x has no option 'a': its options are name, share, size, way."),
        ("x?size=big", "x?size=big: size takes whole numbers."),
        ("x?size=1.5", "x?size=1.5: size takes whole numbers."),
        ("x?share=half", "x?share=half: share takes numbers."),
        ("x?way=three", "x?way=three: choose one of one, two."),
    ],
)
def test_a_wrong_option_lists_the_right_ones(text, message):
    with pytest.raises(UserError) as raised:
        options(parse(text), sample)
    assert str(raised.value) == message


def test_a_function_without_options_says_none():
    with pytest.raises(UserError, match="x has no option 'a': its options are none"):
        options(parse("x?a=1"), kinds)


def test_the_folder_is_the_registry(tmp_path):
    package = type(indexer)("package")
    package.__path__ = [str(tmp_path)]
    for name in ("zeta.py", "alpha.py", "notes.txt"):
        (tmp_path / name).write_text("")
    assert kinds(package) == ["alpha", "zeta"]
    assert known(package, parse("zeta:x"), "thing") == "zeta"
    with pytest.raises(UserError) as raised:
        known(package, parse("zetta"), "thing")
    assert str(raised.value) == "unknown thing 'zetta': choose one of alpha, zeta."


def test_the_contracts_encoders_and_stores_are_there():
    assert {"minilm", "bert", "sbert", "word2vec", "fasttext", "tfidf"} <= set(kinds(indexer.encoders))
    assert {"faiss", "flat"} <= set(kinds(indexer.stores))


@pytest.mark.parametrize(
    "spec",
    [
        "minilm", "minilm?pooling=cls", "bert:klue/bert-base?pooling=mean", "sbert:runs/my-model",
        "word2vec?sg=1&vector_size=200", "fasttext?bucket=20000", "tfidf?dim=2048",
    ],
)  # fmt: skip
def test_the_contracts_specs_are_accepted(spec):
    check_spec(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nosuch:x", f"unknown encoder 'nosuch': choose one of {', '.join(kinds(indexer.encoders))}."),
        ("", f"unknown encoder '': choose one of {', '.join(kinds(indexer.encoders))}."),
        ("minilm?poling=cls", "minilm has no option 'poling': its options are pooling, precision."),
        ("minilm?pooling=max", "minilm?pooling=max: choose one of mean, cls."),
        ("bert:x?max=3", "bert has no option 'max': its options are max_tokens, pooling, precision."),
        ("sbert:x?pooling=cls", "sbert has no option 'pooling': its options are precision, runtime."),
        ("tfidf?dim=many", "tfidf?dim=many: dim takes whole numbers."),
    ],
)
def test_a_wrong_encoder_is_refused_before_any_work(spec, message):
    with pytest.raises(UserError) as raised:
        check_spec(spec)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bert", r"^bert needs a model: bert:klue/bert-base, or a folder"),
        ("sbert", r"^sbert needs a model: sbert:jhgan/ko-sroberta-multitask, or a folder"),
        ("minilm:large", r"^minilm takes no argument, found 'large'\. For another model: bert:large\."),
        ("tfidf:large", r"^tfidf takes no argument, found 'large'\. Type: tfidf$"),
        ("word2vec:large", r"^word2vec takes no argument, found 'large'\."),
        ("fasttext:large", r"^fasttext takes no argument, found 'large'\."),
        ("bert:x?max_tokens=2", r"^bert\?max_tokens=2: .* at least 3"),
        ("tfidf?dim=0", r"^tfidf: dim is at least 1"),
        ("tfidf?min_n=4&max_n=3", r"1 <= min_n <= max_n"),
        ("word2vec?sg=2", r"^word2vec: sg is 0 or 1"),
        ("word2vec?seed=-1", r"seed at least 0"),
        ("word2vec?vector_size=0", r"at least 1"),
        ("word2vec?min_count=9", r"none stands there 9 times"),
        ("fasttext?bucket=0", r"^fasttext: sg is 0 or 1.* at least 1"),
        ("fasttext?min_n=5&max_n=4", r"max_n at least min_n"),
        ("fasttext?min_count=9", r"none stands there 9 times"),
    ],
)
def test_values_that_make_no_encoder_say_what_is_possible(spec, message):
    with pytest.raises(UserError, match=message):
        load_encoder(spec, ["how do I get a refund?"])


@pytest.mark.parametrize("spec", ["word2vec", "fasttext"])
@pytest.mark.parametrize("texts", [[], ["", "?!"]])
def test_word_encoders_need_words(spec, texts):
    with pytest.raises(UserError, match="learns its words from the sheet"):
        load_encoder(spec, texts)


@pytest.mark.parametrize("kind", ["bert", "sbert"])
def test_a_hub_name_without_a_network_says_what_to_do(kind, no_hub):
    with pytest.raises(UserError) as raised:
        load_encoder(f"{kind}:nobody/no-such-model")
    assert str(raised.value) == (
        "model 'nobody/no-such-model' is not on this machine and could not be fetched. With a network, check "
        f"the name and run again; without one, copy its folder here and give the path: {kind}:PATH/TO/FOLDER."
    )


@pytest.mark.parametrize("kind", ["bert", "sbert"])
def test_a_folder_without_a_model_is_named(kind, tmp_path):
    with pytest.raises(UserError) as raised:
        load_encoder(f"{kind}:{tmp_path}")
    assert str(raised.value).startswith(f"{tmp_path}: no model that transformers can open is in this folder")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("redis", f"unknown store 'redis': choose one of {', '.join(kinds(indexer.stores))}."),
        ("flat:x", "flat takes no argument, found 'x'. Type: flat"),
        ("flat?cells=4", "flat has no option 'cells': its options are none."),
    ],
)
def test_a_wrong_store_is_refused(spec, message):
    with pytest.raises(UserError) as raised:
        check_store(spec)
    assert str(raised.value) == message


def test_no_argument_is_no_fault():
    refuse_argument("tfidf", "")
    assert check_store("faiss") == "faiss"
