"""The commands `bot train`, `bot predict` and `bot classify`: learn a task, and use what was learned."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from indexer.command import FOLDER, JSON, Commands, Progress, echo_json

BEFORE = [
    click.Option(["--train"], type=FOLDER, required=True, help="Examples to learn from."),
    click.Option(["--dev"], type=FOLDER, help="Examples to judge by.  [default: a tenth of --train, held out]"),
    click.Option(["--out"], type=FOLDER, required=True, help="Folder of the trained model."),
    click.Option(["--encoder"], default="minilm", show_default=True, help="minilm, bilingual, bert:PATH, sbert:PATH."),
]
NUMBERS = {  # whose defaults are the task's own
    "epochs": "Times through the data.",
    "batch": "Examples of a step.",
    "rate": "Learning rate.",
    "max_length": "Tokens read of a text.",
}
BEHIND = [
    click.Option(["--limit"], type=int, default=0, help="Learn from so many examples, drawn by the seed."),
    click.Option(["--seed"], type=int, default=1, show_default=True, help="Of all that is drawn."),
    click.Option(["--patience"], type=int, default=5, show_default=True,
                 help="Stop after so many judgements without a better score; 0: never."),
    click.Option(["--bf16/--no-bf16"], default=None, help="Compute in bfloat16.  [default: on a GPU that can]"),
    click.Option(["--json", "as_json"], is_flag=True, help="Print the scores before and after as JSON."),
]  # fmt: skip
BALANCED = click.Option(["--balanced"], is_flag=True, help="Let rare labels weigh as much as frequent ones.")
ALONE = click.Option(["--frozen"], is_flag=True, help="Train the head alone, on vectors that are made once.")
SAVED = {"trained": "the trained model", "untrained": "the model as it was, as the trained one scores lower"}
EXAMPLE = """

\b
Example:
  bot train {} --train train.{} --dev dev.{} --out runs/{}

The folder gets the model, run.json with all scores, and pictures. A run that was stopped goes on where it
stood when the same command is typed again, and one that came to its end is made again. A folder of another
run is left as it is."""


class Tasks(Commands):
    """A command for each file under `bot/tasks`, with the task's own options beside the common ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the tasks."""
        from bot.tasks import names

        return names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make a task's command; an unknown name is an error that lists the right ones."""
        from bot.tasks import load_task

        task = load_task(cmd_name)
        own = [field.name for field in fields(task.Options)]
        form = {"pair": "tsv", "seq2seq": "tsv", "choose": "csv", "similarity": "csv", "reply": "csv"}.get(
            cmd_name, "jsonl"
        )
        said = " ".join((task.__doc__ or "").split("\n\n")[0].split())
        more = " ".join(" ".join((task.__doc__ or "").split("\n\n")[1:]).split())
        return click.Command(
            cmd_name,
            callback=lambda **given: _train(cmd_name, task.Options(**{name: given.pop(name) for name in own}), **given),
            params=[*_common(task), *(_option(field) for field in fields(task.Options))],
            short_help=said.partition(": ")[2].rstrip("."),
            help=f"{said}\n\n{more}{EXAMPLE.format(cmd_name, form, form, cmd_name)}",
        )


@click.group(cls=Tasks, name="train")
def train() -> None:
    """Fine-tune an encoder for a task; `bot train TASK --help` shows its options."""


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("texts", nargs=-1, required=True)
@click.option("--context", "contexts", multiple=True, help="The second text of a pair, or the passage; may repeat.")
@JSON
def predict(folder: Path, texts: tuple[str, ...], contexts: tuple[str, ...], as_json: bool) -> None:
    r"""Say what the model in FOLDER makes of each TEXT.

    \b
    Examples:
      bot predict runs/classify "I want my money back" "배송이 언제 오나요?"
      bot predict runs/read "Until when?" --context "Ask for a refund within 7 days."
    """
    from bot.training.predict import open_trained

    found = open_trained(folder).predict(texts, contexts)
    if as_json:
        echo_json(found)
    else:
        click.echo("\n\n".join(show(each) for each in found))


