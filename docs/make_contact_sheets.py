"""Draw the contact sheets of the demonstration study: ``python docs/make_contact_sheets.py``.

The images come straight from the generator, so the study need not be built.
"""

import sys
from pathlib import Path

import numpy as np
from npc_demo.anatomy import draw_anatomy
from npc_demo.mri import LEVEL_NAMES, Scan, acquire, render, scan_stream
from npc_demo.patient import Patient
from npc_demo.protocols import DEFAULT, PROTOCOLS
from npc_demo.registry import make_cohort
from PIL import Image, ImageDraw

from npc_helpers.imaging.brightness import intensity_range, stretch

FOLDER = Path(__file__).resolve().parent / "images"
SIZE = 210  # of a panel, in pixels
TITLE = 16
BRIGHTEST = {"t2w": 98.0, "t1c": 99.6}  # percentile at the upper end of the window
GREYS = 28  # keeps a sheet below 300 kB
Panel = tuple[str, np.ndarray]


def panel(text: str, stack: np.ndarray, level: str, *, high: float = BRIGHTEST["t2w"]) -> Panel:
    """Return one slice of a series under a title; the window ends at the percentile `high`."""
    image = stack[LEVEL_NAMES.index(level), 24:488, 24:488]
    return text, stretch(image, *intensity_range(stack, high=high))


def sheet(rows: list[list[Panel]], name: str) -> None:
    """Write one sheet as a grey PNG."""
    width, height = SIZE * max(map(len, rows)), (SIZE + TITLE) * len(rows)
    page = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(page)
    for row, panels in enumerate(rows):
        for column, (text, image) in enumerate(panels):
            x, y = column * SIZE, row * (SIZE + TITLE)
            small = Image.fromarray(image).resize((SIZE - 2, SIZE - 2), Image.Resampling.LANCZOS)
            page.paste(small, (x, y + TITLE))
            draw.text((x + 3, y + 2), text, fill=255)
    path = FOLDER / f"{name}.png"
    page.quantize(GREYS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"wrote {path.name}: {path.stat().st_size / 1000:.0f} kB")


def levels(patients: list[Patient]) -> list[list[Panel]]:
    """Return all slices of one patient on both sequences, uppermost first."""
    images = render(_like(patients, t_category=3, n_category=2), "pre")
    return [
        [
            panel(f"{sequence} {level}", images[sequence], level, high=BRIGHTEST[sequence])
            for level in reversed(LEVEL_NAMES)
        ]
        for sequence in ("t2w", "t1c")
    ]


def t_categories(patients: list[Patient]) -> list[list[Panel]]:
    """Return one patient per T category at the three levels that decide on it."""
    views = (
        ("t2w", "rosenmueller"),
        ("t1c", "rosenmueller"),
        ("t1c", "sphenoid"),
        ("t1c", "sella"),
    )
    made = {t: render(_like(patients, t_category=t), "pre") for t in (1, 2, 3, 4)}
    return [
        [
            panel(f"T{t} {sequence} {level}", made[t][sequence], level, high=BRIGHTEST[sequence])
            for t in made
        ]
        for sequence, level in views
    ]


def responses(patients: list[Patient], response: dict[str, str]) -> list[list[Panel]]:
    """Return a patient per type of response, before and after treatment."""
    rows = []
    for kind in ("complete", "indeterminate", "partial"):
        some = [patient for patient in patients if response[patient.patient_id] == kind]
        patient = _like(some, t_category=2)
        made = {timepoint: render(patient, timepoint) for timepoint in ("pre", "post")}
        rows.append(
            [
                panel(
                    f"{kind}: {timepoint} {sequence}",
                    made[timepoint][sequence],
                    "rosenmueller",
                    high=BRIGHTEST[sequence],
                )
                for sequence in ("t2w", "t1c")
                for timepoint in ("pre", "post")
            ]
        )
    return rows


def artefacts(patients: list[Patient]) -> list[list[Panel]]:
    """Return the strongest examples among the patients, and what other scanners would show."""
    ghost = max(patients, key=lambda patient: _scan(patient).ghost)
    swap = max(patients, key=lambda patient: _scan(patient).failure)
    metal = next(patient for patient in patients if draw_anatomy(patient, "pre").fat_failures)
    first = next(patient for patient in patients if not draw_anatomy(patient, "pre").fat_failures)
    return [
        [
            panel("motion ghosts, t2w", _acquire(ghost), "rosenmueller", high=90),
            panel("fat not suppressed, t2w", _acquire(swap), "hyoid", high=95),
            panel("dental metal, t2w", _acquire(metal), "axis", high=95),
        ],
        [
            panel("fat image (decoy series)", _acquire(first, image="fat"), "axis"),
            panel(
                "upgraded scanner, t2w", _acquire(first, protocol="1.5T upgraded"), "axis", high=95
            ),
            panel("second centre (3 T), t2w", _acquire(first, protocol="3T"), "axis", high=95),
        ],
    ]


def _like(patients: list[Patient], **wanted: int) -> Patient:
    """Return the patient with these categories whose latent variables are nearest to average."""
    some = [
        patient for patient in patients if all(getattr(patient, k) == v for k, v in wanted.items())
    ]
    return min(some, key=lambda patient: abs(patient.aggressiveness))


def _scan(patient: Patient) -> Scan:
    return Scan.draw(scan_stream(patient, "pre", "t2w"), PROTOCOLS[DEFAULT])


def _acquire(patient: Patient, **options: str) -> np.ndarray:
    anatomy = draw_anatomy(patient, "pre")
    return acquire(anatomy, "t2w", scan_stream(patient, "pre", "t2w"), **options)


def main() -> int:
    """Write all sheets to ``docs/images/``."""
    cohort = make_cohort()
    patients = list(cohort.patients)
    response = cohort.truth.set_index("patient_id")["response"].to_dict()
    sheet(levels(patients), "sheet_levels")
    sheet(t_categories(patients), "sheet_t_categories")
    sheet(responses(patients, response), "sheet_responses")
    sheet(artefacts(patients), "sheet_artefacts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
