"""Reranking: a retriever around a retriever, which reads the first candidates again, each together with the message.

Slower by a model's pass for each candidate, and therefore off unless it is asked for.
"""

from collections.abc import Sequence
from dataclasses import replace

from indexer.index import Index
from indexer.rerankers import Reranker
from indexer.retrieve import Candidate


class Reranked(Index):
    """An index whose first candidates are in a reranker's order.

    Its calibration was fitted to the order of the index itself: decisions made by it hold for that order only.
    """

    def __init__(self, index: Index, reranker: Reranker) -> None:
        super().__init__(index.folder, index.facts)
        self.index, self.database, self.reranker = index, index.database, reranker

    def search(self, texts: Sequence[str], k: int = 5) -> list[list[Candidate]]:
        """Find the k best entries of each text: those that store it as it stands, then by the reranker's score.

        Entries of equal scores, and those behind the first `reranker.top`, stay in the order of the index.
        """
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        found = self.index.search(texts, max(k, self.reranker.top) if k > 0 else k)
        return [self._reordered(text, candidates)[:k] for text, candidates in zip(texts, found, strict=True)]

    def _reordered(self, text: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        read, rest = candidates[: self.reranker.top], candidates[self.reranker.top :]
        scores = self.reranker.scores(text, [candidate.row for candidate in read]).tolist()
        order = sorted(range(len(read)), key=lambda at: (not read[at].exact, -scores[at]))
        return [*(replace(read[at], rerank_score=scores[at]) for at in order), *rest]
