"""Does a map depend on what was learned? Weights are made random, and the map compared."""

import keras
import numpy as np
import pandas as pd

from npc_helpers.network.features import answers
from npc_helpers.network.gradcam import class_map, head
from npc_helpers.network.gradcam_scores import similarity
from npc_helpers.network.models import HEAD, LAST_CONVOLUTION, up_to

STAGES = (  # from the output back to the input; each ends with a layer whose name is stable
    ("head", HEAD),
    ("conv_7b", LAST_CONVOLUTION),
    ("block8", "block8_"),
    ("mixed_7a", "mixed_7a"),
    ("block17", "block17_"),
    ("mixed_6a", "mixed_6a"),
    ("block35", "block35_"),
    ("stem", "mixed_5b"),
)


def sanity_check(model, images, *, seed: int) -> pd.DataFrame:
    """Randomise a model's weights stage by stage from the top, and compare its maps each time.

    The cascading randomisation of Adebayo et al. 2018. A map that survives it shows the image
    and not what was learned. Weights are shuffled within each tensor, which keeps their
    distribution. Maps of two *different* images by the intact model say how alike unrelated
    maps are anyhow, for instance because every rectangle lies in the middle.

    Parameters
    ----------
    model : keras.Model
        Left as it was; a copy is randomised.
    images : array (n, S, S, 1)
        At least 2.
    seed : int
        Of the shuffling and of the pairs.

    Returns
    -------
    DataFrame
        step (0 = intact), randomised (the stage added), ssim and rank_correlation (mean over
        images, with the map of the intact model), ssim_unrelated and rank_correlation_unrelated
        (the same in every row).
    """
    if len(images) < 2:
        raise ValueError("give at least two images; one has no other to be compared with.")
    rng = np.random.default_rng(seed)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())

    def maps() -> np.ndarray:
        return class_map(answers(up_to(copy, LAST_CONVOLUTION), images), head(copy)[0])

    intact = maps()
    unrelated = [f.mean() for f in similarity(intact, intact[_derangement(len(intact), rng)])]
    rows = [(0, "none", 1.0, 1.0, *unrelated)]
    for step, (stage, layers) in enumerate(_stages(copy), start=1):
        for layer in layers:
            weights = layer.get_weights()
            layer.set_weights([rng.permuted(w.ravel()).reshape(w.shape) for w in weights])
        alike = [f.mean() for f in similarity(intact, maps())]
        rows.append((step, stage, *alike, *unrelated))
    names = ["step", "randomised", "ssim", "rank_correlation"]
    return pd.DataFrame(rows, columns=names + [f"{name}_unrelated" for name in names[2:]])


def _derangement(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random order in which no index stays in its place."""
    order = rng.permutation(n)
    partner = np.empty(n, dtype=int)
    partner[order] = np.roll(order, 1)
    return partner


def _stages(model) -> list[tuple[str, list]]:
    """Split a model's layers with weights into `STAGES`; all data pass the end of each stage."""
    names = [layer.name for layer in model.layers]
    ends = [
        max((i for i, name in enumerate(names) if name.startswith(prefix)), default=None)
        for _, prefix in STAGES
    ]
    present = [
        (stage, end) for (stage, _), end in zip(STAGES, ends, strict=True) if end is not None
    ]
    starts = [end + 1 for _, end in present[1:]] + [0]
    return [
        (stage, [layer for layer in model.layers[start : end + 1] if layer.get_weights()])
        for (stage, end), start in zip(present, starts, strict=True)
    ]
