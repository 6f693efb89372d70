"""What a pretraining may look at."""

import numpy as np
from npc_demo.pretrain_in_domain import NAMES, without_prognosis


def test_a_generic_pretext_measures_nothing_that_drives_the_hazard():
    """Extent before treatment only: after it, extent is the share of tumour left."""
    classes = np.array([[0, 0, 3], [1, 0, 3], [0, 1, 3], [1, 1, 3]])  # sequence, time point, level
    data = {"classes": classes, "counts": np.ones((4, len(NAMES)), np.float32)}
    counts = without_prognosis(data)["counts"]
    counted = {name: counts[:, k].tolist() for k, name in enumerate(NAMES) if counts[:, k].any()}
    assert counted == {"tumour_extent": [1, 1, 0, 0], "node_extent": [1, 1, 0, 0]}
    assert data["counts"].all()
