"""The commands: install, run, scale, box. What is measured goes to benchmarks/results; a rerun goes on there."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from . import box, rivals, rounds, tables
from .inputs import Job
from .results import Results

EXAMPLES = """
python benchmarks/peers.py install                       environments, about 1 GB each, into ~/.cache/mundap-bench
python benchmarks/peers.py run                           all rivals side by side
python benchmarks/peers.py run --only tutorial,mundap --rows 200 --large 300 --rounds 1 --seconds 2      a quick look
python benchmarks/peers.py scale                         the stores alone at 10,000, 100,000 and 1,000,000 rows
python benchmarks/peers.py box                           Mundap on two cores and 2 GB
"""
TITLES = {
    "install": "Make the environments that are missing; this project's anew.",
    "run": "Measure all rivals side by side.",
    "scale": "Measure the stores by number of rows.",
    "box": "Measure the small box.",
}


def main() -> None:
    """Do what the command line says."""
    arguments = parser().parse_args()
    arguments.envs = arguments.envs.expanduser().resolve()
    names = chosen(arguments)
    if arguments.command == "install":
        rivals.install(names, arguments.envs)
        return
    missing = [name for name in names if not (arguments.envs / rivals.RIVALS[name].home / "installed").exists()]
    if missing:
        raise SystemExit(f"{', '.join(missing)}: not installed. Type: python benchmarks/peers.py install")
    {"run": run, "scale": scale, "box": small_box}[arguments.command](arguments, names)


def chosen(arguments: argparse.Namespace) -> list[str]:
    """Give the rivals that take part; side by side Mundap runs in both precisions, else as it comes."""
    names = arguments.only.split(",") if arguments.only else list(rivals.RIVALS)
    if not arguments.only:
        alone = {"run": ["mundap"], "scale": [], "box": ["mundap fp32", "mundap 8bit"]}.get(arguments.command, [])
        names = [name for name in names if name not in alone]
    unknown = [name for name in names if name not in rivals.RIVALS]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}. Known: {', '.join(rivals.RIVALS)}.")
    return names


def run(arguments: argparse.Namespace, names: list[str]) -> None:
    """Measure side by side, then write the tables and the picture."""
    settings = {"rows": arguments.rows, "large sheet": arguments.large, "seconds of load": arguments.seconds}
    job = Job(arguments.envs, work(arguments, "run"), arguments.rows, arguments.large, arguments.seconds)
    results = Results(arguments.out / "peers.json", settings, forgotten(arguments, names))
    rounds.run(job, arguments.packs, names, arguments.rounds, results)
    show(tables.peers(results), arguments.out / "peers.md")
    try:
        from .picture import draw

        draw(results, arguments.out / "peers.svg")
    except ImportError:
        print("No picture. Type: pip install -r benchmarks/requirements.txt", file=sys.stderr)


def scale(arguments: argparse.Namespace, names: list[str]) -> None:
    """Measure the stores, then write the table."""
    from . import scale as stores

    sizes = sorted(map(int, arguments.rows.split(",")))
    limits = (arguments.limit_s, arguments.limit_mb)
    settings = {"limit s": limits[0], "limit MB": limits[1]}
    results = Results(arguments.out / "scale.json", settings, forgotten(arguments, names))
    taking = [name for name in names if name in stores.STORES]
    stores.run(arguments.envs, work(arguments, "scale"), taking, sizes, limits, results)
    show(tables.scale(results), arguments.out / "scale.md")


def small_box(arguments: argparse.Namespace, names: list[str]) -> None:
    """Measure the box, then write the table."""
    settings = {"entries": arguments.rows, "clients": box.CLIENTS, "seconds of load": arguments.seconds}
    job = Job(arguments.envs, work(arguments, "box"), 100, arguments.rows, arguments.seconds)
    results = Results(arguments.out / "box.json", settings, forgotten(arguments, names))
    ours = [name for name in names if rivals.RIVALS[name].home == "mundap"]
    box.run(job, arguments.packs, ours, arguments.rounds, results)
    show(tables.box(results), arguments.out / "box.md")


def work(arguments: argparse.Namespace, command: str) -> Path:
    """Name the folder of sheets and indexes; --fresh removes those of the rivals that take part."""
    folder = Path(arguments.envs) / "work" / f"{command}-{arguments.rows}-{getattr(arguments, 'large', '')}".rstrip("-")
    if arguments.fresh:
        for name in chosen(arguments):
            for index in folder.glob(f"{name.replace(' ', '_')}-*"):
                shutil.rmtree(index) if index.is_dir() else index.unlink()
    return folder


def forgotten(arguments: argparse.Namespace, names: list[str]) -> list[str]:
    """Name the rivals whose results are measured again."""
    return names if arguments.fresh else []


def show(text: str, path: Path) -> None:
    """Write a table and print it."""
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(
        prog="python benchmarks/peers.py", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = made.add_subparsers(dest="command", required=True)
    defaults: dict[str, dict[str, Any]] = {
        "install": {},
        "run": {"rows": 3000, "large": 10_000, "seconds": 10.0, "rounds": 5},
        "scale": {"rows": "10000,100000,1000000", "limit_s": 1800.0, "limit_mb": 16_000.0},
        "box": {"rows": box.ENTRIES, "seconds": 30.0, "rounds": 3},
    }
    for command, options in defaults.items():
        sub = commands.add_parser(command, help=TITLES[command])
        sub.add_argument("--only", default="", metavar="NAME,...", help=", ".join(rivals.RIVALS))
        sub.add_argument("--envs", type=Path, default=Path("~/.cache/mundap-bench"))
        for name, default in options.items():
            sub.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
        if options:
            sub.add_argument("--packs", type=Path, default=rivals.ROOT.parent / "shared" / "data")
            sub.add_argument("--out", type=Path, default=rivals.ROOT / "benchmarks" / "results")
            sub.add_argument("--fresh", action="store_true", help="start over (with --only: these rivals)")
    return made
