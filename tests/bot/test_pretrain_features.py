"""Pairs of segments and masked words, counted exactly."""

from collections import Counter

import numpy as np
import pytest
import torch

from bot.pretrain import features
from bot.pretrain.masking import Batch, Masker, Rows, held_out
from indexer.errors import UserError


def a_document(number, sentences, length=3):
    """Sentences whose ids say where they stand: 10000 * document + 100 * sentence + token."""
    return [[(10_000 * number + 100 * at + token, True) for token in range(length)] for at in range(sentences)]


DOCUMENTS = [a_document(number, sentences) for number, sentences in enumerate((7, 12, 1, 9, 30, 2))]


def place(token):
    return token[0] // 10_000, token[0] % 10_000 // 100


@pytest.mark.parametrize("seed", range(5))
def test_half_the_pairs_to_one_are_of_two_documents_and_the_rest_follow_each_other(seed):
    made = features.pairs(DOCUMENTS, 24, seed)
    assert sum(pair.random for pair in made) == len(made) // 2
    for pair in made:
        (document, last), (other, first) = place(pair.first[-1]), place(pair.second[0])
        assert (document, other) == pair.documents
        assert {place(token)[0] for token in pair.first} == {document}  # neither segment runs over a border
        assert {place(token)[0] for token in pair.second} == {other}
        if pair.random:
            assert other != document
        else:  # a pair that had to be shortened may have lost what stood between
            assert (other, first) == (document, last + 1) or len(pair.first + pair.second) == 24


def test_every_sentence_of_a_longer_document_is_read_first_or_second():
    """Before half the second segments change places, nothing is lost; first segments never do."""
    chunks = [chunk for document in DOCUMENTS for chunk in features.chunks(document, 24)]
    assert [token for chunk in chunks for sentence in chunk for token in sentence] == [
        token for document in DOCUMENTS for sentence in document for token in sentence
    ]
    assert {len(chunk) for chunk in chunks} >= {1, 2, 8}
    assert min(len(chunk) for chunk in chunks[:2]) > 1


def test_pairs_are_shortened_to_the_room_from_the_longer_side():
    made = features.pairs([a_document(0, 4, 30), a_document(1, 4, 7)], 20, 1)
    assert {len(pair.first) + len(pair.second) for pair in made} == {20, 14}
    assert all(len(pair.first) >= 7 and len(pair.second) >= 7 for pair in made)


@pytest.mark.parametrize("documents", [[a_document(0, 9)], [a_document(0, 9), a_document(1, 1)]])
def test_next_sentences_need_two_documents(documents):
    with pytest.raises(UserError, match=r"--window 20 .* or --no-nsp"):
        features.pairs(documents, 24, 1)


class Names:
    cls_token_id, sep_token_id, pad_token_id = 2, 3, 0


def test_a_pair_is_written_as_bert_reads_it():
    pair = features.Pair([(7, True), (8, False)], [(9, True)], True, (0, 1))
    made = features.of_pairs([pair], 8, Names)
    assert made.ids.tolist() == [[2, 7, 8, 3, 9, 3, 0, 0]]
    assert made.types.tolist() == [[0, 0, 0, 0, 1, 1, 0, 0]]
    assert made.begins[0, :5].tolist() == [True, True, False, True, True]
    assert (made.lengths.tolist(), made.random.tolist()) == ([6], [1])


def test_texts_alone_never_run_over_a_document_and_blocks_do_with_an_end_between():
    documents = [[[(5, True), (6, True)], [(7, True)]], [[(8, True)]]]
    assert features.of_texts(documents, 4, Names).ids.tolist() == [[2, 5, 6, 3], [2, 7, 3, 0], [2, 8, 3, 0]]
    assert features.of_blocks(documents, 3, 99).ids.tolist() == [[5, 6, 7], [99, 8, 99]]


