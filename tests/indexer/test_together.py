"""Micro-batching: who waits is taken along, nobody gets another's vector, a lone caller waits for nothing."""

import gc
import threading
import time

import numpy as np
import pytest

from indexer.together import MOST, Together, watch


class Slow:
    """Gives each text a vector of its own, notes the batches, and waits where it is told to."""

    dim = 2

    def __init__(self):
        self.batches = []
        self.free = threading.Event()
        self.free.set()
        self.started = threading.Event()

    def encode(self, texts):
        self.batches.append(list(texts))
        self.started.set()
        assert self.free.wait(10)
        if "broken" in texts:
            raise ValueError("broken")
        return np.array([[len(text), hash(text) % 1000] for text in texts], dtype=np.float32).reshape(-1, 2)


def vector(text):
    return [len(text), hash(text) % 1000]


def ask(together, texts, found):
    try:
        found[tuple(texts)] = together.encode(texts).tolist()
    except ValueError as error:
        found[tuple(texts)] = error


def waiting(together, calls):
    """Start threads one after the other; come back when all of them wait behind the first."""
    found, threads = {}, []
    for texts in calls:
        threads.append(threading.Thread(target=ask, args=(together, texts, found)))
        threads[-1].start()
        expected = len(threads) - 1
        for _ in range(5_000):
            if len(together._waiting) == expected and together.encoder.started.is_set():
                break
            time.sleep(0.001)
        assert len(together._waiting) == expected
    return found, threads


def test_a_lone_caller_encodes_on_his_own_thread():
    slow = Slow()
    threads = []
    slow.encode = lambda texts: threads.append(threading.current_thread()) or np.zeros((len(texts), 2), np.float32)
    Together(slow, 1).encode(["a"])
    assert threads == [threading.current_thread()]


def test_those_who_wait_are_encoded_together_and_each_gets_his_own():
    slow = Slow()
    slow.free.clear()
    calls = [["first"], ["b"], ["cc", "ddd"], [], ["eeee"]]
    found, threads = waiting(Together(slow, 1), calls)
    slow.free.set()
    for thread in threads:
        thread.join(10)
    assert [sorted(batch) for batch in slow.batches] == [["first"], ["b", "cc", "ddd", "eeee"]]
    assert found == {tuple(texts): [vector(text) for text in texts] for texts in calls}


def test_a_batch_has_an_end():
    slow = Slow()
    slow.free.clear()
    calls = [["first"], *([f"{number}-{at}" for at in range(MOST // 2)] for number in range(3))]
    found, threads = waiting(Together(slow, 1), calls)
    slow.free.set()
    for thread in threads:
        thread.join(10)
    assert [len(batch) for batch in slow.batches] == [1, MOST, MOST // 2]
    assert found == {tuple(texts): [vector(text) for text in texts] for texts in calls}


def test_more_texts_than_a_batch_holds_go_alone():
    texts = [str(number) for number in range(3 * MOST)]
    assert Together(Slow(), 1).encode(texts).tolist() == [vector(text) for text in texts]


def test_a_failure_hits_none_but_its_own_caller():
    slow = Slow()
    slow.free.clear()
    together = Together(slow, 1)
    found, threads = waiting(together, [["first"], ["fine"], ["broken"], ["too"]])
    slow.free.set()
    for thread in threads:
        thread.join(10)
    assert isinstance(found.pop(("broken",)), ValueError)
    assert found == {(text,): [vector(text)] for text in ("first", "fine", "too")}
    assert together.encode(["after"]).tolist() == [vector("after")]


@pytest.mark.parametrize("callers", [2, 12])
def test_many_threads_always_get_their_own(callers):
    together = Together(Slow(), 1)
    wrong = []

    def talk(name):
        for turn in range(200):
            text = f"{name} {turn % 7}"
            if together.encode([text]).tolist() != [vector(text)]:
                wrong.append(text)

    threads = [threading.Thread(target=talk, args=(f"caller {number}",)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_as_many_encode_at_once_as_there_are_cores():
    """The third waits until one of two is free, and is then taken along with the fourth."""
    slow = Slow()
    slow.free.clear()
    together, found, threads = Together(slow, 2), {}, []
    for texts in (["a"], ["bb"], ["ccc"], ["dddd"]):
        threads.append(threading.Thread(target=ask, args=(together, texts, found)))
        threads[-1].start()
        for _ in range(5_000):
            if len(slow.batches) + len(together._waiting) == len(threads):
                break
            time.sleep(0.001)
    assert slow.batches == [["a"], ["bb"]]
    slow.free.set()
    for thread in threads:
        thread.join(10)
    assert slow.batches == [["a"], ["bb"], ["ccc", "dddd"]]
    assert found == {(text,): [vector(text)] for text in ("a", "bb", "ccc", "dddd")}
    assert together._free == 2


class Stopwatch:
    def __init__(self):
        self.seconds = []

    def observe(self, amount):
        self.seconds.append(amount)


def test_each_batch_is_timed_for_who_watches_until_he_goes():
    first, second = Stopwatch(), Stopwatch()
    watch(first)
    watch(second)
    together = Together(Slow(), 1)
    together.encode(["a", "b"])
    assert (len(first.seconds), len(second.seconds)) == (1, 1)
    assert first.seconds[0] >= 0
    del second
    gc.collect()
    together.encode(["c"])
    assert len(first.seconds) == 2


def test_an_encoding_that_fails_is_no_time():
    stopwatch = Stopwatch()
    watch(stopwatch)
    with pytest.raises(ValueError, match="broken"):
        Together(Slow(), 1).encode(["broken"])
    assert stopwatch.seconds == []
