"""Writes patients.csv, the made-up patients on whom R and the suite are compared.

``python tests/oracle/make_patients.py && Rscript tests/oracle/oracle.R`` (Debian packages
r-base-core, r-cran-survival, r-cran-proc, r-cran-jsonlite) makes both files of this folder anew.
"""

from pathlib import Path

import numpy as np
import pandas as pd

CENSORING = {"light": 200.0, "heavy": 45.0}


def patients(n: int, censoring: str, *, tied_times: bool, rng: np.random.Generator):
    """Follow-up and four scores: two continuous, one of five levels, one of two."""
    risk = rng.normal(size=n)
    progression = rng.exponential(50 * np.exp(-risk))
    lost = rng.uniform(3, CENSORING[censoring], n)
    time = np.minimum(progression, lost)
    scores = risk[:, None] + rng.normal(size=(n, 4)) * [0.7, 1.0, 1.0, 1.5]
    return pd.DataFrame(
        {
            "dataset": f"n{n}_{censoring}_{'tied' if tied_times else 'distinct'}_times",
            "time": np.ceil(time) if tied_times else time.round(4),
            "event": (progression <= lost).astype(int),
            "high_risk": (time <= np.median(time)).astype(int),
            "continuous": scores[:, 0].round(4),
            "another": scores[:, 1].round(4),
            "tied": np.digitize(scores[:, 2], [-1.5, -0.5, 0.5, 1.5]),
            "two_level": (scores[:, 3] > 0).astype(int),
        }
    )


if __name__ == "__main__":
    generator = np.random.default_rng(43)
    table = [
        patients(n, censoring, tied_times=tied_times, rng=generator)
        for n in (43, 200)
        for censoring in CENSORING
        for tied_times in (False, True)
    ]
    pd.concat(table).to_csv(Path(__file__).with_name("patients.csv"), index=False)
