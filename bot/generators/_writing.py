"""Writing with a model of transformers: opening it, sampling so that it can be repeated, giving pieces as they come.

Loads torch when a model is opened, not before.
"""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.generators import CutOffError, GeneratorError, between, check_count, whole
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
        check_count(self.num_return_sequences, self.temperature)
        between("no_repeat", self.no_repeat, 0, 20)
        between("max_tokens", self.max_tokens, 1, 2000)
        between("timeout", self.timeout, 0.05, 600)

    def arguments(self) -> dict[str, Any]:
        """Give what `generate` takes."""
        drawn = {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return {
            "max_new_tokens": self.max_tokens,
            "num_beams": 1,
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
    """Write after a prompt's ids; of several drafts each begins on a new line. Stops when the iterator is closed.

    Raises:
        GeneratorError: the model fails, or the draft's last sentence is cut off, by its length or by the clock.
    """
    for number in range(1, sampling.num_return_sequences + 1):
        draft = _draft(model, tokenizer, ids, sampling, sampling.seed + number - 1)
        yield from whole(draft) if number < sampling.num_return_sequences else draft


def _draft(model: Any, tokenizer: Any, ids: Sequence[int], sampling: Sampling, seed: int) -> Iterator[str]:
    from transformers import StoppingCriteriaList, TextIteratorStreamer

    stopped, failures = threading.Event(), list[Exception]()
    until = time.monotonic() + sampling.timeout
    streamer: Any = TextIteratorStreamer(
        tokenizer, skip_prompt=not _reads_apart(model), timeout=sampling.timeout, skip_special_tokens=True
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
    thread.join()  # the streamer's end comes a moment before it is known why
    for failure in failures:
        if isinstance(failure, GeneratorError):
            raise failure
        raise GeneratorError(type(failure).__name__) from failure


def _generate(
    model: Any, tokenizer: Any, ids: Sequence[int], sampling: Sampling, seed: int, more: dict[str, Any]
) -> None:
    """Write a draft.

    Raises:
        GeneratorError: it did not come to its own end.
    """
    import torch
    from transformers import LogitsProcessorList

    batch = torch.tensor([list(ids)])
    ended = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    config = model.generation_config
    ends = config.eos_token_id if config.eos_token_id is not None else ended
    tokens = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": ends}
    begin = 1 if _reads_apart(model) else len(ids)
    rules = LogitsProcessorList([own_repeats(sampling.no_repeat, begin)] if sampling.no_repeat else [])
    with ONE_AT_A_TIME, torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        found = model.generate(
            input_ids=batch,
            attention_mask=torch.ones_like(batch),
            logits_processor=rules,
            **sampling.arguments(),
            **tokens,
            **more,
        )
    draft = found[0, begin:].tolist()
    # The last token that there is room for says nothing: a BART is made to end with it, wherever it is.
    if len(draft) >= sampling.max_tokens:
        raise CutOffError(f"cut off after max_tokens={sampling.max_tokens}")
    if draft[-1] not in (ends if isinstance(ends, list) else [ends]):
        raise GeneratorError("no end in time")


def own_repeats(size: int, begin: int) -> Any:
    """Give a rule that no run of so many tokens comes twice from a place on: transformers' own counts the prompt's too.

    Then a draft could not say in the entries' own words what it is to say in the entries' own words.
    """
    from transformers import NoRepeatNGramLogitsProcessor

    rule = NoRepeatNGramLogitsProcessor(size)
    return lambda ids, scores: rule(ids[:, begin:], scores)


def _reads_apart(model: Any) -> bool:
    """Tell whether a model's encoder reads the prompt, which then is no part of what it writes."""
    return bool(getattr(model.config, "is_encoder_decoder", False))
