"""bot distil: a student learns Korean from pairs, its parts one by one and the whole command at a small size."""

import gzip
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tiny_bert import make_tiny

from bot.cli import main
from bot.student import learn, lessons, losses, model, recipe, start, vocabulary
from indexer import weights
from indexer.encoders import load_encoder
from indexer.errors import UserError

WORDS = {
    "환불": "refund", "배송": "delivery", "로그인": "login", "쿠폰": "coupon", "비밀번호": "password",
    "결제": "payment", "주소": "address", "영수증": "receipt",
    "강의": "lecture", "계정": "account", "알림": "notice", "파일": "file",
}  # fmt: skip
FRAMES = [
    ("{}은 어디에 있나요?", "Where is the {}?"), ("{} 때문에 문의드려요.", "I am asking about the {}."),
    ("{}이 안 돼요.", "The {} does not work."), ("{}을 바꾸고 싶어요.", "I want to change the {}."),
    ("{} 방법을 알려 주세요.", "Tell me how the {} works."), ("{}이 왜 늦나요?", "Why is the {} late?"),
]  # fmt: skip
PAIRS = [(ko.format(a), en.format(b)) for ko, en in FRAMES for a, b in WORDS.items()]


@pytest.fixture
def files(tmp_path):
    lines = [f"{ko}\t{en}\tshop" for ko, en in PAIRS]
    with gzip.open(tmp_path / "pairs.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    (tmp_path / "dev.tsv").write_text("ko\ten\n" + "\n".join(line[:-5] for line in lines[:20]), encoding="utf-8")
    scored = [
        f"{PAIRS[at][0]}\t{PAIRS[other][0]}\t{5 if at == other else 1}" for at in range(12) for other in (at, at + 12)
    ]
    (tmp_path / "sts.tsv").write_text("sentence1\tsentence2\tscore\n" + "\n".join(scored), encoding="utf-8")
    (tmp_path / "weights.csv").write_text("source,weight\nshop,1\n", encoding="utf-8")
    return tmp_path


def test_pairs_are_read_with_their_source_and_cleaned(tmp_path):
    file = tmp_path / "mine.tsv"
    file.write_text("ko\ten\n환불해 주세요\tRefund me please\n환불\t이것은 한국어\n가\tfar too long for it\n", "utf-8")
    assert lessons.read_pairs(file, {}) == [lessons.Pair("환불해 주세요", "Refund me please", "mine")]
    with pytest.raises(UserError, match="holds no usable pair"):
        lessons.read_pairs(file, {"mine": 0})
    file.write_text("환불해 주세요\n", "utf-8")
    with pytest.raises(UserError, match=r"mine\.tsv, line 1: one column; write: korean TAB english TAB source\."):
        lessons.read_pairs(file, {})


def test_sources_are_drawn_by_their_weight_and_each_pair_as_often_as_another():
    pairs = [lessons.Pair("가", "a", "one")] * 30 + [lessons.Pair("나", "b", "two")] * 10
    order = lessons.draw(pairs, {"one": 1, "two": 6}, 900, 0)
    counts = np.bincount(order, minlength=40)
    assert (counts[:30].sum(), counts[30:].sum()) == (300, 600)
    assert set(counts[:30]) == {10}
    assert set(counts[30:]) == {60}
    assert (order == lessons.draw(pairs, {"one": 1, "two": 6}, 900, 0)).all()
    assert (order != lessons.draw(pairs, {"one": 1, "two": 6}, 900, 1)).any()


def test_the_teacher_is_asked_once_for_each_text(tmp_path):
    asked = []

    class Teacher:
        dim = 2

        def encode(self, texts):
            asked.extend(texts)
            return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    first = lessons.teach(["bb", "a", "bb"], Teacher(), "t", tmp_path)
    assert first.tolist() == [[2, 1], [1, 1], [2, 1]]
    assert lessons.teach(["a", "ccc"], Teacher(), "t", tmp_path).tolist() == [[1, 1], [3, 1]]
    assert sorted(asked) == ["a", "bb", "ccc"]


def test_korean_pieces_stand_behind_the_teachers_and_syllables_stay_whole():
    pieces = vocabulary.train([ko for ko, _ in PAIRS] * 5, 400)
    merged = vocabulary.merge(weights.minilm() / "tokenizer.json", pieces)
    teacher = load_encoder("minilm")._tokenizer
    english = "Where is my refund, café?"
    assert merged.encode(english).ids == teacher.encode(english).ids
    found = merged.encode("환불은 어디에 있나요? login")
    assert "[UNK]" not in found.tokens
    assert all(
        number >= 30522 for number, token in zip(found.ids, found.tokens, strict=True) if "가" <= token[-1] <= "힣"
    )
    assert found.tokens[-3:] == ["log", "##in", "[SEP]"]


def test_cosent_is_the_formula():
    one = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    other = torch.tensor([[0.6, 0.8], [0.8, 0.6], [1.0, 0.0]])
    scores = torch.tensor([3.0, 1.0, 2.0])
    cosines = 20 * np.array([0.6, 0.8, 1.0])
    wrong = [cosines[b] - cosines[a] for a in range(3) for b in range(3) if scores[a] > scores[b]]
    assert float(losses.cosent(one, other, scores)) == pytest.approx(np.log(1 + np.exp(wrong).sum()), rel=1e-5)


def test_agreeing_is_the_distance_and_both_ways_of_finding_the_own_one():
    found = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [0.1, 1.0]]), dim=-1)
    wanted = torch.eye(2)
    alike = 20 * (found @ wanted.T).numpy()
    near = sum(np.mean([np.log(np.exp(m[i]).sum()) - m[i, i] for i in range(2)]) for m in (alike, alike.T))
    expected = 3 * (1 - np.mean([alike[i, i] / 20 for i in range(2)])) + near
    assert float(losses.agree(found, wanted)) == pytest.approx(expected, rel=1e-5)


