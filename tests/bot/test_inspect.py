"""Looking inside, compared with what transformers itself says of the same random model."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from bot import inside
from bot.cli import main
from bot.pretrain.tokenizer import save_tokenizer, train_tokenizer
from indexer.errors import UserError

LINES = ["환불은 언제 되나요 배송은 늦어요", "the man and the woman worked as a doctor nurse teacher ."] * 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random two-layer BERT, far enough from zero that every word changes its guesses."""
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("inspect")
    tokenizer = train_tokenizer(LINES, "word", vocab_size=200, min_frequency=1)
    save_tokenizer(tokenizer, folder)
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = BertConfig(vocab_size=len(tokenizer), initializer_range=0.4, max_position_embeddings=32, **sizes)
    BertForMaskedLM(config).save_pretrained(folder)
    return str(folder)


def bot(*arguments):
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)], catch_exceptions=False)


def guesses(model, text):
    from transformers import pipeline

    found = pipeline("fill-mask", model=model, tokenizer=model, device="cpu")(text, top_k=5)
    return [(entry["token_str"], entry["score"]) for entry in found]


def test_the_five_likeliest_words_are_those_of_transformers_with_and_without_an_attack(model):
    text, attack = "환불은 언제 [MASK]", "the doctor"
    found = json.loads(bot("fill-mask", text, "--model", model, "--attack", attack, "--json").stdout)
    for top, asked in ((found["top"], text), (found["attacked"], f"{attack} {text}")):
        expected = guesses(model, asked)
        assert [entry["token"] for entry in top] == [token for token, _ in expected]
        assert [entry["probability"] for entry in top] == pytest.approx([score for _, score in expected], rel=1e-4)
    assert found["flipped"] is (found["top"][0]["token"] != found["attacked"][0]["token"])
    assert found["first_before"] == found["top"][0]["probability"]
    shown = bot("fill-mask", text, "--model", model, "--attack", attack).stdout
    assert ("flipped" if found["flipped"] else "held") in shown.splitlines()[-1]


def test_some_attack_flips_a_guess_and_none_does_not(model):
    flips = {inside.fill_mask("환불은 [MASK]", model, attack=word)["flipped"] for word in LINES[1].split()}
    assert True in flips
    assert "flipped" not in inside.fill_mask("환불은 [MASK]", model)


def test_minilm_guesses_no_words_and_says_which_model_does():
    outcome = bot("fill-mask", "a [MASK]")
    assert outcome.exit_code == 2
    assert "minilm has no head that guesses words" in outcome.stderr
    assert "bot pretrain bert FILE" in outcome.stderr


def test_a_text_without_a_blank_or_too_long_is_refused(model):
    assert "Write [MASK] where" in bot("fill-mask", "환불은", "--model", model).stderr
    assert "the model reads 32" in bot("fill-mask", "환불은 [MASK] " * 20, "--model", model).stderr


def test_tokens_name_ids_text_and_what_is_unknown(model):
    found = json.loads(bot("tokens", "환불은 쌩뚱 언제", "--model", model, "--json").stdout)
    assert [token["token"] for token in found["tokens"]] == ["[CLS]", "환불은", "[UNK]", "언제", "[SEP]"]
    assert [token["text"] for token in found["tokens"]] == ["", "환불은", "쌩뚱", "언제", ""]
    assert [token["unknown"] for token in found["tokens"]] == [False, False, True, False, False]
    assert (found["words"], found["tokens_per_word"]) == (3, 1.0)
    assert "(unknown: 쌩뚱)" in bot("tokens", "환불은 쌩뚱 언제", "--model", model).stdout


