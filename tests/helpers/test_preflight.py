"""What a run needs, from the sizes of a built network; what a machine lacks."""

import dataclasses

import keras
import numpy as np
import pytest
from training_runs import ALL, HEAD, start_model

from npc_helpers.network import preflight
from npc_helpers.study.settings import PAPER


def test_needs_follow_from_the_sizes_of_the_network():
    model = start_model(ALL)
    learned = 4 * sum(np.prod(v.shape) for v in model.trainable_variables)
    fixed = 4 * sum(np.prod(v.shape) for v in model.weights) - learned
    memory, disk, passes = preflight.needs(model, ALL, 100, 60, runs=2)
    assert passes == 100 + 3 * 60 * ALL.max_epochs * 2
    assert disk == 100 * 80**2 + 5 * 3 * learned + 2 * (learned + fixed)
    maps = (memory - 4 * learned - fixed) / ALL.batch_size
    outputs = sum(np.prod(layer.output.shape[1:]) for layer in model.layers)
    assert maps == pytest.approx(4 * outputs)
    halves = dataclasses.replace(ALL, accumulate=2)
    assert preflight.needs(model, halves, 100, 60)[0] == memory - ALL.batch_size / 2 * maps
    narrow = dataclasses.replace(ALL, precision="mixed_bfloat16")
    assert preflight.needs(model, narrow, 100, 60)[0] == memory - ALL.batch_size / 2 * maps


def test_a_frozen_network_needs_one_pass_and_keeps_nothing():
    model = start_model(HEAD)
    frozen = dataclasses.replace(HEAD, batch_size=ALL.batch_size)
    memory, _, passes = preflight.needs(model, frozen, 100, 60, runs=5)
    assert passes == 100
    assert memory < preflight.needs(start_model(ALL), ALL, 100, 60)[0]


def test_the_table_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(preflight, "prognosis_model", lambda *args, **kwargs: start_model(ALL))
    monkeypatch.setattr(preflight, "seconds_per_image", lambda model, n: 0.5)
    monkeypatch.setattr(preflight, "device", lambda: ("processor, 2 cores", 1e3))
    setting = dataclasses.replace(ALL, weights="imagenet", width=1.0, max_epochs=10)
    table = preflight.preflight(
        setting, n_images=72, n_training=48, folder=tmp_path / "not" / "yet", runs=2
    )
    enough = table.enough.to_dict()
    assert enough == {"device": "no", "weights": "no", "memory": "no", "disk": "yes", "time": ""}
    assert table.loc["time", "here"] == "1.2 min an epoch, 0.4 h at most for 2 models"


@pytest.mark.parametrize(
    ("devices", "name"), [(["cpu:0"], "processor"), (["cpu:0", "gpu:0"], "accelerator")]
)
def test_the_device_is_told_by_a_backend_that_refuses_to_be_asked_for_a_card(
    devices, name, monkeypatch
):
    """JAX raises when it is asked for the devices of a kind that is not there."""

    def listed(kind=None):
        if kind is not None:
            raise RuntimeError(f"Unknown backend: {kind!r} requested")
        return devices

    monkeypatch.setattr(keras.distribution, "list_devices", listed)
    monkeypatch.setenv("PATH", "")  # no nvidia-smi here
    assert preflight.device()[0].startswith(name)


@pytest.mark.slow
def test_memory_of_a_card_is_what_was_measured_on_one(monkeypatch, tmp_path):
    """Peaks of training at 512 x 512 through PyTorch on an H200 (`benchmarks/card.py`)."""
    measured = {"": 57.0, "accumulate": 18.1, "precision": 29.2}
    monkeypatch.setattr(preflight, "_on_a_card", lambda: True)
    monkeypatch.setattr(preflight, "device", lambda: ("a card", 80 * preflight.GIB))
    monkeypatch.setattr(preflight, "seconds_per_image", lambda model, n: 0.005)
    changes = {
        "": {},
        "accumulate": {"accumulate": 4},
        "precision": {"precision": "mixed_bfloat16"},
    }
    for name, gibibytes in measured.items():
        setting = dataclasses.replace(PAPER, weights="none", **changes[name])
        table = preflight.preflight(setting, n_images=2884, n_training=2282, folder=tmp_path)
        said = float(table.loc["memory", "needed"].split()[0])
        assert gibibytes <= said < 1.15 * gibibytes, name
