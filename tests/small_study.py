"""A made-up study of a few eligible patients in a temporary folder, for tests to spoil.

The image files hold a few bytes only, as most tests never open one; `with_images` writes real ones.
"""

import dicom_making
import pandas as pd

from npc_helpers.study.artefacts import series_checksum
from npc_helpers.study.schema import MANIFEST, REGISTRY, VISITS

PATHS = {"registry": REGISTRY.path, "visits": VISITS.path, "manifest": MANIFEST.path}
SERIES = [(timepoint, sequence) for timepoint in ("pre", "post") for sequence in ("t2w", "t1c")]


def day(number):
    return (pd.Timestamp("2015-01-01") + pd.Timedelta(days=number)).strftime("%Y-%m-%d")


def registry_row(number, *, review_days):
    """Patient whose treatment lasts from day 20 to day 80, last seen `review_days` later."""
    return {
        "patient_id": f"H-{number:02d}",
        "sex": "MF"[number % 2],
        "age_years": 40 + number,
        "primary_npc": "yes",
        "treated_here": "yes",
        "recurrent_disease": "no",
        "metastasis_before_diagnosis": "no",
        "t_stage": ("T3", "T4")[number % 2],
        "n_stage": "N2",
        "m_stage": "M0",
        "tnm_edition": 8,
        "treatment": "IC+CCRT",
        "surgery": "no",
        "imaging_complete": "yes",
        "ebv_dna_copies_per_ml": "",
        "diagnosis_date": day(0),
        "treatment_start": day(20),
        "treatment_end": day(80),
        "mri_pre_date": day(10),
        "mri_post_date": day(90),
        "progression_date": "",
        "progression_type": "",
        "death_date": "",
        "last_review_date": day(80 + review_days),
    }


def make_study(folder, *, patients=6):
    """Write the study and return its folder; every patient passes all ten criteria."""
    registry, visits, manifest = [], [], []
    for number in range(1, patients + 1):
        follow_up = 90 * (8 + number % 4)
        row = registry_row(number, review_days=follow_up)
        registry.append(row)
        for visit in range(90, follow_up + 1, 90):
            visits.append([row["patient_id"], day(80 + visit), "review", "nasopharynx_mri", "none"])
        for timepoint, sequence in SERIES:
            path = f"data/images/{row['patient_id']}/{timepoint}/{sequence}"
            manifest.append([row["patient_id"], timepoint, sequence, path, 2, "hospital"])
    manifest = pd.DataFrame(manifest, columns=[c.name for c in MANIFEST.columns[:-1]])
    manifest["sha256"] = [write_series(folder / path) for path in manifest["path"]]
    visits = pd.DataFrame(visits, columns=[column.name for column in VISITS.columns])
    save(folder, "registry", pd.DataFrame(registry))
    save(folder, "visits", visits)
    save(folder, "manifest", manifest)
    return folder


def write_series(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number in (1, 2):
        (folder / f"{number}.dcm").write_bytes(f"{'/'.join(folder.parts[-3:])} {number}".encode())
    return series_checksum(folder)


def with_images(folder, *, slices=3):
    """Put real DICOM series of 512 x 512 in the place of the study's image files."""
    manifest, registry = load(folder, "manifest"), load(folder, "registry").set_index("patient_id")
    manifest["n_images"] = slices
    for row in manifest.itertuples():
        for path in (folder / row.path).iterdir():
            path.unlink()
        echo = {"t2w": (4000, 90), "t1c": (600, 10)}[row.sequence]
        dicom_making.write_series(
            folder / row.path,
            dicom_making.noise(slices, 512, 512, seed=row.Index),
            patient_id=row.patient_id,
            StudyDate=registry.at[row.patient_id, f"mri_{row.timepoint}_date"].replace("-", ""),
            SeriesInstanceUID=f"{dicom_making.PREFIX}.9.{row.Index}",
            SeriesDescription=f"Ax {row.sequence}",
            RepetitionTime=echo[0],
            EchoTime=echo[1],
        )
        manifest.loc[row.Index, "sha256"] = series_checksum(folder / row.path)
    save(folder, "manifest", manifest)
    return folder


def load(folder, name):
    return pd.read_csv(folder / PATHS[name], dtype=str, keep_default_na=False)


def save(folder, name, table):
    path = folder / PATHS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def change(name, row, column, value):
    """Return a function that sets one cell of a study's table."""

    def spoil(folder):
        table = load(folder, name)
        table.loc[row, column] = value
        save(folder, name, table)

    return spoil
