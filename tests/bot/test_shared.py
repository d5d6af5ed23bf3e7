"""shared: the index's own weights, the very tensors; what it writes and cites; which indexes it needs."""

from dataclasses import dataclass, replace

import pytest
from tiny_bert import make_tiny

from bot.generators import GeneratorError, load_generator
from bot.generators._writing import Sampling
from bot.generators.shared import Shared, encoder_of
from bot.learning.learner import load_learner
from bot.tasks import reply
from bot.training.train import Request, train
from indexer.build import build_index
from indexer.errors import UserError
from indexer.index import Index

SHEET = """id,entry,question,answer
1,refund,apple red,Ask Mira within a week. Bring the blue card.
2,refund,apple please,Ask Mira within a week. Bring the blue card.
3,password,cloud stone,Press the GREY button twice.
4,password,cloud now,Press the GREY button twice.
5,환불,사과 강,칠일 안에 신청하세요. 카드를 가져오세요.
6,환불,사과 주세요,칠일 안에 신청하세요. 카드를 가져오세요.
"""
OPTIONS = reply.Options(candidates=2, search="tfidf?dim=256", target_length=48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    make_tiny(folder / "bert", [SHEET])
    (folder / "sheet.csv").write_text(SHEET, encoding="utf-8")
    encoder = f"bert:{folder / 'bert'}?precision=fp32"
    build_index(folder / "sheet.csv", folder / "index", encoder=encoder, store="flat")
    request = Request(
        "reply", folder / "sheet.csv", folder / "out", folder / "sheet.csv", f"bert:{folder / 'bert'}", 40, 6, 5e-3,
        patience=0, options=OPTIONS,
    )  # fmt: skip
    train(request)
    train(replace(request, out=folder / "tuned", epochs=4, rate=1e-3, options=replace(OPTIONS, fine_tune=True)))
    return folder


@pytest.fixture(scope="module")
def index(folder):
    index = Index.open(folder / "index")
    yield index
    index.close()


def draft(generator, index, message):
    (candidates,) = index.search([message], 3)
    return "".join(generator(message, candidates))


def test_its_encoder_is_the_indexs_own_the_very_tensors(folder, index):
    generators = [load_generator(f"shared:{folder / 'out'}", index) for _ in range(2)]
    own = encoder_of(index)
    for generator in generators:
        assert generator.model.encoder is own
        theirs = dict(generator.model.encoder.model.named_parameters())
        for name, weight in own.model.named_parameters():
            assert weight.data_ptr() == theirs[name].data_ptr()
        assert generator.model._table().data_ptr() == own.model.get_input_embeddings().weight.data_ptr()
    fresh = load_learner(f"bert:{folder / 'bert'}")
    assert own.fingerprint() == fresh.fingerprint()
    assert index.facts.fingerprint.split("-")[1] == own.fingerprint()[:16]


def test_it_writes_what_is_stored_and_cites_it_sentence_by_sentence(folder, index, caplog):
    generator = load_generator(f"shared:{folder / 'out'}", index)
    assert "loads torch" in caplog.text
    (candidates,) = index.search(["apple red please"], 3)
    pieces = list(generator("apple red please", candidates))
    ids = {row.row.id for row in candidates if row.entry == "refund"}
    name = ids.pop()
    assert "".join(pieces) == f"Ask Mira within a week. [{name}]\nBring the blue card. [{name}]\n"
    assert len(pieces) == 2
    assert "칠일 안에 신청하세요. [" in draft(generator, index, "사과 강 주세요")
    assert list(generator("apple", [])) == []


def test_greedy_and_seeded_drafts_are_the_same_each_time(folder, index):
    for options in ("", "?temperature=1.5&top_p=0.95&seed=3", "?temperature=1&num_return_sequences=3&seed=5"):
        spec = f"shared:{folder / 'out'}{options}"
        one, other = (draft(load_generator(spec, index), index, "cloud stone apple") for _ in range(2))
        assert one == other != ""


@dataclass(frozen=True, slots=True)
class Late(Sampling):
    """Settings whose time is always over."""

    timeout: float = -1.0

    def __post_init__(self) -> None:
        """Take what no person may choose."""


def test_a_sentence_that_is_cut_off_is_not_given(folder, index):
    """By the tokens that may be written, by those that can be read, by the clock."""
    short = load_generator(f"shared:{folder / 'out'}?max_tokens=2", index)
    assert draft(short, index, "apple red") == ""
    longer = load_generator(f"shared:{folder / 'out'}?max_tokens=9", index)
    assert draft(longer, index, "apple red").startswith("Ask Mira within a week. [")
    assert "blue" not in draft(longer, index, "apple red")
    (candidates,) = index.search(["apple red"], 3)
    long = replace(candidates[0], row=replace(candidates[0].row, answer="Ask Mira. " + "Bring " * 99 + "nothing."))
    generator = load_generator(f"shared:{folder / 'out'}?no_repeat=0", index)
    assert "nothing" not in "".join(generator("apple red", [long]))
    assert "Bring" not in "".join(generator("apple red", [long]))
    slow = Shared(longer.model, Late())
    with pytest.raises(GeneratorError, match="no end in time"):
        list(slow("apple red", candidates))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("?temperature=3", "temperature=3: choose a number from 0 to 2"),
        ("?num_return_sequences=2", "needs a temperature"),
        ("?beams=2", "has no option 'beams'"),
    ],
)
def test_settings_outside_their_bounds_are_told(folder, index, options, told):
    with pytest.raises(UserError, match=told):
        load_generator(f"shared:{folder / 'out'}{options}", index)


