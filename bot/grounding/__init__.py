"""Grounding: what a generator wrote, sentence by sentence, against the stored entries that it cites.

A sentence is kept where one entry, within one or two neighbouring sentences of its answer, says the same: all its
numbers with their units, addresses, days and names, the words in which meaning turns, the same yes or no, and nearly
all of its words; the index's own encoder must find both near. Citing alone proves nothing (Gao et al. 2023, ALCE,
arXiv:2305.14627), so a citation only narrows what is looked at; who cites nothing gets the entry that says it.
"""

from bot.grounding.checker import Checker, Judge, Verdict
from bot.grounding.cutting import Cutter, sentences

__all__ = ["Checker", "Cutter", "Judge", "Verdict", "sentences"]
