"""Which tokens look at which, as figures and as a picture."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from indexer.errors import UserError

CELL, LETTER, SYLLABLE = 24, 7.4, 13.5


def attention(text: str, model: str, layer: int, head: int = 0) -> tuple[list[str], NDArray[np.float32]]:
    """Give the tokens (T) and how much each looks at each (T, T), rows summing to 1; head 0 is the mean of all.

    Vaswani et al. 2017 (arXiv:1706.03762). Layers and heads count from 1.
    """
    import torch
    from transformers import AutoModel

    from bot.pretrain import checkpoint
    from bot.pretrain.tokenizer import open_tokenizer
    from indexer.transformer import BertEncoder, quietly

    tokenizer = open_tokenizer(model)
    try:
        # The fused kernels that are usual give no weights.
        with quietly():
            network = AutoModel.from_pretrained(checkpoint(model), attn_implementation="eager").eval()
    except (OSError, ValueError) as error:
        raise UserError(f"{model}: no model that transformers can open is there ({type(error).__name__}).") from error
    layers, heads = network.config.num_hidden_layers, network.config.num_attention_heads
    if not 1 <= layer <= layers or not 0 <= head <= heads:
        raise UserError(f"{model} has layers 1 to {layers} and heads 1 to {heads} (0: their mean).")
    limit = BertEncoder(network, tokenizer, "mean").limit()
    ids = tokenizer(text, truncation=True, max_length=limit)["input_ids"]
    with torch.no_grad():
        weights = network(torch.tensor([ids]), output_attentions=True).attentions[layer - 1][0]
    chosen = weights[head - 1] if head else weights.mean(0)
    return tokenizer.convert_ids_to_tokens(ids), chosen.numpy()


def heat_map(names: Sequence[str], weights: NDArray[np.float32], title: str) -> str:
    """Draw how much each token (a row) looks at each token (a column) as an <svg> for a page."""
    room = max(_wide(name) for name in names) + 12
    size = CELL * len(names)
    parts = []
    for row, name in enumerate(names):
        middle = room + CELL * row + CELL / 2
        parts.append(f'<text text-anchor="end" x="{room - 6:.1f}" y="{middle + 4:.1f}">{escape(name)}</text>')
        parts.append(f'<text transform="translate({middle + 4:.1f} {room - 6:.1f}) rotate(-90)">{escape(name)}</text>')
        for column, other in enumerate(names):
            parts.append(
                f'<rect class="series-1" x="{room + CELL * column:.1f}" y="{room + CELL * row:.1f}" width="{CELL - 1}" '
                f'height="{CELL - 1}" style="fill: var(--hue); fill-opacity: {weights[row, column]:.3f}">'
                f"<title>{escape(name)} → {escape(other)}: {weights[row, column]:.2f}</title></rect>"
            )
    at = divmod(int(weights.argmax()), len(names))
    told = f"Most: {names[at[0]]} looks at {names[at[1]]}, {weights[at]:.2f}. A row is who looks, a column at what."
    return (
        f'<svg class="drawing" role="img" viewBox="0 0 {room + size + 8:.0f} {room + size + 8:.0f}">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>{''.join(parts)}</svg>"
    )


def _wide(name: str) -> float:
    """Give the width that a name takes, at most."""
    return sum(LETTER if letter.isascii() else SYLLABLE for letter in name)
