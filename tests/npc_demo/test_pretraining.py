"""What a pretraining may look at."""

import numpy as np
import pytest
from npc_demo import pretrain_in_domain
from npc_demo.mri import LEVEL_NAMES, random_patient, render

from npc_helpers.study.settings import TUTORIAL


@pytest.fixture(scope="module")
def drawn():
    return pretrain_in_domain.draw(0)


def test_the_pretext_asks_for_nothing_that_drives_the_hazard(drawn):
    """Extent before treatment only: after it, extent is the share of tumour left."""
    assert set(drawn) == {"images", "sequence", "timepoint", "level", "extent"}
    batches = pretrain_in_domain.Pretext(drawn, np.arange(28).repeat(2), varied=False)
    _, answers, asked = batches[0]
    assert set(answers) == set(asked) == set(drawn) - {"images"}
    np.testing.assert_array_equal(asked["extent"], answers["timepoint"] == 0)
    assert {0, 1} <= set(answers["timepoint"])


def test_answers_are_those_of_the_images(drawn):
    n = len(LEVEL_NAMES)
    assert drawn["images"].shape == (4 * n, TUTORIAL.input_size, TUTORIAL.input_size, 1)
    assert drawn["sequence"].tolist() == [0] * n + [1] * n + [0] * n + [1] * n
    assert drawn["timepoint"].tolist() == [0] * 2 * n + [1] * 2 * n
    assert drawn["level"].tolist() == list(range(n)) * 4
    patient = random_patient(np.random.default_rng([pretrain_in_domain.SEED, 0]), 0)
    area = render(patient, "pre")["tumour"].sum(axis=(1, 2)) / TUTORIAL.shrink**2
    np.testing.assert_allclose(drawn["extent"][:n, 0], np.sqrt(area) / 10, rtol=0.1, atol=0.3)


@pytest.mark.slow
def test_a_short_pretraining_writes_weights_that_the_tutorial_starts_from(drawn, tmp_path):
    from npc_helpers.network import models

    data = {name: np.concatenate([values, values]) for name, values in drawn.items()}
    path = tmp_path / "weights.npz"
    pretrain_in_domain.pretrain(data, path, patients=2, epochs=1)
    start = models.prognosis_model(TUTORIAL, seed=1, weights=str(path))
    random = models.prognosis_model(TUTORIAL, seed=1, weights="none")
    kernels = [m.get_layer("stem_1").get_weights()[0] for m in (start, random)]
    assert np.isfinite(kernels[0]).all() and not np.array_equal(*kernels)
