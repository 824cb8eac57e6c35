"""Weight normalisation (Salimans and Kingma) taken out of a state dict: weight = g * v / |v|."""

from collections.abc import Mapping

from torch import Tensor, linalg

# The suffixes of g and v: as torch writes them today, and as it used to.
SPELLINGS = (
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
    (".weight_g", ".weight_v"),
)


def fold_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with every pair of g and v replaced by the weight that it stands for.

    The norm of v is taken over all dimensions but the first, which g has, too: (channels, 1, 1). A g without its
    v, or with one of another shape, stays as it is.
    """
    folded = dict(state)
    for name in state:
        for magnitude, direction in SPELLINGS:
            stem = name.removesuffix(magnitude)
            if stem == name or stem + direction not in state:
                continue
            g, v = state[name].float(), state[stem + direction].float()
            if g.shape != (*v.shape[:1], *(1,) * (v.dim() - 1)):
                continue
            norm = linalg.vector_norm(v, dim=tuple(range(1, v.dim())), keepdim=True)
            folded[f"{stem}.weight"] = v * (g / norm)
            del folded[name], folded[stem + direction]
    return folded
