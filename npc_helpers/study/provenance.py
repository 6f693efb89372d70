"""How the rectangles of a study came about: who drew them, or what stands in their place."""

import pandas as pd

PROVENANCE = {  # what the column source says -> how the rectangle came about
    "manual": "drawn",
    "copied": "drawn",  # by a reader, from the slice before or the other sequence
    "contours": "contours",
    "suggested": "suggested",
    "default": "default",
}
WORDS = {
    "drawn": "drawn by a reader",
    "contours": "taken from contours",
    "suggested": "suggested by the study",
    "default": "in the default place, drawn by nobody",
}


def provenance(rois: pd.DataFrame) -> pd.DataFrame:
    """Count the rectangles of an ROI table by how they came about.

    Returns
    -------
    DataFrame
        One row per way and reader, in this order: ``drawn`` by a reader on the images (or copied
        by one from another slice or sequence), taken from ``contours``, ``suggested`` by the
        study, ``default`` (in the middle of the image: nobody looked). Columns provenance,
        reader_id (blank if nobody drew), images, patients, share (of all images).

    Raises
    ------
    ValueError
        If the column source holds anything else.

    Examples
    --------
    >>> rows = [("P1", "manual", "anna")] * 3 + [("P2", "default", "")]
    >>> rois = pd.DataFrame(rows, columns=["patient_id", "source", "reader_id"])
    >>> print(provenance(rois).to_string(index=False))
    provenance reader_id  images  patients  share
         drawn      anna       3         1   0.75
       default                 1         1   0.25
    """
    unknown = sorted(set(map(str, rois["source"])) - set(PROVENANCE))
    if unknown:
        raise ValueError(
            f"the column source says '{unknown[0]}'; it may say {', '.join(PROVENANCE)}."
        )
    ways = pd.CategoricalIndex(rois["source"].map(PROVENANCE), dict.fromkeys(PROVENANCE.values()))
    readers = rois["reader_id"].fillna("").where(ways == "drawn", "")
    groups = rois.groupby([ways.rename("provenance"), readers], observed=True)["patient_id"]
    table = groups.agg(images="size", patients="nunique").reset_index()
    table["provenance"] = table["provenance"].astype(str)
    return table.assign(share=table["images"] / max(len(rois), 1))


def provenance_sentence(rois: pd.DataFrame) -> str:
    """Say in one sentence how rectangles came about; the terms are those of `provenance`.

    Examples
    --------
    >>> rows = [("P1", "manual", "anna")] * 3 + [("P2", "suggested", "")]
    >>> rois = pd.DataFrame(rows, columns=["patient_id", "source", "reader_id"])
    >>> print(provenance_sentence(rois))
    4 rectangles of 2 patients: 3 drawn by a reader (anna 3); 1 suggested by the study.
    >>> print(provenance_sentence(rois.head(1)))
    1 rectangle of 1 patient: 1 drawn by a reader (anna 1).
    """
    table, parts = provenance(rois), []
    for way, rows in table.groupby("provenance", sort=False):
        readers = [f"{row.reader_id or 'without a name'} {row.images}" for row in rows.itertuples()]
        named = f" ({', '.join(readers)})" if way == "drawn" else ""
        parts.append(f"{rows['images'].sum():,} {WORDS[way]}{named}")
    n, people = len(rois), rois["patient_id"].nunique()
    counted = f"{n:,} rectangle{'s' * (n != 1)} of {people} patient{'s' * (people != 1)}"
    return f"{counted}: {'; '.join(parts)}." if parts else f"{counted}."
