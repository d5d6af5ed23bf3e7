"""A small decoder on the shared encoder: it writes an answer from several sources, and mostly by copying.

Sources are read one by one and attended to together (fusion in the decoder, Izacard and Grave 2021, arXiv:2007.01282).
A next word is copied from an answer or taken from a few words of its own, weighed by a gate (pointer-generator, See et
al. 2017, arXiv:1704.04368). A place whose preceding tokens are those just written is favoured, the more of them the
more (what induction heads learn, Olsson et al. 2022, arXiv:2209.11895): so little data is enough to learn to copy, in
any script. Words go in and out by the encoder's own table of them; the decoder adds none.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bot.learning.task import IGNORED
from indexer.pooling import pool
from indexer.transformer import BertEncoder

MOST = 32  # preceding tokens that are compared: a Korean word can be cut into a dozen
KEPT = 400_000  # tokens whose states a frozen encoder remembers: 600 MB at 384 numbers each
BATCH = 16  # texts encoded at a time
LEAST = 1e-6  # probability, below which a token is no lesson but noise
Heads = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a decoder is made with."""

    layers: int
    candidates: int
    words: int  # that it may write without copying


@dataclass(slots=True)
class Sources:
    """A batch of what is written from, S tokens each."""

    ids: Tensor  # (B, S)
    seen: Tensor  # (B, S), False where padded
    copied: Tensor  # (B, S), True in the answers
    memory: list[Heads]  # of each layer
    keys: Tensor  # (B, S, H), of the pointer
    lean: Tensor  # (B, S), how much each answer is favoured as a whole


class Attention(nn.Module):
    """Multi-head attention whose keys are made apart, since sources are read once and asked often."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.both = nn.Linear(hidden, 2 * hidden)

    def keys(self, states: Tensor) -> Heads:
        """Give keys and values, (B, heads, S, H / heads) each."""
        key, value = self.both(states).chunk(2, -1)
        return self._split(key), self._split(value)

    def forward(self, states: Tensor, keys: Heads, mask: Tensor) -> Tensor:
        """Give what states (B, T, H) find under the keys."""
        found = functional.scaled_dot_product_attention(self._split(self.query(states)), *keys, attn_mask=mask)
        return self.out(found.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], self.heads, -1).transpose(1, 2)


class Layer(nn.Module):
    """Looks at what is written, at the sources, and thinks; normalised before each (arXiv:2002.04745)."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(3))
        self.own, self.cross = Attention(hidden, heads), Attention(hidden, heads)
        self.feed = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))
        self.drop = nn.Dropout(dropout)

    def forward(
        self, states: Tensor, past: Heads | None, memory: Heads, masks: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Heads]:
        """Give states (B, T, H) and the keys of all that is written so far; masks are for these and for the memory."""
        first = self.norms[0](states)
        keys = self.own.keys(first)
        if past is not None:
            keys = (torch.cat([past[0], keys[0]], 2), torch.cat([past[1], keys[1]], 2))
        states = states + self.drop(self.own(first, keys, masks[0]))
        states = states + self.drop(self.cross(self.norms[1](states), memory, masks[1]))
        return states + self.drop(self.feed(self.norms[2](states))), keys


