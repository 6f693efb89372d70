"""Until when each patient was followed: what outcome, screening and checks of a study share."""

import pandas as pd

from npc_helpers.study.schema import ENDS

DAYS_PER_MONTH = 30.4375


def first_event(registry: pd.DataFrame) -> pd.Series:
    """Return the date of progression or death, whichever came first (NaT: neither)."""
    return registry[["progression_date", "death_date"]].min(axis=1)


def followed_days(registry: pd.DataFrame) -> pd.Series:
    """Return the days from the start of treatment to the first event, or else the last review."""
    end = first_event(registry).fillna(registry["last_review_date"])
    return (end - registry["treatment_start"]).dt.days


def without_end(registry: pd.DataFrame) -> pd.Series:
    """Tell who has no end of follow-up, in a study in which somebody has one."""
    ended = registry[ENDS].notna().any(axis=1)
    return ~ended & ended.any()


def last_reviews(registry: pd.DataFrame, visits: pd.DataFrame) -> pd.Series:
    """Return the last review of each patient; of those without any end, from the visits."""
    reviews = visits[visits["kind"] == "review"].groupby("patient_id")["visit_date"].max()
    latest = registry["patient_id"].map(reviews)
    return registry["last_review_date"].mask(without_end(registry), latest)
