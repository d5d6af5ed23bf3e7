"""The encoder `bilingual`: routed by script, English to MiniLM's last bit, Korean by the packed student."""

import threading
import unicodedata

import numpy as np
import pytest

from indexer import export, fingerprint, onnx, weights
from indexer.encoders import bilingual, open_encoder, prepare_encoder, reads_hangul
from indexer.errors import UserError
from indexer.weights import packed

ENGLISH = ["How do I get a refund?", "shipping", "", "日本語の質問", "Où est ma commande ?"]
KOREAN = ["환불은 어떻게 받나요?", "ㅠㅠ 로그인이 안 돼요", "login이 안 돼요", "배송 조회"]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bilingual")
    prepare_encoder("bilingual", [], folder)
    return folder, open_encoder("bilingual", folder)


def test_english_is_minilms_to_the_last_bit(both, tmp_path):
    prepare_encoder("minilm", [], tmp_path)
    np.testing.assert_array_equal(both[1].encode(ENGLISH), open_encoder("minilm", tmp_path).encode(ENGLISH))


def test_a_text_with_a_hangul_letter_goes_to_the_student(both):
    student = onnx.OnnxEncoder(both[0] / bilingual.KOREAN)
    np.testing.assert_array_equal(both[1].encode(KOREAN), student.encode(KOREAN))
    decomposed = [unicodedata.normalize("NFD", text) for text in KOREAN]
    np.testing.assert_array_equal(both[1].encode(decomposed), student.encode(KOREAN))


def test_a_vector_is_the_same_to_the_last_bit_in_any_company(both):
    texts = [*ENGLISH, *KOREAN, *(f"{text} {n}" for n, text in enumerate(KOREAN * 5))]
    together = both[1].encode(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_array_equal(both[1].encode([texts[at] for at in order]), together[order])
    np.testing.assert_array_equal(np.concatenate([both[1].encode([text]) for text in texts]), together)


def test_a_model_is_opened_when_its_script_comes_and_once(both, monkeypatch):
    opened = []
    real = onnx.OnnxEncoder
    monkeypatch.setattr(onnx, "OnnxEncoder", lambda folder: (opened.append(folder.name), real(folder))[1])
    encoder = bilingual.load(both[0])
    assert encoder.dim == 384
    assert opened == []
    encoder.encode(["refund"])
    assert opened == ["english"]
    threads = [threading.Thread(target=encoder.encode, args=(["환불"],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == ["english", "korean"]
    assert encoder.encode([]).shape == (0, 384)


def test_both_languages_share_a_space(both):
    english = both[1].encode(["How do I get a refund?", "Where is my parcel?", "I forgot my password."])
    korean = both[1].encode(["환불은 어떻게 받나요?", "제 택배는 어디에 있나요?", "비밀번호를 잊어버렸어요."])
    assert (korean @ english.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_it_reads_hangul_takes_no_argument_and_says_so(tmp_path):
    assert reads_hangul("bilingual")
    with pytest.raises(UserError, match=r"^bilingual takes no argument, found 'x'\. For another model: bert:x\.$"):
        prepare_encoder("bilingual:x", [], tmp_path)


def test_the_students_proof_is_what_torch_makes_of_the_packed_weights():
    from indexer.transformer import load_bert

    with np.load(weights.KOREAN_PROOF, allow_pickle=False) as proof:
        found = export.proof(load_bert(str(weights.korean_checkpoint())), weights.MAX_TOKENS)
        np.testing.assert_allclose(proof["mean"], found, atol=1e-6)


def test_a_checkpoint_that_another_process_wrote_meanwhile_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "CACHE", tmp_path)
    unpacked = weights.korean

    def meanwhile():  # the other process ends while this one unpacks
        folder = tmp_path / f"korean-{fingerprint.of_files([weights.KOREAN, weights.KOREAN_TOKENIZER])[:16]}"
        folder.mkdir()
        (folder / "config.json").write_text("{}", encoding="utf-8")
        return unpacked()

    monkeypatch.setattr(weights, "korean", meanwhile)
    folder = weights.korean_checkpoint()
    assert (folder / "config.json").read_text(encoding="utf-8") == "{}"
    assert not (folder / "model.safetensors").exists()


def test_a_home_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file, no folder", encoding="utf-8")
    monkeypatch.setattr(export, "CACHE", tmp_path / "home" / "mundap")
    with pytest.raises(UserError, match=r"cannot be written \(.*Not a directory.*\); .*Set HOME to a folder"):
        weights.korean_checkpoint()


def test_the_checkpoint_cuts_words_as_the_served_tokenizer_does():
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    served = Tokenizer.from_file(str(weights.KOREAN_TOKENIZER))
    served.no_padding()
    opened = AutoTokenizer.from_pretrained(weights.korean_checkpoint())
    for text in [*KOREAN, "Café, 환불!", "The refund of 3,000원"]:
        assert opened(text)["input_ids"] == served.encode(text).ids


def test_the_weights_are_within_what_a_project_may_carry():
    files = (weights.KOREAN, weights.KOREAN_TOKENIZER, weights.KOREAN_PROOF)
    assert sum(file.stat().st_size for file in files) < 30e6


def test_packing_rounds_by_row_and_leaves_the_known_pieces_out():
    table = np.array([[9.0, 9.0], [1.0, -2.0], [0.0, 0.0]], dtype=np.float32)
    tensors = {
        packed.TABLE: table,
        "a.weight": np.array([[127.0, 63.6], [1.0, -0.5]], dtype=np.float32),
        "a.bias": np.array([0.123], dtype=np.float32),
        "pooler.dense.weight": np.ones((2, 2), dtype=np.float32),
    }
    found = packed.pack(tensors, known=1)
    assert set(found) == {packed.TABLE, packed.TABLE + ".scale", "a.weight", "a.weight.scale", "a.bias"}
    assert found["a.weight"].tolist() == [[127, 64], [127, -64]]
    assert found["a.weight"].dtype == np.int8
    np.testing.assert_allclose(found["a.weight.scale"], [1.0, 1 / 127])
    whole = packed.unpack(found, table[:1])
    np.testing.assert_allclose(whole[packed.TABLE], [[9, 9], [1.0, -2.0], [0, 0]], atol=0.01)
    np.testing.assert_allclose(whole["a.weight"], [[127, 64], [1, -64 / 127]], rtol=1e-6)
    np.testing.assert_array_equal(whole["a.bias"], tensors["a.bias"])