def test_a_new_piece_is_the_mix_of_its_nearest_known_ones():
    known = np.eye(12, dtype=np.float32)[:, :3]
    table = np.vstack([np.eye(12, dtype=np.float32), np.eye(12, dtype=np.float32)[2:3]])
    mixed = start.mix(table, known, np.arange(12))
    weight = np.exp(10) / (np.exp(10) + 7)
    assert mixed.shape == (1, 3)
    assert mixed[0, 2] == pytest.approx(weight, rel=1e-4)


def test_the_teachers_own_pieces_stay_where_they_are():
    pieces = model.Pieces(torch.arange(10.0).reshape(5, 2), known=3)
    ids = torch.tensor([[0, 3, 4, 2]])
    assert pieces(ids)[0].tolist() == [[0, 1], [6, 7], [8, 9], [4, 5]]
    assert [name for name, _ in pieces.named_parameters()] == ["weight"]
    assert pieces.whole().weight.tolist() == torch.arange(10.0).reshape(5, 2).tolist()


def test_texts_of_near_length_share_a_batch(monkeypatch):
    monkeypatch.setattr(learn, "BATCH", 4)
    lengths = np.array([9, 1, 5, 1, 9, 5, 9, 1, 5, 1, 9, 5])
    order = learn.arrange(np.arange(12), lengths, 0)
    assert sorted(order) == list(range(12))
    assert {tuple(sorted(lengths[order[at : at + 4]])) for at in (0, 4, 8)} == {
        (1, 1, 1, 1),
        (5, 5, 5, 5),
        (9, 9, 9, 9),
    }