class Reply(nn.Module):
    """The encoder of an index, the very module, with a decoder on it; a frozen one is never trained.

    The order of what is written is told by the causal mask alone (arXiv:2305.19466), so there is no longest answer.
    """

    words: Tensor

    def __init__(self, encoder: BertEncoder, shape: Shape, frozen: bool = True, dropout: float = 0.1) -> None:
        super().__init__()
        hidden, heads = encoder.model.config.hidden_size, encoder.model.config.num_attention_heads
        self.encoder, self.shape, self.frozen = encoder, shape, frozen
        encoder.requires_grad_(not frozen)
        self.parts = nn.Embedding(2 * shape.candidates + 2, hidden)  # message, then question and answer of each
        self.enter, self.read = nn.Linear(hidden, hidden), nn.LayerNorm(hidden)
        self.layers = nn.ModuleList(Layer(hidden, heads, dropout) for _ in range(shape.layers))
        self.norm, self.write = nn.LayerNorm(hidden), nn.Linear(hidden, hidden)
        self.point, self.key, self.gate = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)
        self.trust = nn.Linear(hidden, 2 + shape.candidates)  # cosines and places, as much as the message allows
        # Of 0, 1, ... preceding tokens that are the same; one weighs most, since an answer begins after its [CLS].
        self.spans = nn.Parameter(torch.cat([torch.zeros(1), 6 + 3 * torch.arange(1, MOST + 1).log2()]))
        self.register_buffer("words", torch.zeros(shape.words, dtype=torch.long))
        nn.init.constant_(self.gate.bias, -2.0)  # copies at first
        nn.init.zeros_(self.trust.weight)
        # As the search has them, unless cosines clearly say otherwise.
        self.trust.bias.data = torch.tensor([4.0, 4.0, *(-float(place) for place in range(shape.candidates))])
        self._states: dict[tuple[int, ...], Tensor] = {}

    def train(self, mode: bool = True) -> "Reply":
        """Set the mode; a frozen encoder drops nothing out."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def learn_words(self, ids: list[int]) -> None:
        """Set the tokens that it may write without copying."""
        self.words = torch.tensor(ids, dtype=torch.long, device=self.words.device)

    def own_state(self) -> dict[str, Tensor]:
        """Give all but the encoder's weights."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("encoder.")}

    def forward(self, input_ids: Tensor, parts: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Give the loss of labels (B, T), and as logits the probability of each."""
        sources = self.sources(input_ids, parts)
        real = labels != IGNORED
        told = labels.clamp_min(0)
        start = torch.full_like(told[:, :1], self.encoder.tokenizer.cls_token_id)
        before = torch.cat([start, told[:, :-1]], 1)
        matches = follow(torch.zeros_like(input_ids), before, input_ids)
        states, _ = self.states(before, None, sources)
        copying, writing, gate = self.shares(states, matches, sources)
        copied = (copying * (told[..., None] == input_ids[:, None])).sum(-1)
        written = (writing * (told[..., None] == self.words)).sum(-1)
        chance = gate * written + (1 - gate) * copied
        loss = -chance.clamp_min(LEAST).log()[real].mean()
        return {"loss": loss, "logits": chance.detach()}

    def sources(self, ids: Tensor, parts: Tensor) -> Sources:
        """Read sources: ids (B, S), and which part each is of: 1 the message, 2i and 2i + 1 a question, its answer."""
        texts, pooled = self._read(ids, parts)
        part = self.parts(parts)
        read = self.read(texts + part)
        message, rest = pooled[:, :1], pooled[:, 1:]
        nearness = (rest * message).sum(-1).view(-1, self.shape.candidates, 2)
        weight = self.trust(message[:, 0])
        lean = (nearness * weight[:, None, :2]).sum(-1) + weight[:, 2:]
        answer = (parts > 1) & (parts % 2 == 1)
        which = ((parts - 3) // 2).clamp(0, self.shape.candidates - 1)
        return Sources(
            ids, parts > 0, answer & (ids != self.encoder.tokenizer.cls_token_id),
            [layer.cross.keys(read) for layer in self.layers],  # type: ignore[union-attr, operator]
            self.key(read), lean.gather(1, which),
        )  # fmt: skip

    def states(self, tokens: Tensor, past: list[Heads] | None, sources: Sources) -> tuple[Tensor, list[Heads]]:
        """Give the states (B, T, H) after tokens (B, T), and the keys to go on from."""
        states, kept = self.enter(self._table()[tokens]), []
        earlier, now = past[0][0].shape[2] if past else 0, tokens.shape[1]
        written = torch.ones(now, earlier + now, dtype=torch.bool, device=tokens.device).tril(earlier)
        for at, layer in enumerate(self.layers):
            known = past[at] if past else None
            states, keys = layer(states, known, sources.memory[at], (written, sources.seen[:, None, None]))
            kept.append(keys)
        return self.norm(states), kept

    def shares(self, states: Tensor, match: Tensor, sources: Sources) -> tuple[Tensor, Tensor, Tensor]:
        """Give probabilities of places (B, T, S), of own words (B, T, W), and of writing one of these (B, T)."""
        scale = states.shape[-1] ** -0.5
        point = self.point(states) @ sources.keys.transpose(1, 2) * scale + self.spans[match] + sources.lean[:, None]
        point = point.masked_fill(~sources.copied[:, None], -torch.inf)
        write = self.write(states) @ self._table()[self.words].T * scale
        return point.softmax(-1), write.softmax(-1), self.gate(states)[..., 0].sigmoid()

    def vocabulary(self) -> int:
        """Count the tokens that the encoder has."""
        return len(self._table())

    def _table(self) -> Tensor:
        embeddings: Any = self.encoder.model.get_input_embeddings()
        table: Tensor = embeddings.weight
        return table

    def _read(self, ids: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Encode each part by itself: states (B, S, H), and unit vectors (B, 1 + 2 * candidates, H), 0 where absent."""
        cuts = _cuts(ids, parts)
        found = self._encoded({key for row in cuts for key in row.values()})
        hidden = self.encoder.model.config.hidden_size
        states = torch.zeros(*ids.shape, hidden, device=ids.device)
        pooled = torch.zeros(len(ids), 2 * self.shape.candidates + 1, hidden, device=ids.device)
        for at, row in enumerate(cuts):
            start = 0
            for part, key in row.items():
                vectors = found[key]
                states[at, start : start + len(key)] = vectors[1:]
                pooled[at, part - 1] = vectors[0]
                start += len(key)
        return states, pooled

    def _encoded(self, keys: set[tuple[int, ...]]) -> dict[tuple[int, ...], Tensor]:
        """Give each text's vector and states, (1 + T, H); those of a frozen encoder are made once."""
        known = {key: self._states[key] for key in keys if key in self._states}
        missing = sorted(keys - known.keys(), key=lambda key: (len(key), key))
        for start in range(0, len(missing), BATCH):
            share = missing[start : start + BATCH]
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                known.update(zip(share, _encode(self.encoder, share), strict=True))
        if self.frozen and missing:
            self._states.update((key, known[key]) for key in missing)
            while sum(map(len, self._states)) > KEPT:
                del self._states[next(iter(self._states))]
        return known


def follow(match: Tensor, tokens: Tensor, ids: Tensor) -> Tensor:
    """Count for each place how many tokens before it are those just written: (B, T, S), after each of tokens (B, T).

    `match` (B, S) is the count before; MOST is the highest.
    """
    before, found = functional.pad(ids[:, :-1], (1, 0), value=-1), []
    for token in tokens.T:
        longer = functional.pad(match[:, :-1], (1, 0)) + 1
        match = torch.where(before == token[:, None], longer.clamp_max(MOST), 0)
        found.append(match)
    return torch.stack(found, 1)


def _cuts(ids: Tensor, parts: Tensor) -> list[dict[int, tuple[int, ...]]]:
    """Cut each row into its parts."""
    found = []
    for tokens, numbers in zip(ids.tolist(), parts.tolist(), strict=True):
        row: dict[int, list[int]] = {}
        for token, number in zip(tokens, numbers, strict=True):
            if number:
                row.setdefault(number, []).append(token)
        found.append({number: tuple(text) for number, text in row.items()})
    return found


def _encode(encoder: Any, texts: list[tuple[int, ...]]) -> list[Tensor]:
    device = encoder.model.device
    longest = max(map(len, texts))
    pad = encoder.tokenizer.pad_token_id
    ids = torch.tensor([[*text, *[pad] * (longest - len(text))] for text in texts], device=device)
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts], device=device)
    states = encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    pooled = functional.normalize(pool(states, mask, encoder.pooling), dim=-1)
    return [torch.cat([pooled[at, None], states[at, : len(text)]]) for at, text in enumerate(texts)]
