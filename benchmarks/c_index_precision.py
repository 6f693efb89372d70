"""Makes and checks the table behind `statistics.c_index_standard_error`.

    python benchmarks/c_index_precision.py          prints the table (two minutes)
    python benchmarks/c_index_precision.py --check  compares it with small simulated cohorts

Cohorts follow a Cox model with one normally distributed score: exponential times to progression,
whose rate is exp(beta score), and losses spread evenly over the time of observation. Beta sets the
C-index, the length of observation the share with progression. The table holds the standard
deviation per patient, sqrt(n Var(C)), of very large cohorts.
"""

import argparse

import numpy as np

from npc_helpers.statistics import c_index_standard_error
from npc_helpers.statistics.concordance import concordance
from npc_helpers.statistics.sample_size import C_VALUES, SHARES

LARGE, COHORTS = 20_000, 6


def cohort(rng, n: int, beta: float, observed: float):
    """Rank of the time, event and score, each (n,); with infinite `observed` nobody is lost."""
    score = rng.normal(size=n)
    progression = rng.exponential(np.exp(-beta * score))
    lost = rng.uniform(0, observed, n) if np.isfinite(observed) else np.full(n, np.inf)
    rank = np.argsort(np.argsort(np.minimum(progression, lost)))  # the order is all that counts
    return rank, progression <= lost, score


def observed_for(share: float, beta: float) -> float:
    """Length of observation that lets `share` of the patients progress."""
    if share == 1:
        return np.inf
    return _between(lambda o: cohort(np.random.default_rng(1), LARGE, beta, o)[1].mean() < share,
                    1e-4, 1e4, geometric=True)  # fmt: skip


def beta_for(c: float, share: float) -> tuple[float, float]:
    """Strength of the score that gives this C-index, and the length of observation with it."""

    def too_weak(beta):
        observed = observed_for(share, beta)
        return concordance(*cohort(np.random.default_rng(2), LARGE, beta, observed))[0] < c

    beta = _between(too_weak, 0.0, 12.0)
    return beta, observed_for(share, beta)


def _between(too_low, low: float, high: float, *, geometric: bool = False) -> float:
    for _ in range(22 if geometric else 14):
        middle = np.sqrt(low * high) if geometric else (low + high) / 2
        low, high = (middle, high) if too_low(middle) else (low, middle)
    return middle


def spread(c: float, share: float) -> float:
    """Standard deviation per patient of the C-index."""
    beta, observed = beta_for(c, share)
    rng, variances = np.random.default_rng(3), []
    for _ in range(COHORTS):
        _, influence = concordance(*cohort(rng, LARGE, beta, observed))
        variances.append(LARGE * influence @ influence)
    return float(np.sqrt(np.mean(variances)))


def print_table() -> None:
    for c in C_VALUES:
        row = ", ".join(f"{spread(c, share):.3f}" for share in SHARES)
        print(f"    ({row}),  # C = {c}", flush=True)


def check(n: int, draws: int) -> None:
    """Half-widths of 95% intervals: standard deviation of simulated C-indexes, and the formula."""
    print(f"{n} patients      C  progress  simulated  formula  ratio")
    for c in (0.65, 0.717, 0.811, 0.83):
        for share in (0.29, 0.49, 0.62, 1.0):
            beta, observed = beta_for(c, share)
            rng = np.random.default_rng(4)
            values = [concordance(*cohort(rng, n, beta, observed))[0] for _ in range(draws)]
            simulated = 1.96 * np.std(values)
            formula = 1.96 * c_index_standard_error(c, n * share, n * (1 - share))
            print(f"            {c:.3f}      {share:4.0%}      {simulated:.3f}    {formula:.3f}"
                  f"   {formula / simulated:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        check(43, 3000)
        check(200, 1000)
    else:
        print_table()