def test_documents_are_held_out_whole_and_the_same_ones_for_a_seed():
    documents = [[str(number)] for number in range(40)]
    learned, held = features.split(documents, 0.1, 3)
    assert (len(held), sorted(learned + held)) == (4, sorted(documents))
    assert features.split(documents, 0.1, 3) == (learned, held)
    assert features.split(documents, 0.1, 4)[1] != held
    with pytest.raises(UserError, match=r"found 3 document\(s\).*--window 20"):
        features.split(documents[:3], 0.1, 1)


def test_features_are_made_once_for_the_same_parts(tmp_path):
    made = []

    def make():
        made.append(1)
        return features.of_texts([[[(5, True)]]], 4, Names)

    first, again, other = (features.kept(tmp_path, parts, make) for parts in (("a", 1), ("a", 1), ("a", 2)))
    assert [first[1], again[1], other[1]] == [False, True, False]
    assert len(made) == 2
    for name in features.Features.__slots__:
        assert np.array_equal(getattr(first[0], name), getattr(again[0], name))


def a_masker(whole_words=True, rate=0.15):
    return Masker(4, torch.arange(5, 1000), torch.arange(5), rate, whole_words)


def words(rows=400, length=64):
    """[CLS], words of one, two and three tokens in turn, [SEP], and padding."""
    ids = torch.randint(5, 1000, (rows, length), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, -3], ids[:, -2:] = 2, 3, 0
    begins = torch.ones_like(ids, dtype=torch.bool)
    for at in range(1, length - 8, 6):
        begins[:, [at + 2, at + 4, at + 5]] = False
    return ids, begins


def test_fifteen_words_in_a_hundred_are_chosen_and_become_80_10_10():
    ids, begins = words()
    read, labels = a_masker()(ids, begins, torch.Generator().manual_seed(2))
    chosen = labels != -100
    n = int(chosen.sum())
    candidates = int((ids > 4).sum())
    assert abs(n / candidates - 0.15) < 0.01
    shares = [int(((read == 4) & chosen).sum()) / n, int(((read == ids) & chosen).sum()) / n]
    shares.append(1 - sum(shares))
    for share, wanted in zip(shares, (0.8, 0.1, 0.1), strict=True):
        assert abs(share - wanted) < 4 * (wanted * (1 - wanted) / n) ** 0.5  # four standard errors
    assert torch.equal(read[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])
    assert int(read[chosen & (read != ids)].min()) == 4  # no other special token is put in


def test_words_are_chosen_whole_or_token_by_token():
    ids, begins = words()
    number = begins.cumsum(1) - 1 + 1000 * torch.arange(len(ids))[:, None]
    for whole, halves in ((True, False), (False, True)):
        _, labels = a_masker(whole)(ids, begins, torch.Generator().manual_seed(3))
        chosen, size = Counter(number[labels != -100].tolist()), Counter(number.flatten().tolist())
        assert any(chosen[word] != size[word] for word in chosen) is halves


def test_special_tokens_are_never_chosen_and_each_sequence_has_one_word():
    ids, begins = words(rows=200, length=12)
    _, labels = a_masker(rate=0.001)(ids, begins, torch.Generator().manual_seed(4))
    assert not ((labels != -100) & (ids < 5)).any()
    assert bool((labels != -100).any(1).all())
    empty = torch.tensor([[2, 3, 0, 0]])
    assert (a_masker()(empty, torch.ones_like(empty, dtype=torch.bool))[1] == -100).all()


def test_held_out_words_are_masked_once_and_others_anew():
    pair = features.Pair([(at, True) for at in range(5, 45)], [(at, True) for at in range(50, 95)], False, (0, 0))
    made = features.of_pairs([pair] * 4, 100, Names)
    batch = Batch(a_masker(), pairs=True)
    held, anew = held_out(made, a_masker(), 1), Rows(made)
    first, again = (batch([held[at] for at in range(4)]) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["input_ids"].shape == (4, 88)  # cut at the longest
    assert first["token_type_ids"].sum(1).tolist() == [46] * 4
    one, other = (batch([anew[at] for at in range(4)])["labels"] for _ in range(2))
    assert not torch.equal(one, other)