@click.command()
@click.argument("texts", nargs=-1, required=True)
@click.option("--zero-shot", "labels", required=True, help='Labels, with commas: "refund, delivery, account".')
@click.option("--model", type=FOLDER, required=True, help="Folder of a `pair` model that knows entailment.")
@click.option("--hypothesis", default="This is about {}.", show_default=True, help="{} stands for the label.")
@JSON
def classify(texts: tuple[str, ...], labels: str, model: Path, hypothesis: str, as_json: bool) -> None:
    r"""Classify each TEXT by labels that no model was trained on.

    \b
    Example:
      bot classify --zero-shot "환불, 배송" "돈을 돌려받고 싶어요" --model runs/nli --hypothesis "{}에 관한 말이다."
    """
    from bot.training.predict import open_trained, zero_shot

    trained = open_trained(model)
    names = [label.strip() for label in labels.split(",") if label.strip()]
    found = [zero_shot(trained, text, names, hypothesis) for text in texts]
    echo_json(found) if as_json else click.echo("\n\n".join(show(each) for each in found))


def show(found: Mapping[str, Any]) -> str:
    """Write a prediction for the terminal: the text, then what was made of it; of many labels the likeliest five."""
    lines = [str(found["text"])]
    shares = found.get("probabilities", {})
    hidden = {"text", "probabilities"} | ({"label", "probability"} if shares else set())
    for name, value in found.items():
        if name not in hidden and isinstance(value, list):
            lines += [f"  {_parts(each)}" for each in value] or ["  nothing"]
        elif name not in hidden:
            lines.append(f"  {name}: {_brief(value)}")
    best = sorted(shares.items(), key=lambda item: -item[1])[:5]
    return "\n".join([*lines, *(f"  {share:6.1%}  {label}" for label, share in best)])


def table(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Write the scores of the untrained and the trained head beside each other."""
    wide = max(map(len, after), default=5)
    rows = [f"{'':{wide}}  {'before':>8}  {'after':>8}"]
    rows += [f"{name:{wide}}  {before.get(name, 0):8.4g}  {value:8.4g}" for name, value in after.items()]
    return "\n".join(rows)


def _train(task: str, options: Any, as_json: bool, **given: Any) -> None:
    from bot.training.train import Request, train

    with Progress() as progress:
        found = train(Request(task=task, options=options, **given), progress)
    if as_json:
        echo_json({"before": found["before"], "after": found["after"]})
        return
    click.echo(table(found["before"], found["after"]))
    click.echo(f"Saved in {given['out']}: {SAVED[found['saved']]}, run.json, {', '.join(found['pictures'])}.", err=True)


def _common(task: Any) -> list[click.Option]:
    """Give the options that tasks share, with a task's own defaults, less those that it refuses."""
    from bot.training import request

    usual, alone = request.defaults(task), request.defaults(task, frozen=request.freezes(task))
    numbers = []
    for name, said in NUMBERS.items():
        told = f"{usual[name]:g}" + (f"; with --frozen {alone[name]:g}" if alone[name] != usual[name] else "")
        kind, zero = type(request.USUAL[name]), type(request.USUAL[name])(0)
        option = f"--{name.replace('_', '-')}"
        numbers.append(click.Option([option], type=kind, default=zero, help=f"{said}  [default: {told}]"))
    flags = [BALANCED] if request.balances(task) else []
    flags += [ALONE] if request.freezes(task) else []
    return [*BEFORE, *numbers, *flags, *BEHIND]


def _option(field: Any) -> click.Option:
    name = f"--{field.name.replace('_', '-')}"
    said = field.metadata.get("help", "")
    if isinstance(field.default, bool):
        return click.Option([name], is_flag=True, default=field.default, help=said)
    kind = type(field.default) if field.default is not None else str
    return click.Option(
        [name], type=kind, default=field.default, show_default=field.default not in ("", None), help=said
    )


def _parts(value: Any) -> str:
    return "  ".join(map(_brief, value.values())) if isinstance(value, Mapping) else _brief(value)


def _brief(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value) or "(none)"