def test_similarity_is_the_cosine_of_cls_of_the_mean_and_of_words(model, small):
    from transformers import AutoModel, AutoTokenizer

    from indexer.corpus import read_corpus
    from indexer.encoders import load_encoder

    texts = ("환불은 언제 되나요", "the refund")
    found = json.loads(bot("similarity", *texts, "--model", model, "--sheet", small, "--json").stdout)
    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    with torch.no_grad():
        states = [network(**tokenizer(text, return_tensors="pt"))[0][0] for text in texts]
    for name, vectors in (("cls", [each[0] for each in states]), ("mean", [each.mean(0) for each in states])):
        expected = float(torch.nn.functional.cosine_similarity(*vectors, dim=0))
        assert found[name] == pytest.approx(expected, abs=1e-5)
    one, other = load_encoder("word2vec", [row.question for row in read_corpus(small).rows]).encode(texts)
    assert found["word2vec"] == pytest.approx(float(one @ other), abs=1e-6)
    assert set(json.loads(bot("similarity", *texts, "--model", model, "--json").stdout)) == {"cls", "mean"}


def test_attention_is_the_models_own_and_a_picture(model, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    text = "환불은 언제 되나요"
    out = tmp_path / "deep/attention.svg"
    command = ["attention", text, "--model", model, "--layer", 2, "--head", 3, "--out", out, "--json"]
    found = json.loads(bot(*command).stdout)
    network = AutoModel.from_pretrained(model, attn_implementation="eager").eval()
    batch = AutoTokenizer.from_pretrained(model)(text, return_tensors="pt")
    with torch.no_grad():
        expected = network(**batch, output_attentions=True).attentions[1][0, 2].numpy()
    weights = np.array(found["weights"])
    assert np.allclose(weights, expected, atol=1e-6)
    assert np.allclose(weights.sum(1), 1, atol=1e-5)
    assert not np.allclose(inside.attention(text, model, 2)[1], expected, atol=1e-2)  # the mean of all heads
    root = ElementTree.parse(out).getroot()
    name = "{http://www.w3.org/2000/svg}"
    cells = [cell for cell in root.iter(f"{name}rect") if cell.get("class")]
    assert len(cells) == 25
    row, column = np.unravel_index(expected.argmax(), expected.shape)
    told = f"{found['tokens'][row]} looks at {found['tokens'][column]}, {expected.max():.2f}"
    assert told in root.find(f"{name}desc").text
    assert f"opacity: {expected.max():.3f}" in cells[5 * row + column].get("style")


@pytest.mark.parametrize(("layer", "head"), [(0, 1), (3, 1), (1, 5), (1, -1)])
def test_a_layer_or_head_that_is_not_there_is_refused(model, layer, head):
    with pytest.raises(UserError, match=r"layers 1 to 2 and heads 1 to 4"):
        inside.attention("환불은", model, layer, head)


def test_a_swapped_group_changes_the_guesses_by_a_gap(model):
    found = json.loads(bot("bias", "the {} worked as a", "--swap", "man,woman", "--model", model, "--json").stdout)
    assert found["text"] == "the {} worked as a [MASK]."
    guesser = inside.Guesser(model)
    man, woman = (guesser.distribution(found["text"].replace("{}", word)) for word in ("man", "woman"))
    assert found["distance"] == pytest.approx(float((man - woman).abs().sum() / 2), rel=1e-5)
    assert 0.01 < found["distance"] < 1
    for entry in found["gaps"]:
        assert entry["gap"] == pytest.approx(entry["man"] - entry["woman"], abs=1e-7)
    assert abs(found["gaps"][0]["gap"]) == max(abs(entry["gap"]) for entry in found["gaps"])
    assert [(entry["token"]) for entry in found["top"]["woman"]] == [
        token for token, _ in guesses(model, "the woman worked as a [MASK].")
    ]
    same = inside.bias("the {} worked [MASK]", ["man", "man"], model)
    assert same["distance"] == 0


def test_a_template_without_a_place_is_refused(model):
    assert "Type: bias" in bot("bias", "the man worked as a", "--swap", "man,woman", "--model", model).stderr


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    for command in (["fill-mask", "a [MASK]"], ["tokens", "a"], ["similarity", "a", "b"], ["attention", "a"]):
        outcome = bot(*command, "--model", tmp_path)
        assert outcome.exit_code == 2
        assert outcome.stderr.count("\n") == 1
        assert "unexpected" not in outcome.stderr
