"""Tables of embeddings made longer: rows for new tokens, and for the types of the tokens of entities."""

from collections.abc import Sequence
from typing import Any

from indexer.errors import UserError


def add_rows(model: Any, before: int, pieces: Sequence[Sequence[int]]) -> None:
    """Give each new token the mean of its pieces' vectors, or of all vectors where it has no piece."""
    import torch

    with torch.no_grad():
        old = model.get_input_embeddings().weight[:before].clone()
        # A table may be longer than its vocabulary: what was free there is taken.
        longest = max(model.get_input_embeddings().weight.shape[0], before + len(pieces))
        model.resize_token_embeddings(longest, mean_resizing=False)
        for at, ids in enumerate(pieces):
            model.get_input_embeddings().weight[before + at] = (old[list(ids)] if ids else old).mean(0)


def add_types(model: Any, types: int) -> None:
    """Lengthen the table of token types; a new type begins as type 0 does.

    Raises:
        UserError: the model has no token types, or as many already.
    """
    import torch

    table = getattr(getattr(model.base_model, "embeddings", None), "token_type_embeddings", None)
    if table is None or types <= table.num_embeddings:
        has = f"{table.num_embeddings} of them already" if table is not None else "none"
        raise UserError(f"{types} token types: the model has {has}. Ask for none, or choose another model.")
    longer = torch.nn.Embedding(types, table.embedding_dim)
    with torch.no_grad():
        longer.weight[:] = table.weight[0]
        longer.weight[: table.num_embeddings] = table.weight
    model.base_model.embeddings.token_type_embeddings = longer
    model.config.type_vocab_size = types