@pytest.mark.parametrize(
    "settings", [{"encoder": "tfidf?dim=256"}, {"encoder": "tfidf?dim=256", "retrieval": "lexical"}]
)
def test_another_index_is_told_to_be_built_anew(folder, tmp_path, settings):
    build_index(folder / "sheet.csv", tmp_path / "index", store="flat", **settings)
    index = Index.open(tmp_path / "index")
    with pytest.raises(UserError) as error:
        load_generator(f"shared:{folder / 'out'}", index)
    assert "needs an index by minilm or bert:PATH" in str(error.value)
    assert f"Type: indexer build {folder / 'sheet.csv'} --out {tmp_path / 'index'} --encoder minilm" in str(error.value)
    with pytest.raises(UserError) as error:
        load_generator(f"shared:{tmp_path / 'nope'}", index)
    assert str(error.value).startswith(f"{tmp_path / 'nope'}: there is no model that `bot train reply` made")
    assert f"--out {tmp_path / 'nope'} and then: shared:{tmp_path / 'nope'} needs an index" in str(error.value)
    assert str(error.value).endswith(f"--out {tmp_path / 'index'} --encoder minilm")
    index.close()


def test_a_folder_that_is_none_is_told(folder, index, tmp_path):
    for spec, told in [("shared", "Type: bot train reply"), (f"shared:{tmp_path}", "no model that `bot train reply`")]:
        with pytest.raises(UserError, match=told):
            load_generator(spec, index)


def test_a_fine_tuned_decoder_belongs_to_its_own_encoder(folder, index, tmp_path):
    with pytest.raises(UserError) as error:
        load_generator(f"shared:{folder / 'tuned'}", index)
    assert f"--encoder bert:{folder / 'tuned/encoder'}" in str(error.value)
    assert encoder_of(index).fingerprint() != load_learner(f"bert:{folder / 'tuned/encoder'}").fingerprint()
    build_index(
        folder / "sheet.csv",
        tmp_path / "index",
        encoder=f"bert:{folder / 'tuned/encoder'}?precision=fp32",
        store="flat",
    )
    tuned = Index.open(tmp_path / "index")
    assert "[" in draft(load_generator(f"shared:{folder / 'tuned'}", tuned), tuned, "cloud stone")
    with pytest.raises(UserError, match=r"trained on other weights .* Type: bot train reply"):
        load_generator(f"shared:{folder / 'out'}", tuned)
    tuned.close()


def test_a_bert_that_was_trained_since_the_build_is_told(folder, tmp_path):
    make_tiny(tmp_path / "bert", [SHEET])
    spec = f"bert:{tmp_path / 'bert'}?precision=fp32"
    build_index(folder / "sheet.csv", tmp_path / "index", encoder=spec, store="flat")
    encoder = load_learner(f"bert:{tmp_path / 'bert'}")
    encoder.model.get_input_embeddings().weight.data += 0.1
    encoder.model.save_pretrained(tmp_path / "bert")
    index = Index.open(tmp_path / "index")
    index.facts = replace(index.facts, fingerprint=index.facts.fingerprint + "-other")  # not what is open already
    with pytest.raises(UserError, match=r"have changed since the build\. Type: indexer build"):
        encoder_of(index)
    index.close()
