"""Exercises on probabilities of progression and on decisions by them."""

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from npc_course.exercises.checking import OtherForm, Wrong, compare, exercise, number, word
from npc_course.exercises.patients import HORIZON_MONTHS
from npc_helpers.statistics import calibration_at, median_survival, survival_net_benefit
from npc_helpers.study import NotInThisStudy, Study

ACT_AT = 0.25
ODDS = ACT_AT / (1 - ACT_AT)
CLOSE = 0.0005


@exercise(
    "09.1",
    form='`"earlier"`, `"later"` or `"equal"`',
    hint="The median of the observed times counts a patient who was lost like one who progressed.",
)
def median_pfs_comes(study: Study, answer: object, *, patients: pd.DataFrame) -> str:
    """Judge on which side of the median observed time the median PFS lies."""
    observed = patients["pfs_months"].median()
    median = median_survival(patients["pfs_months"], patients["progressed"])
    apart = median.value - observed
    truth = "equal" if abs(apart) < 0.5 else "later" if apart > 0 else "earlier"
    if word(answer, ("earlier", "later", "equal")) != truth:
        raise Wrong("A patient who was lost may have stayed well for long after that.")
    reached = "is not reached at all" if math.isinf(median.value) else f"is {median.value:.1f}"
    return f"The median observed time is {observed:.1f} months; the median PFS {reached}."


@exercise(
    "09.2",
    form="a probability between 0 and 1",
    hint="Free with probability `1 - risk`. With twice the hazard: that, twice in a row.",
)
def twice_the_hazard(study: Study, answer: object, *, risk: float) -> str:
    """Judge the risk of somebody with twice the hazard."""
    given, truth = number(answer), 1 - (1 - risk) ** 2
    twice = f"{given:.3f} is twice the risk, and a risk cannot be doubled without end."
    free = "That is the probability of staying free of progression."
    compare(given, truth, {twice: 2 * risk, free: (1 - risk) ** 2}, within=CLOSE)
    return (
        f"{truth:.3f}, and not {2 * risk:.3f}. Where risks are small the two are nearly equal, "
        "which is why a hazard ratio is so easily read as a ratio of risks."
    )


@exercise(
    "09.3",
    form="a list of names of models, `[]` for none",
    hint="Too extreme means: stretched too far from the average. Which slope shrinks them back?",
)
def too_extreme(
    study: Study, answer: object, *, patients: pd.DataFrame, p_event: Mapping[str, pd.Series]
) -> str:
    """Judge whose calibration slope lies below 1."""
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise OtherForm(repr(answer))
    names = set(map(str, answer))
    if not names <= set(p_event):
        raise Wrong(f"The models are {', '.join(p_event)}.")
    time, event = patients["pfs_months"], patients["progressed"]
    slopes = {name: calibration_at(time, event, p).slope.value for name, p in p_event.items()}
    truth = {name for name, slope in slopes.items() if slope < 1}
    if names == set(slopes) - truth != truth:
        raise Wrong("These are too close to the average, not too far from it.")
    if names != truth:
        raise Wrong(f"{len(names ^ truth)} of {len(p_event)} models are on the wrong side.")
    slopes_below = ", ".join(f"{name} {slopes[name]:.2f}" for name in p_event if name in truth)
    return f"Slopes below 1: {slopes_below or 'none'}. Multiplied by it, the log odds would fit."


@exercise(
    "09.4",
    form="a number",
    hint="`share` times (relapses minus the others at the rate of one third).",
)
def net_benefit(study: Study, answer: object, *, patients: pd.DataFrame, p_event: pd.Series) -> str:
    """Judge the net benefit of acting at a risk of one quarter."""
    if not (p_event >= ACT_AT).any():
        raise NotInThisStudy(f"nobody has a predicted risk of {ACT_AT:.0%}")
    table = survival_net_benefit(
        patients["pfs_months"],
        patients["progressed"],
        {"model": p_event},
        horizon=HORIZON_MONTHS,
        thresholds=[ACT_AT],
    ).set_index("model")["net_benefit"]
    truth, share, given = table["model"], float((p_event >= ACT_AT).mean()), number(answer)
    relapse = (truth / share + ODDS) / (1 + ODDS)
    per_treated = "That is the benefit per patient treated; it has to be shared by all patients."
    turned = "The rate is upside down: three are treated without need for one who needs it."
    one_side = "This counts those who need the treatment, and not those treated without need."
    mistakes = {
        per_treated: truth / share,
        turned: share * (relapse - (1 - relapse) / ODDS),
        one_side: share * relapse,
    }
    compare(given, truth, mistakes, within=CLOSE)
    return (
        f"{truth:.3f}: as good as finding {1000 * truth:.0f} relapses in 1,000 patients and "
        f"treating nobody without need. Treating everybody is worth {table['treat all']:.3f}."
    )
