"""What a lesson says of its results, and what it asks: claims, and exercises that answer."""

from npc_helpers.exercises import (  # noqa: F401  (each enters its exercises)
    appraising,
    comparing,
    hospitals,
    labels,
    maps,
    patients,
    precision,
    probabilities,
    rectangles,
    survival,
    training,
    traps,
)
from npc_helpers.exercises.checking import check
from npc_helpers.exercises.claims import ClaimError, claim
from npc_helpers.exercises.pictures import telling_slice
from npc_helpers.exercises.tables import check_spoiled_copy

__all__ = ["ClaimError", "check", "check_spoiled_copy", "claim", "telling_slice"]