def test_the_command_teaches_packs_and_goes_on(files, monkeypatch):
    monkeypatch.setattr(learn, "BATCH", 16)
    out = files / "student"
    arguments = [
        "distil", "--pairs", str(files / "pairs.tsv.gz"), "--weights", str(files / "weights.csv"), "--scored",
        str(files / "sts.tsv"), "--dev-scored", str(files / "sts.tsv"), "--dev-pairs", str(files / "dev.tsv"), "--out",
        str(out), "--samples", "1000", "--pieces", "400", "--json",
    ]  # fmt: skip
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    figures = json.loads(found.stdout)
    assert figures["after"]["recall@1"] > max(0.5, figures["before"]["recall@1"])
    assert figures["sources"] == {"shop": {"pairs": len(PAIRS), "shown": 1000}}
    assert set(figures["sha256"]) == {"korean.safetensors", "korean.json", "korean.npz"}
    assert "the best spearman is" in (out / "learning-curve.svg").read_text(encoding="utf-8")
    # What is packed serves: the same sentence lies nearest to its twin.
    for name in ("KOREAN", "KOREAN_TOKENIZER", "KOREAN_PROOF"):
        monkeypatch.setattr(weights, name, out / "packed" / getattr(weights, name).name)
    encoder = load_encoder("bilingual")
    korean, english = (encoder.encode([pair[side] for pair in PAIRS[:20]]) for side in (0, 1))
    assert ((korean @ english.T).argmax(axis=1) == np.arange(20)).mean() > 0.5
    refused = CliRunner().invoke(main, [*arguments, "--seed", "1"])
    assert refused.exit_code == 2
    assert "was begun with other options" in refused.output
    more = files / "more"
    arguments[arguments.index("--out") + 1] = str(more)
    went_on = CliRunner().invoke(main, [*arguments, "--from", str(out), "--mix", "0.25"])
    assert went_on.exit_code == 0, went_on.output
    # Half of the scored pairs are twice the same sentence, so their order is noise.
    assert json.loads(went_on.stdout)["before"] == pytest.approx(figures["after"], abs=0.02)
    assert not (more / "start.npy").exists()  # its pieces have their places
    assert (more / "tokenizer.json").read_bytes() == (out / "tokenizer.json").read_bytes()
    began, ended, mixed = (
        load_file(folder / "model.safetensors") for folder in (out, more / "checkpoints/checkpoint-67", more)
    )
    name = "encoder.layer.0.output.dense.weight"
    torch.testing.assert_close(mixed[name], 0.25 * began[name] + 0.75 * ended[f"encoder.model.{name}"])
    assert not torch.equal(mixed[name], began[name])
    alone = CliRunner().invoke(main, [*arguments, "--mix", "0.5"])
    assert "Name it by --from" in alone.output
    again = CliRunner().invoke(main, [*arguments, "--from", str(more)])
    assert "was begun with other options" in again.output


def test_files_are_read_before_anything_is_made(files):
    out = files / "student"
    arguments = [
        "distil", "--pairs", str(files / "pairs.tsv.gz"), "--weights", str(files / "weights.csv"), "--scored",
        str(files / "sts.tsv"), "--dev-scored", str(files / "sts.tsv"), "--dev-pairs", str(files / "dev.tsv"), "--out",
        str(out), "--samples", "1000", "--pieces", "400",
    ]  # fmt: skip
    (files / "cp949.tsv").write_bytes("환불은 언제 되나요?\tWhen is the refund?\n".encode("cp949"))
    for option, bad, told in (
        ("--pairs", files / "cp949.tsv", "cp949.tsv cannot be read"),
        ("--dev-pairs", files / "weights.csv", "weights.csv, line 1: one column"),
        ("--scored", files / "dev.tsv", "dev.tsv"),
        ("--weights", _written(files / "below.csv", "source,weight\nshop,-3\n"), "the weight of shop is -3.0"),
        ("--weights", _written(files / "w.csv", "source,weight\nshop,nan\n"), "the weight of shop is nan"),
    ):
        wrong = list(arguments)
        wrong[wrong.index(option) + 1] = str(bad)
        refused = CliRunner().invoke(main, wrong)
        assert refused.exit_code == 2
        assert told in refused.output
        assert not (out / "plan.json").exists()  # so the mended command goes into the same folder


def test_files_of_one_name_are_told_apart(tmp_path):
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
        (folder / "train.tsv").write_text(folder.name, encoding="utf-8")
    one, other = (folder / "train.tsv" for folder in folders)

    def hashes(*scored):
        return recipe._hashes(recipe.Sources([one], {}, [], scored, one, one))

    assert hashes(one, other) != hashes(other, other)


def _written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_only_a_student_goes_on(tmp_path):
    folder = make_tiny(tmp_path / "stranger", [english for _, english in PAIRS])
    with pytest.raises(UserError, match="its first 30,522 pieces are not the teacher's"):
        start.go_on(folder)
    with pytest.raises(UserError, match="empty"):
        start.go_on(tmp_path / "empty")
