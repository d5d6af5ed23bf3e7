"""Looking inside, compared with what transformers itself says of the same random model."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from bot.cli import main
from bot.inside.attention import attention
from bot.inside.bias import bias
from bot.inside.guesses import Guesser, fill_mask
from bot.pretrain.tokenizer import save_tokenizer, train_tokenizer
from indexer.errors import UserError

LINES = ["환불은 언제 되나요 배송은 늦어요", "the man and the woman worked as a doctor nurse teacher ."] * 3


def write_random(folder, config, model, limit=None, **sizes):
    """Write a model of random weights that knows the words of LINES."""
    tokenizer = train_tokenizer(LINES, "word", vocab_size=200, min_frequency=1)
    if limit:
        tokenizer.model_max_length = limit
    save_tokenizer(tokenizer, folder)
    torch.manual_seed(3)
    sizes |= {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
    model(config(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random two-layer BERT, far enough from zero that every word changes its guesses."""
    from transformers import BertConfig, BertForMaskedLM

    sizes = {"num_hidden_layers": 2, "initializer_range": 0.4, "max_position_embeddings": 32}
    return write_random(tmp_path_factory.mktemp("inspect"), BertConfig, BertForMaskedLM, **sizes)


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """A random RoBERTa of 34 positions, which are counted from behind the padding id: it reads 32 tokens."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    silent = 10**9  # the limit of a tokenizer that says nothing
    sizes = {"num_hidden_layers": 1, "max_position_embeddings": 34, "pad_token_id": 1}
    return write_random(tmp_path_factory.mktemp("roberta"), RobertaConfig, RobertaForMaskedLM, silent, **sizes)


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
    flips = {fill_mask("환불은 [MASK]", model, attack=word)["flipped"] for word in LINES[1].split()}
    assert True in flips
    assert "flipped" not in fill_mask("환불은 [MASK]", model)


def test_minilm_guesses_no_words_and_says_which_model_does():
    outcome = bot("fill-mask", "a [MASK]")
    assert outcome.exit_code == 2
    assert "minilm has no head that guesses words" in outcome.stderr
    assert "bot pretrain bert FILE" in outcome.stderr


def test_a_text_without_a_blank_or_too_long_is_refused(model):
    assert "Write [MASK] where" in bot("fill-mask", "환불은", "--model", model).stderr
    assert "the model reads 32" in bot("fill-mask", "환불은 [MASK] " * 20, "--model", model).stderr


def test_a_roberta_reads_fewer_tokens_than_it_has_positions(roberta):
    names, weights = attention("환불은 " * 60, roberta, 1)
    assert (len(names), weights.shape) == (32, (32, 32))
    longest = f"{'환불은 ' * 29}[MASK]"  # and [CLS] and [SEP]
    assert len(fill_mask(longest, roberta)["top"]) == 5
    for words in (30, 31):
        told = bot("fill-mask", f"{'환불은 ' * words}[MASK]", "--model", roberta)
        assert (told.exit_code, told.stderr) == (
            2, f"Error: the text has {words + 3} tokens, and the model reads 32. Shorten it.\n",
        )  # fmt: skip


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
    assert not np.allclose(attention(text, model, 2)[1], expected, atol=1e-2)  # the mean of all heads
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
        attention("환불은", model, layer, head)


def test_a_swapped_group_changes_the_guesses_by_a_gap(model):
    found = json.loads(bot("bias", "the {} worked as a", "--swap", "man,woman", "--model", model, "--json").stdout)
    assert found["text"] == "the {} worked as a [MASK]."
    guesser = Guesser(model)
    man, woman = (guesser.distribution(found["text"].replace("{}", word)) for word in ("man", "woman"))
    assert found["distance"] == pytest.approx(float((man - woman).abs().sum() / 2), rel=1e-5)
    assert 0.01 < found["distance"] < 1
    for entry in found["gaps"]:
        assert entry["gap"] == pytest.approx(entry["man"] - entry["woman"], abs=1e-7)
    assert abs(found["gaps"][0]["gap"]) == max(abs(entry["gap"]) for entry in found["gaps"])
    assert [(entry["token"]) for entry in found["top"]["woman"]] == [
        token for token, _ in guesses(model, "the woman worked as a [MASK].")
    ]
    same = bias("the {} worked [MASK]", ["man", "man"], model)
    assert same["distance"] == 0


def test_a_template_without_a_place_is_refused(model):
    assert "Type: bias" in bot("bias", "the man worked as a", "--swap", "man,woman", "--model", model).stderr


def test_a_model_that_guesses_no_words_names_the_way_by_vectors():
    outcome = bot("bias", "The {} worked as a", "--swap", "man,woman")
    assert outcome.exit_code == 2
    assert "minilm has no head that guesses words" in outcome.stderr
    assert "--words nurse,doctor" in outcome.stderr


# The lengths are 1, so that every cosine can be had by hand: with her .0 .8 1 .6, with him .8 .96 .6 1.
VECTORS = {
    "she works": (1, 0), "he works": (0.6, 0.8),
    "cook": (1, 0), "sing, well": (0.8, 0.6), "lead": (0, 1), "drive": (0.6, 0.8), "silence": (0, 0),
}  # fmt: skip
ASKED = ("bias", "{} works", "--swap", "she, he")


@pytest.fixture
def specs(monkeypatch):
    """The specs that were opened; the encoder knows only VECTORS."""
    opened = []

    class Encoder:
        dim = 2

        def encode(self, texts):
            return np.array([VECTORS[text] for text in texts], dtype=np.float32)

    def load_encoder(spec):
        opened.append(spec)
        return Encoder()

    monkeypatch.setattr("indexer.encoders.load_encoder", load_encoder)
    return opened


def test_by_vectors_a_word_has_the_gap_of_its_cosines(specs):
    found = json.loads(bot(*ASKED, "--words", "cook|sing, well|lead", "--json").stdout)
    assert found["distance"] == pytest.approx(1 - 0.6)
    assert [entry["word"] for entry in found["gaps"]] == ["lead", "cook", "sing, well"]
    assert [entry["gap"] for entry in found["gaps"]] == pytest.approx([-0.8, 0.4, -0.16])
    assert found["gaps"][2]["cosine"] == pytest.approx({"she": 0.8, "he": 0.96})
    assert "effect" not in found
    shown = bot(*ASKED, "--words", "cook,lead").stdout.splitlines()
    assert shown[:2] == ["she works", "he works"]
    assert shown[3:] == [
        "gap (she - he) of the cosines",
        "  -0.800  lead (she 0.000, he 0.800)",
        "  +0.400  cook (she 1.000, he 0.600)",
        "distance 0.400 (1 - cosine of the two sentences)",
    ]


def test_the_effect_size_is_that_of_weat(specs):
    asked = [*ASKED, "--words", "cook|sing, well", "--against", "lead|drive"]
    found = json.loads(bot(*asked, "--json").stdout)
    # Gaps .4 -.16 against -.8 -.4: means .12 and -.6; squares about the mean -.24 sum to .7552.
    assert found["effect"] == pytest.approx(0.72 / (0.7552 / 3) ** 0.5)
    assert {entry["word"]: entry["against"] for entry in found["gaps"]} == {
        "cook": False, "sing, well": False, "lead": True, "drive": True,
    }  # fmt: skip
    shown = bot(*asked).stdout
    assert "  -0.400  drive against (she 0.600, he 1.000)" in shown
    assert "effect size +1.44 (WEAT" in shown
    same = bot("bias", "{} works", "--swap", "she,she", "--words", "cook,lead", "--against", "lead,drive").stdout
    assert "distance 0.000" in same
    assert "effect size none, since all gaps are equal" in same


@pytest.mark.parametrize(
    ("model", "spec"),
    [
        ("minilm", "minilm"),
        ("bilingual?precision=fp32", "bilingual?precision=fp32"),
        ("bert:klue/bert-base", "bert:klue/bert-base"),
        ("runs/bert", "bert:runs/bert"),
    ],
)
def test_by_vectors_a_folder_or_a_name_is_a_bert(specs, model, spec):
    bot(*ASKED, "--words", "cook", "--model", model)
    assert specs == [spec]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["She works", "--swap", "she,he", "--words", "cook"], "'She works' has no {} where"),
        (["{} works", "--swap", "she", "--words", "cook"], "--swap names 1 of the two groups"),
        (["{} works [MASK]", "--swap", "she,he", "--words", "cook"], "Take [MASK] out, or leave out --words"),
        ([*ASKED[1:], "--words", " , "], "--words names none. Type: --words nurse,doctor"),
        ([*ASKED[1:], "--against", "cook"], "--against is compared with --words, and none are given"),
        ([*ASKED[1:], "--words", "cook,lead", "--against", "drive"], "--words names 2 and --against 1"),
        ([*ASKED[1:], "--words", "cook", "--against", "drive"], "equally many, two or more"),
        ([*ASKED[1:], "--words", "silence"], "minilm has no vector for 'silence'"),
        ([*ASKED[1:], "--words", "cook", "--model", "word2vec"], "word2vec learns from a sheet and has read none"),
    ],
)
def test_what_vectors_cannot_compare_is_refused(specs, arguments, told):
    outcome = bot("bias", *arguments)
    assert outcome.exit_code == 2
    assert told in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_by_vectors_minilm_and_bilingual_need_no_torch():
    from indexer.encoders import load_encoder

    command = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
from bot.cli import main
from bot.inside.attention import attention
from bot.inside.bias import bias
from bot.inside.guesses import Guesser, fill_mask
main(sys.argv[1:])
"""
    texts = ["여자가 병원에서 일해요.", "남자가 병원에서 일해요.", "nurse", "의사"]
    for model in ("minilm", "bilingual"):
        asked = ["inspect", "bias", "{}가 병원에서 일해요.", "--swap", "여자,남자", "--words", "nurse,의사"]
        run = subprocess.run(
            [sys.executable, "-c", command, *asked, "--model", model, "--json"],
            capture_output=True, text=True, encoding="utf-8", check=True,
        )  # fmt: skip
        vectors = load_encoder(model).encode(texts)
        gaps = {entry["word"]: entry["gap"] for entry in json.loads(run.stdout)["gaps"]}
        for place, word in ((2, "nurse"), (3, "의사")):
            assert gaps[word] == pytest.approx(float((vectors[0] - vectors[1]) @ vectors[place]), abs=1e-4)


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    by_vectors = ["bias", "{}", "--swap", "a,b", "--words", "c"]
    plain = (["fill-mask", "a [MASK]"], ["tokens", "a"], ["similarity", "a", "b"], ["attention", "a"])
    for command in (*plain, by_vectors):
        outcome = bot(*command, "--model", tmp_path)
        assert outcome.exit_code == 2
        assert outcome.stderr.count("\n") == 1
        assert "unexpected" not in outcome.stderr
