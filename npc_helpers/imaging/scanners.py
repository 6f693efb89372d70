"""With which scanners and sequences a study was imaged: what a methods section has to say."""

from pathlib import Path

import pandas as pd

from npc_helpers.imaging.headers import FRAMES, Tags, parts_that_tell
from npc_helpers.study import Study
from npc_helpers.study.artefacts import dicom_files
from npc_helpers.study.dicom_file import DicomError, open_dicom
from npc_helpers.study.progress import progress_bar

TAGS = {
    "maker": ("Manufacturer",),
    "model": ("ManufacturerModelName",),
    "software": ("SoftwareVersions",),
    "field_t": ("MagneticFieldStrength",),
}
NUMBERS = {
    "TR_ms": ("RepetitionTime",),
    "TE_ms": ("EchoTime", "EffectiveEchoTime"),
    "thickness_mm": ("SliceThickness",),
    "rows": ("Rows",),
}
UNKNOWN = "not stated"


def scanner_table(study: Study) -> pd.DataFrame:
    """Return one row for each scanner and sequence, from the header of each series' first image.

    Columns: maker, model, software, field_t (tesla), sequence, series, patients, and TR_ms, TE_ms,
    thickness_mm and rows as text, a range where they differ. What a header does not say, for
    instance after de-identification, is "not stated".
    """
    manifest = study.manifest
    folders = [study.folder / path for path in manifest["path"]]
    bar = progress_bar(folders, desc="headers", unit="series", leave=False)
    headers = pd.DataFrame([_header(folder) for folder in bar], index=manifest.index)
    table = manifest[["patient_id", "sequence"]].join(headers)
    groups = table.groupby([*TAGS, "sequence"], sort=True)
    counts = groups["patient_id"].agg(series="size", patients="nunique")
    return counts.join(groups[list(NUMBERS)].agg(_range)).reset_index()


def _header(folder: Path) -> dict[str, str]:
    """Return what the first file of a series says, in its header or in functional groups."""
    named = TAGS | NUMBERS
    wanted = [*FRAMES, *(keyword for keywords in named.values() for keyword in keywords)]
    try:
        path = dicom_files(folder)[0]
        told = parts_that_tell(Tags(open_dicom(path, pixels=False, keywords=wanted), path))
        return {name: _text(told, keywords) for name, keywords in named.items()}
    except (DicomError, IndexError):  # the reader of the series says what is wrong with it
        return dict.fromkeys(named, UNKNOWN)


def _text(told: list[Tags], keywords: tuple[str, ...]) -> str:
    texts = (part.text(keyword).replace("\\", " ") for keyword in keywords for part in told)
    return next(filter(None, texts), UNKNOWN)


def _range(values: pd.Series) -> str:
    """Return "4000", or "3800-4200" if the values differ."""
    numbers = pd.to_numeric(values, errors="coerce").dropna()
    if numbers.empty:
        return UNKNOWN
    low, high = numbers.min(), numbers.max()
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"
