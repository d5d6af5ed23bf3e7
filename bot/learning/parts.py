"""What is held out to judge by where no file is given for it: a tenth, and never a part of what belongs together."""

import random
from collections.abc import Container, Hashable, Sequence
from typing import Any

HELD_OUT = 0.1


def tenth(groups: Sequence[Hashable], draw: random.Random, among: Container[Hashable] | None = None) -> list[int]:
    """Draw a tenth of the groups, at least one; give the places of their examples.

    `groups` names the group of each example; with `among`, only these are drawn.
    """
    names: list[Any] = sorted({group for group in groups if among is None or group in among})
    held = set(draw.sample(names, max(1, round(HELD_OUT * len(names)))))
    return [at for at, group in enumerate(groups) if group in held]
