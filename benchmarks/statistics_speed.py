"""How fast are the estimates, beside lifelines, scikit-learn, scikit-survival and plain loops?

Run with ``python benchmarks/statistics_speed.py``; prints a Markdown table. scikit-survival is
timed where it is installed (it is GPL and no dependency of the suite). Patients are random; half
of them progress. Each number is the best of a few runs, because other work on the machine can
only add to it.
"""

import importlib.util
import time as clock
from collections.abc import Callable

import numpy as np
from lifelines.utils import concordance_index
from sklearn.metrics import roc_auc_score

from npc_helpers import statistics

LARGE, LOOP = 100_000, 2_000
MODELS = 4


def patients(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Label, time, event and the scores of four models, of which the last has two levels."""
    rng = np.random.default_rng(n)
    risk = rng.normal(size=n)
    progression, lost = rng.exponential(50 * np.exp(-risk)), rng.uniform(5, 120, n)
    time = np.minimum(progression, lost)
    scores = {f"model {k}": risk + rng.normal(size=n) for k in range(MODELS - 1)}
    scores["TNM"] = (risk + rng.normal(size=n) > 0).astype(float)
    return time <= np.median(time), time, progression <= lost, scores


def best_of(work: Callable[[], object], *, runs: int = 3) -> float:
    """Shortest wall-clock time in seconds."""
    seconds = []
    for _ in range(runs):
        start = clock.perf_counter()
        work()
        seconds.append(clock.perf_counter() - start)
    return min(seconds)


def c_index_pair_by_pair(time, event, score) -> float:
    """The definition as two loops."""
    won = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if time[j] > time[i]:
                pairs += 1
                won += (score[i] > score[j]) + 0.5 * (score[i] == score[j])
    return won / pairs


def auc_resample_by_resample(label, score, *, resamples: int) -> list[float]:
    """Bootstrap as one usually writes it; scikit-learn's AUC of each resample."""
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(label), size=len(label)) for _ in range(resamples))
    return [roc_auc_score(label[rows], score[rows]) for rows in drawn if label[rows].any()]


def c_index_rows():
    """Rows of the table about one C-index."""
    _, time, event, scores = patients(LARGE)
    score = scores["model 0"]
    yield "C-index with interval", LARGE, lambda: statistics.c_index(time, event, score)
    yield (
        "Uno's C with interval", LARGE,
        lambda: statistics.uno_c_index(time, event, score, truncation=36),
    )  # fmt: skip
    yield "lifelines, value only", LARGE, lambda: concordance_index(time, -score, event)
    if importlib.util.find_spec("sksurv"):
        from sksurv.metrics import concordance_index_censored

        yield (
            "scikit-survival, value only", 10_000,
            lambda: concordance_index_censored(event[:10_000], time[:10_000], score[:10_000]),
        )  # fmt: skip
    few = time[:LOOP].tolist(), event[:LOOP], score[:LOOP].tolist()
    yield "two loops, value only", LOOP, lambda: c_index_pair_by_pair(*few)


def auc_rows():
    """Rows about areas."""
    label, _, _, scores = patients(LARGE)
    yield "DeLong, four models, six pairs", LARGE, lambda: statistics.compare_auc(label, scores)
    yield (
        "scikit-learn, four values only", LARGE,
        lambda: [roc_auc_score(label, score) for score in scores.values()],
    )  # fmt: skip


def bootstrap_rows():
    """Rows about 10,000 resamples."""
    for n in (43, 1_000):
        study = patients(n)
        yield (
            "AUC, C and all differences, BCa, 10,000 resamples", n,
            lambda study=study: statistics.bootstrap_models(*study),
        )  # fmt: skip
    label, _, _, scores = patients(43)
    yield (
        "scikit-learn's AUC in a loop, one model, 1,000 resamples", 43,
        lambda: auc_resample_by_resample(label, scores["model 0"], resamples=1_000),
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    print("| what | patients | seconds |\n|---|---:|---:|")
    for rows in (c_index_rows, auc_rows, bootstrap_rows):
        for task, n, work in rows():
            print(f"| {task} | {n:,} | {best_of(work):.3f} |", flush=True)


if __name__ == "__main__":
    main()
