"""Time of a hundred repeated splits of the paper's size: 206 patients, two models of 384 features.

    python benchmarks/repeated_splits.py [--workers N] [--splits 100]

The features are random numbers with a weak signal; the time does not depend on what they mean.
Prints wall time and the processor time of the helper processes.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from npc_helpers.network.repeated_splits import repeated_splits

PATIENTS, FEATURES = 206, 384


def study() -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Patients with an outcome, and features of two models."""
    rng = np.random.default_rng(0)
    risk = rng.normal(size=PATIENTS)
    event_at, lost_at = rng.exponential(60 * np.exp(-risk)), rng.uniform(10, 90, PATIENTS)
    months = np.minimum(event_at, lost_at)
    patients = pd.DataFrame(
        {
            "patient_id": [f"P{number:03d}" for number in range(PATIENTS)],
            "pfs_months": months,
            "progressed": event_at <= lost_at,
            "high_risk": months <= np.median(months),
        }
    )
    features = {
        name: pd.DataFrame(
            rng.normal(size=(PATIENTS, FEATURES)) + np.outer(risk, rng.normal(0, 0.2, FEATURES)),
            index=patients["patient_id"],
        )
        for name in ("Pre-model", "Post-model")
    }
    return patients, features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--splits", type=int, default=100)
    options = parser.parse_args()
    patients, features = study()
    start = time.perf_counter()
    repeated_splits(patients, features, n_splits=options.splits, workers=options.workers)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    print(f"{options.splits} splits: {wall:.1f} s, processor time of helpers {used:.1f} s")


if __name__ == "__main__":
    main()
