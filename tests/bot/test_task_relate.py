"""relate: markers by character offsets, errors by row, six examples by heart, and the folder elsewhere."""

import json
import random
from collections import Counter

import pytest
import torch
from serving import assert_serves
from tiny_bert import make_tiny

from bot.learning.rows import read_objects
from bot.learning.task import Setup
from bot.tasks import relate
from bot.training.train import Request, train
from indexer import export
from indexer.encoders import load_encoder
from indexer.errors import UserError

# The same words with the entities swapped: only the markers tell them apart.
ROWS = [
    ("Mina wrote to Jun", "Mina", "Jun", "wrote"),
    ("Mina wrote to Jun", "Jun", "Mina", "read"),
    ("Jun wrote to Mina", "Jun", "Mina", "wrote"),
    ("Jun wrote to Mina", "Mina", "Jun", "read"),
    ("소라가 준호에게 썼다", "소라", "준호", "wrote"),
    ("소라가 준호에게 썼다", "준호", "소라", "read"),
]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run on the six rows, judged by the same."""
    folder = tmp_path_factory.mktemp("relate")
    make_tiny(folder / "bert", ["Mina wrote to Jun subject object end 소라 가 준호 에게 썼다"])
    rows = write(folder / "rows.jsonl", [row(*found) for found in ROWS])
    request = Request("relate", rows, folder / "out", rows, f"bert:{folder / 'bert'}", 40, 6, 5e-3, patience=0)
    return folder, train(request)


def row(text, subject, object, label):
    spans = {
        name: [text.index(word), text.index(word) + len(word)]
        for name, word in (("subject", subject), ("object", object))
    }
    return {"text": text, **spans, "label": label}


def write(path, rows):
    path.write_text("\n".join(json.dumps(found, ensure_ascii=False) for found in rows), encoding="utf-8")
    return path


def test_a_sentence_is_held_out_with_all_its_pairs(tmp_path):
    spans = [
        ("주문 7번을 민아가 했다", "7번", "민아"),
        ("주문 7번을 민아가 했다", "주문", "민아"),
        *[r[:3] for r in ROWS],
    ]
    rows = [row(*found, label) for found, label in zip(spans, "abababab", strict=True)]
    examples = relate.read(write(tmp_path / "rows.jsonl", rows), relate.Options())
    together = [{0, 1}, {2, 3}, {4, 5}, {6, 7}]
    held = [set(relate.apart(examples, random.Random(seed))) for seed in range(20)]
    assert all(one in together for one in held)
    assert len(set(map(frozenset, held))) == 4


@pytest.mark.parametrize(
    ("text", "subject", "object", "marked"),
    [
        ("a b c", (0, 1), (4, 5), "[E1] a [/E1] b [E2] c [/E2]"),
        ("a b c", (4, 5), (0, 1), "[E2] a [/E2] b [E1] c [/E1]"),
        ("ab", (0, 1), (1, 2), "[E1] a [/E1] [E2] b [/E2]"),
        ("a b c", (0, 5), (2, 3), "[E1] a [E2] b [/E2] c [/E1]"),
        ("a b c", (0, 1), (0, 5), "[E2] [E1] a [/E1] b c [/E2]"),
        ("a b c", (4, 5), (0, 5), "[E2] a b [E1] c [/E1] [/E2]"),
        ("주문 7번을 민아가", (0, 5), (7, 9), "[E1] 주문 7번 [/E1] 을 [E2] 민아 [/E2] 가"),
    ],
)
def test_markers_stand_around_the_characters(text, subject, object, marked):
    assert relate.marked("", text, subject, object) == marked


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"object": [14, 99]}, "line 2: object [14, 99] is no part of the text, which has 17 characters"),
        ({"subject": [4, 4]}, "line 2: subject [4, 4]"),
        ({"subject": None}, "line 2: subject None"),
        ({"object": [0, 4]}, "line 2: subject and object are the same words, 'Mina'"),
        ({"subject": [0, 6], "object": [5, 10]}, "line 2: subject [0, 6] and object [5, 10] overlap"),
        ({"text": "Mina [E1] wrote Jun"}, "line 2: the text holds [E1]"),
        ({"label": ""}, "line 2: 'label' is ''"),
        ({"text": 5}, "line 2: 'text' is 5"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, change, told):
    path = write(tmp_path / "rows.jsonl", [row(*ROWS[0]), {**row(*ROWS[0]), **change}])
    with pytest.raises(UserError) as error:
        relate.read(path, relate.Options())
    assert told in str(error.value)


def test_one_relation_alone_is_nothing_to_learn(tmp_path):
    path = write(tmp_path / "rows.jsonl", [row(*ROWS[0]), row(*ROWS[2])])
    with pytest.raises(UserError, match=r"rows\.jsonl, line 1: only 'wrote' occurs.* Add rows of another label"):
        relate.labels(relate.read(path, relate.Options()), relate.Options())


def test_a_marker_begins_as_the_mean_of_what_describes_it(tmp_path):
    from indexer.transformer import load_bert

    encoder = load_bert(str(make_tiny(tmp_path, ["subject object end"])))
    before = encoder.model.get_input_embeddings().weight.detach().clone()
    relate.add_markers(encoder)
    after = encoder.model.get_input_embeddings().weight.detach()
    assert len(after) == len(before) + 4
    assert (after[: len(before)] == before).all()
    ids = {word: encoder.tokenizer.convert_tokens_to_ids(word) for word in ("subject", "end", "[E1]", "[/E2]")}
    assert (after[ids["[E1]"]] == before[ids["subject"]]).all()
    assert (after[ids["[/E2]"]] == before[ids["end"]]).all()
    relate.add_markers(encoder)  # a second time adds nothing
    assert len(encoder.model.get_input_embeddings().weight) == len(after)


def test_six_examples_are_learned_by_heart_and_told_apart_by_the_markers(learned):
    folder, found = learned
    assert found["before"]["macro_f1"] < 1 == found["after"]["macro_f1"]
    assert found["after"]["majority"] == 0.5
    setup = Setup(tokenizer(folder / "out"), tuple(found["labels"]), relate.Options(), 64)
    model = relate.load(folder / "out", setup)
    texts = ["[E1] Mina [/E1] wrote to [E2] Jun [/E2]", "[E2] Mina [/E2] wrote to [E1] Jun [/E1]"]
    said = relate.predict(model, setup, texts, [])
    assert [line["label"] for line in said] == ["wrote", "read"]
    assert all(sum(line["probabilities"].values()) == pytest.approx(1) for line in said)
    for line in said:
        assert list(line) == ["text", "label", "probability", "probabilities"]
        assert set(line["probabilities"]) == {"wrote", "read"}
        assert next(iter(line["probabilities"].items())) == (line["label"], line["probability"])
        assert list(line["probabilities"].values()) == sorted(line["probabilities"].values(), reverse=True)
    with pytest.raises(UserError, match="mark both entities"):
        relate.predict(model, setup, ["Mina wrote to Jun"], [])


def test_the_tokens_of_an_entity_get_a_type_of_their_own(learned):
    folder, _ = learned
    rows = folder / "rows.jsonl"
    options = relate.Options(spans=True)
    found = train(Request("relate", rows, folder / "spans", rows, f"bert:{folder / 'bert'}", 40, 6, 5e-3, patience=0,
                          options=options))  # fmt: skip
    assert found["after"]["macro_f1"] == 1
    setup = Setup(tokenizer(folder / "spans"), tuple(found["labels"]), options, 64)
    model = relate.load(folder / "spans", setup)
    assert model.config.type_vocab_size == 4
    batch = setup.tokenizer("[E2] Jun [/E2] wrote to [E1] Mina [/E1]", return_tensors="pt")
    #                                  [CLS] [E2] Jun [/E2] wrote to [E1] Mina [/E1] [SEP]
    assert model._types(batch["input_ids"]).tolist() == [[0, 3, 3, 3, 0, 0, 2, 2, 2, 0]]
    before = model(**batch).logits
    with torch.no_grad():
        model.bert.embeddings.token_type_embeddings.weight[3, 0] += 1.0
    assert (model(**batch).logits - before).abs().max() > 1e-3
    inner = setup.tokenizer("[E1] [E2] Jun [/E2] Mina [/E1]", return_tensors="pt")["input_ids"]
    assert model._types(inner).tolist() == [[0, 2, 3, 3, 3, 2, 2, 0]]
    inner = setup.tokenizer("[E2] [E1] Jun [/E1] Mina [/E2]", return_tensors="pt")["input_ids"]
    assert model._types(inner).tolist() == [[0, 3, 2, 2, 2, 3, 3, 0]]
    # A training that goes on from this one takes its rows over, or leaves them alone.
    for number, wanted in enumerate((True, False)):
        more = Request("relate", rows, folder / f"more{number}", rows, f"bert:{folder / 'spans'}", 1, 6, 1e-3,
                       options=relate.Options(spans=wanted))  # fmt: skip
        train(more)
        config = relate.load(folder / f"more{number}", None).config
        assert (config.type_vocab_size, bool(config.relation_spans)) == (4, wanted)


def test_the_folder_is_an_encoder_with_the_trained_weights(learned):
    from transformers import AutoModel

    folder, _ = learned
    elsewhere = AutoModel.from_pretrained(folder / "out")
    own = relate.load(folder / "out", None)
    for name, weights in own.bert.state_dict().items():
        assert (elsewhere.state_dict()[name] == weights).all(), name
    vectors = load_encoder(f"bert:{folder / 'out'}?precision=fp32").encode(["Mina wrote to Jun", "Mina wrote to Jun"])
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-5)


def test_its_encoder_serves_an_index(learned, small, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CACHE", tmp_path / "cache")
    assert_serves(learned[0] / "out", small, tmp_path / "index")


def test_an_entity_behind_the_limit_is_an_error(learned):
    folder, found = learned
    setup = Setup(tokenizer(folder / "out"), tuple(found["labels"]), relate.Options(), 6)
    example = relate.Example("rows.jsonl, line 1", "[E1] Mina [/E1] wrote to Jun [E2] Jun [/E2]", "wrote")
    with pytest.raises(UserError, match="line 1: an entity begins behind the first 6 tokens"):
        relate.encode([example], setup)
    model = relate.load(folder / "out", setup)
    with pytest.raises(UserError, match=r"^'\[E1\] Mina .*\[/E2\]': an entity begins behind the first 6 tokens"):
        relate.predict(model, setup, ["[E1] Mina [/E1] [E2] Jun [/E2]", example.text], [])
    assert len(relate.predict(model, setup, ["[E1] Mina [/E1] [E2] Jun [/E2]"], [])) == 1  # both begin in time


def test_cls_state_has_half_the_width(tmp_path):
    from indexer.transformer import load_bert

    widths = []
    for state in ("entities", "cls"):
        encoder = load_bert(str(make_tiny(tmp_path / state, ["subject object end"])))
        setup = Setup(encoder.tokenizer, ("no", "yes"), relate.Options(state), 32)
        widths.append(relate.model(encoder, setup).classifier.in_features)
    assert widths == [64, 32]
    with pytest.raises(UserError, match="--state both: choose entities or cls"):
        relate.read(tmp_path / "any", relate.Options("both"))


def test_our_own_rows_are_sound_and_those_that_judge_name_nothing_that_is_learned(root):
    named = []
    for name, fewest in (("relations", 100), ("relations-dev", 30)):
        path = root / f"data/{name}.jsonl"
        rows = relate.read(path, relate.Options())
        counts = Counter(example.label for example in rows)
        assert len(counts) == 7
        assert min(counts.values()) >= fewest
        assert all(example.text.count("[E1]") == example.text.count("[/E2]") == 1 for example in rows)
        spans = [(row["text"], row[side]) for _, row in read_objects(path) for side in ("subject", "object")]
        named.append({text[start:end] for text, (start, end) in spans})
    assert not named[0] & named[1]


def tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)
