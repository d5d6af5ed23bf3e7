"""What a student is punished for: vectors far from the teacher's, and scored pairs in the wrong order."""

import torch
from torch import Tensor, nn

SCALE = 20.0  # of cosines in the cross entropy, as in sentence-transformers
SHARPNESS = 20.0  # of cosines in CoSENT


def agree(found: Tensor, wanted: Tensor) -> Tensor:
    """Measure how far vectors (B, dim) are from the wanted ones, and from being nearest to them within the batch."""
    alike = SCALE * found @ wanted.T
    same = wanted @ wanted.T > 0.98  # the same sentence twice is no wrong answer
    same.fill_diagonal_(False)
    alike = alike.masked_fill(same, -torch.inf)
    own = torch.arange(len(found), device=found.device)
    near = nn.functional.cross_entropy(alike, own) + nn.functional.cross_entropy(alike.T, own)
    return 3 * (1 - (found * wanted).sum(dim=-1)).mean() + near


def cosent(one: Tensor, other: Tensor, scores: Tensor) -> Tensor:
    """Punish each two pairs whose cosines stand in the wrong order (CoSENT; Su 2022, kexue.fm/archives/8847)."""
    cosines = SHARPNESS * (one * other).sum(dim=-1)
    wrong = cosines[None, :] - cosines[:, None]  # [i, j]: how far pair j lies above pair i
    wrong = wrong[scores[:, None] > scores[None, :]]
    return torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong]), dim=0)
