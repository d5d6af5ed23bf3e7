"""Writing with a model of transformers: opening it, sampling so that it can be repeated, giving pieces as they come.

Loads torch when a model is opened, not before.
"""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.generators import GeneratorError, between
from indexer.errors import UserError

ONE_AT_A_TIME = threading.Lock()  # torch's random numbers are one stream for the whole process


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn: greedily at temperature 0, else by a seed; both give the same draft every time.

    These are the options of the spec of every generator that writes here; a file's `SAMPLING` has its defaults.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    num_return_sequences: int = 1
    no_repeat: int = 3  # runs of so many tokens stand in a draft once; 0: as often as it likes
    max_tokens: int = 120
    seed: int = 1
    timeout: float = 20.0  # seconds

    def __post_init__(self) -> None:
        """Refuse what no model takes."""
        between("temperature", self.temperature, 0, 2)
        between("top_p", self.top_p, 0.01, 1)
        between("num_return_sequences", self.num_return_sequences, 1, 4)
        between("no_repeat", self.no_repeat, 0, 20)
        between("max_tokens", self.max_tokens, 1, 2000)
        between("timeout", self.timeout, 0.05, 600)
        if self.num_return_sequences > 1 and not self.temperature:
            raise UserError("num_return_sequences above 1 needs a temperature: greedy drafts are all the same.")

    def arguments(self) -> dict[str, Any]:
        """Give what `generate` takes."""
        drawn = {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return {
            "max_new_tokens": self.max_tokens,
            "num_beams": 1,
            **({"no_repeat_ngram_size": self.no_repeat} if self.no_repeat else {}),
            **(drawn if self.temperature else {"do_sample": False}),
        }


def opened(name: str, spec: str, kind: str) -> tuple[Any, Any]:
    """Open a model by the name of its Auto class, and its tokenizer.

    Raises:
        UserError: none is there.
    """
    if not name:
        raise UserError(f"{spec} needs a model. Type: {spec}:NAME_OR_PATH")
    import transformers

    from indexer.transformer import local, quietly

    try:
        with quietly():
            model = getattr(transformers, kind).from_pretrained(local(name)).eval()
        return model, transformers.AutoTokenizer.from_pretrained(local(name))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{spec}:{name}: no such model can be opened ({reason}). Type: {spec}:FOLDER, or a name that is cached."
        ) from error


def written(model: Any, tokenizer: Any, ids: Sequence[int], sampling: Sampling) -> Iterator[str]:
    """Write after a prompt's ids; drafts beyond the first begin on a new line. Stops when the iterator is closed."""
    for number in range(sampling.num_return_sequences):
        if number:
            yield "\n"
        yield from _draft(model, tokenizer, ids, sampling, sampling.seed + number)


def _draft(model: Any, tokenizer: Any, ids: Sequence[int], sampling: Sampling, seed: int) -> Iterator[str]:
    from transformers import StoppingCriteriaList, TextIteratorStreamer

    stopped, failures = threading.Event(), list[Exception]()
    until = time.monotonic() + sampling.timeout
    decoder = bool(getattr(model.config, "is_encoder_decoder", False))
    streamer: Any = TextIteratorStreamer(
        tokenizer, skip_prompt=not decoder, timeout=sampling.timeout, skip_special_tokens=True
    )
    halt = StoppingCriteriaList([lambda *_, **__: stopped.is_set() or time.monotonic() > until])

    def work() -> None:
        try:
            _generate(model, tokenizer, ids, sampling, seed, {"streamer": streamer, "stopping_criteria": halt})
        except Exception as error:  # whatever a model says of a prompt it cannot read
            failures.append(error)
        finally:
            streamer.end()

    thread = threading.Thread(target=work, name="generator", daemon=True)
    thread.start()
    try:
        yield from streamer
    except queue.Empty as error:
        raise GeneratorError("no word in time") from error
    finally:
        stopped.set()
    if failures:
        raise GeneratorError(type(failures[0]).__name__) from failures[0]


def _generate(
    model: Any, tokenizer: Any, ids: Sequence[int], sampling: Sampling, seed: int, more: dict[str, Any]
) -> None:
    import torch

    batch = torch.tensor([list(ids)])
    ended = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    config = model.generation_config
    tokens = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": config.eos_token_id if config.eos_token_id is not None else ended,
    }
    with ONE_AT_A_TIME, torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model.generate(input_ids=batch, attention_mask=torch.ones_like(batch), **sampling.arguments(), **tokens, **more)
