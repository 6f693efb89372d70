"""What one synthetic head has in every slice: size, pose, fat, glands, fluid, metal."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from npc_demo.patient import COURSE, Patient
from npc_demo.shapes import Bend

FIELDS_OF_VIEW_MM = (230.0, 240.0, 250.0)


def stream(patient: Patient, *names: str) -> np.random.Generator:
    """Return the random generator of one named step of one patient."""
    return np.random.default_rng([patient.seed, zlib.crc32("/".join(names).encode())])


@dataclass(frozen=True)
class Habitus:
    """What one head has in all slices."""

    bend: Bend
    field_of_view_mm: float
    fat_mm: float  # added under the skin
    treated: bool
    gland_scale: float
    airway_scale: float
    metal: bool
    fluid: tuple[bool, bool, bool]  # mastoid left, mastoid right, maxillary sinus

    @classmethod
    def draw(cls, patient: Patient, timepoint: str) -> Habitus:
        """Draw the habitus; nothing here depends on stage, latents or outcome."""
        rng = stream(patient, "habitus")
        scale = np.clip(rng.normal(1.0, 0.03, 2), 0.93, 1.06) * (
            1.0 if patient.sex == "M" else 0.96
        )
        wave_mm = rng.uniform(110, 260, 12)
        direction = rng.uniform(0, 2 * np.pi, 12)
        vectors = np.stack([np.cos(direction), np.sin(direction)], axis=1)
        waves = np.column_stack(
            [
                vectors * (2 * np.pi / wave_mm)[:, None],
                rng.uniform(0, 2 * np.pi, 12),
                rng.normal(0, 0.75, (12, 2)),
            ]
        )
        fat = float(np.clip(rng.normal(1.0, 1.8), -1.5, 6.0))
        metal, fluid = rng.random() < 0.3, tuple(rng.random(3) < 0.2)
        field_of_view = float(rng.choice(FIELDS_OF_VIEW_MM))
        loss, gland, airway = rng.uniform(0.3, 2.2), rng.uniform(0.84, 0.95), rng.uniform(0.9, 0.99)
        course = COURSE[timepoint]
        pose = stream(patient, "pose", timepoint)
        return cls(
            bend=Bend(
                scale=scale,
                waves=waves,
                angle=float(np.deg2rad(np.clip(pose.normal(0, 2.8), -8, 8))),
                shift=np.clip(pose.normal(0, 2.5, 2), -8, 8) + [0.0, 2.0],
            ),
            field_of_view_mm=field_of_view,
            fat_mm=fat - loss * course,
            treated=course > 0,
            gland_scale=gland**course,
            airway_scale=airway**course,
            metal=bool(metal),
            fluid=fluid,
        )
