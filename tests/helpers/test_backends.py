"""The same network gives the same numbers through PyTorch and JAX as through TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parents[1]
TOLERANCE = 1e-5  # of the largest value
ROUNDED, ROUNDING = "weights in 32 bits", 1e-3  # 1.4e-4 measured: see docs/paper_setting.md


def through(backend, folder):
    path = folder / f"{backend}.npz"
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
    }
    subprocess.run(
        [sys.executable, TESTS / "backend_numbers.py", path],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip
    return dict(np.load(path))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_gives_the_numbers_of_tensorflow(backend, tmp_path):
    """Weights after a step: TensorFlow in 64 bits, as its sums over an image round coarsely."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed, and the suite does not need it")
    expected, outputs = through("tensorflow", tmp_path), through(backend, tmp_path)
    assert expected.keys() == outputs.keys()
    for name, values in expected.items():
        difference = np.abs(outputs[name] - values).max() / np.abs(values).max()
        print(f"{backend}, {name}: {difference:.0e} of the largest value")
        assert difference < (ROUNDING if name == ROUNDED else TOLERANCE), name
