"""What a lesson says of its results, and what it asks: claims, and exercises that answer."""

from npc_course.exercises import (  # noqa: F401  (each enters its exercises)
    appraising,
    comparing,
    gaps,
    hospitals,
    labels,
    landmarks,
    maps,
    patients,
    precision,
    probabilities,
    rectangles,
    survival,
    training,
    traps,
)
from npc_course.exercises.checking import check
from npc_course.exercises.claims import ClaimError, claim
from npc_course.exercises.pictures import telling_slice
from npc_course.exercises.tables import check_spoiled_copy

__all__ = ["ClaimError", "check", "check_spoiled_copy", "claim", "telling_slice"]
