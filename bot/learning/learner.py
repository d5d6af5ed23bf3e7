"""The one encoder that index, tasks and generator share, and the heads that tasks put on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer import spec as specs
from indexer.errors import UserError
from indexer.pooling import Pooling

if TYPE_CHECKING:
    from indexer.transformer import BertEncoder

__all__ = ["BertEncoder", "head_on", "load_learner", "named", "opened"]


def load_learner(spec: str) -> "BertEncoder":
    """Open `minilm`, `bilingual` (its Korean model), `bert:PATH` or `sbert:PATH` (plain, with pooling) to learn with.

    Raises:
        UserError: the spec names no encoder that torch can train.
    """
    parsed = specs.parse(spec)
    openers = {"minilm": _minilm, "bilingual": _bilingual, "bert": _bert, "sbert": _sbert}
    if parsed.name not in openers:
        raise UserError(f"encoder {spec!r} cannot be fine-tuned: choose minilm, bilingual, bert:PATH or sbert:PATH.")
    from indexer.transformer import quietly

    with quietly():
        encoder: BertEncoder = openers[parsed.name](parsed.argument, **specs.options(parsed, openers[parsed.name]))
    encoder.float()
    return encoder


def head_on(encoder: "BertEncoder", kind: str, **config: Any) -> Any:
    """Make a model of an Auto class (`AutoModelForSequenceClassification`, ...) with the encoder's own module as base.

    The head is fresh, drawn by torch's seed; `config` are settings such as num_labels, id2label, label2id.
    """
    import transformers

    from indexer.transformer import quietly

    settings = type(encoder.model.config).from_dict({**encoder.model.config.to_dict(), **config})
    try:
        with quietly():
            model = getattr(transformers, kind).from_config(settings)
    except ValueError as error:
        what = settings.model_type
        raise UserError(f"{kind}: transformers has no such head for {what!r}. Choose another encoder.") from error
    model.float()
    setattr(model, model.base_model_prefix, encoder.model)
    # One configuration for both, so that the saved folder has the head's.
    encoder.model.config = model.config
    return model


def named(labels: tuple[str, ...]) -> dict[str, Any]:
    """Give the settings that keep the names of the outputs in the model's folder."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: at for at, label in enumerate(labels)},
    }


def opened(folder: Path, kind: str) -> Any:
    """Open a trained folder's model by the name of its Auto class."""
    import transformers

    from indexer.transformer import quietly

    with quietly():
        model = getattr(transformers, kind).from_pretrained(folder)
    return model.eval()


def _minilm(argument: str, *, pooling: Pooling = "mean") -> Any:
    specs.refuse_argument("minilm", argument)
    from indexer import weights
    from indexer.transformer import load_bert

    return load_bert(str(weights.minilm()), pooling)


def _bilingual(argument: str, *, pooling: Pooling = "mean") -> Any:
    """Open the Korean student alone: it reads English too, if not as well as MiniLM."""
    specs.refuse_argument("bilingual", argument)
    from indexer import weights
    from indexer.transformer import load_bert

    return load_bert(str(weights.korean_checkpoint()), pooling)


def _bert(argument: str, *, pooling: Pooling = "mean") -> Any:
    if not argument:
        raise UserError("bert needs a model: bert:klue/bert-base, or a folder, bert:runs/my-model.")
    from indexer.transformer import load_bert

    return load_bert(argument, pooling)


def _sbert(argument: str) -> Any:
    from indexer.transformer import BertEncoder, local, unavailable

    if not argument:
        raise UserError("sbert needs a model: sbert:jhgan/ko-sroberta-multitask, or a folder, sbert:runs/my-model.")
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(local(argument), device="cpu")
    except (OSError, ValueError) as error:
        raise UserError(unavailable(argument).replace("bert:PATH", "sbert:PATH")) from error
    pooling = getattr(model[1], "pooling_mode", "") if len(model) > 1 else ""
    if type(model[0]).__name__ != "Transformer" or pooling not in ("cls", "mean") or len(model) > 3:
        raise UserError(f"sbert:{argument} is not a BERT with [CLS] or mean pooling: name one that is.")
    inner: Any = model[0].auto_model
    kind: Any = pooling
    return BertEncoder(inner, model.tokenizer, kind)
