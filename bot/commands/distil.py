"""The command `bot distil`: make an encoder that gives Korean sentences the vectors of their English twins."""

from collections.abc import Sequence
from pathlib import Path

import click

from indexer.command import JSON, Progress, echo_json
from indexer.errors import UserError

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option(
    "--pairs", type=FILE, required=True, multiple=True, help="Lines korean TAB english TAB source; may be .gz."
)
@click.option("--weights", type=FILE, help="CSV source,weight: how often a pair of a source is shown; 0 leaves it out.")
@click.option("--text", "texts", type=FILE, multiple=True, help="More Korean text for the vocabulary; may be repeated.")
@click.option(
    "--scored",
    type=FILE,
    multiple=True,
    help="TSV of two sentences and a score (paraphrases: 1 and 0); again for more.",
)
@click.option("--dev-scored", type=FILE, required=True, help="The same, to measure on.")
@click.option("--dev-pairs", type=FILE, required=True, help="TSV with the header ko, en, to measure on.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the student.")
@click.option("--from", "begun", type=FOLDER, help="Folder of a student that goes on learning; its word pieces stay.")
@click.option(
    "--mix", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True,
    help="Share of the weights taken from the student of --from.",
)  # fmt: skip
@click.option("--samples", type=click.IntRange(1_000), default=800_000, show_default=True, help="Sentences shown.")
@click.option("--pieces", type=click.IntRange(100), default=20_000, show_default=True, help="Korean word pieces.")
@click.option("--teacher", default="minilm", show_default=True, help="Spec of the encoder whose vectors are learned.")
@click.option("--seed", default=0, show_default=True)
@click.option("--bf16", is_flag=True, help="16 bits where that is faster: a GPU, or a processor with AVX512-BF16.")
@JSON
def distil(
    pairs: Sequence[Path], weights: Path | None, texts: Sequence[Path], scored: Sequence[Path], dev_scored: Path,
    dev_pairs: Path, out: Path, begun: Path | None, mix: float, samples: int, pieces: int, teacher: str, seed: int,
    bf16: bool, as_json: bool,
) -> None:  # fmt: skip
    r"""Teach Korean to a copy of minilm, so that both languages share one space. Interrupted, it goes on where it was.

    \b
    Example:
      bot distil --pairs pairs.tsv.gz --scored sts.tsv --dev-scored dev.tsv --dev-pairs dev_pairs.tsv --out runs/ko
      bot distil ... --from runs/ko --mix 0.5 --out runs/ko2      (more lessons for the same student)
      indexer build data/qa.csv --encoder bert:runs/ko
    """
    from bot.student import lessons, recipe

    if mix and not begun:
        raise UserError("--mix takes a share of the student that goes on. Name it by --from.")
    sources = recipe.Sources(
        pairs, lessons.read_weights(weights) if weights else {}, texts, scored, dev_scored, dev_pairs, begun, mix
    )
    with Progress() as progress:
        found = recipe.teach(sources, out, samples, pieces, seed, bf16, teacher, progress)
    if as_json:
        echo_json(found)
    else:
        for name in ("spearman", "recall@1"):
            click.echo(f"{name:10} before {found['before'][name]:.4f}  after {found['after'][name]:.4f}")
        click.echo(f"Type: indexer build SHEET --encoder bert:{out}")
