"""Mundap beside its rivals: python benchmarks/peers.py install | run | scale | box (see peers/cli.py)."""

from peers.cli import main  # the folder beside this file; Python prefers a package to a module of its name

if __name__ == "__main__":
    main()
