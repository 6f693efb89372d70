"""Write "published figure - this study" into the page of the demonstration study.

    python docs/published_figures.py

The published values are those of Li et al. 2022, sections 2.1, 2.3 and 3.1 and Table 1; the others
are counted in the committed tables.
"""

from pathlib import Path

import pandas as pd
from npc_demo.mri import MATRIX
from npc_demo.protocols import DEFAULT, PROTOCOLS

from npc_helpers.cohort.screening import CRITERIA
from npc_helpers.statistics import table_one

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "demonstration_study.md"
BEGIN, END = "<!-- published figures: begin -->\n", "<!-- published figures: end -->\n"
HEAD = ("| what | where | published | this study |", "|---|---|---|---|")

# level: training, test, P (on the first level of a characteristic)
TABLE_1 = {
    ("age", "< 45"): (40, 11, None),
    ("age", "45-55"): (73, 15, None),
    ("age", "> 55"): (50, 17, None),
    ("Sex", "M"): (114, 33, 0.380),
    ("Sex", "F"): (49, 10, None),
    ("Stage (8th edition)", "III"): (108, 24, 0.204),
    ("Stage (8th edition)", "IVA"): (55, 19, None),
    ("T", "T1"): (15, 5, 0.806),
    ("T", "T2"): (53, 15, None),
    ("T", "T3"): (54, 11, None),
    ("T", "T4"): (41, 12, None),
    ("N", "N0"): (9, 2, 0.570),
    ("N", "N1"): (19, 3, None),
    ("N", "N2"): (113, 29, None),
    ("N", "N3"): (22, 9, None),
    ("Treatment", "CCRT"): (30, 12, 0.169),
    ("Treatment", "IC+CCRT or IC+RT"): (133, 31, None),
}
COLUMNS = {
    "Sex": "sex",
    "Stage (8th edition)": "stage_8th",
    "T": "t_stage",
    "N": "n_stage",
    "Treatment": "treatment",
}


def lines(root: Path = ROOT) -> list[str]:
    """Return the rows of the table in Markdown.

    Parameters
    ----------
    root : Path
        Study folder with ``data/reference/cohort.csv``.

    Returns
    -------
    list of str
    """
    everybody = pd.read_csv(root / "data" / "reference" / "cohort.csv")
    cohort = everybody[everybody["included"]].copy()
    cohort["treatment"] = cohort["treatment"].where(
        cohort["treatment"] == "CCRT", "IC+CCRT or IC+RT"
    )
    rows = [
        *_screening(root, everybody, cohort),
        *_images(root),
        *_people(cohort),
        *_table_1(cohort),
    ]
    return [*HEAD, *("| " + " | ".join(row) + " |" for row in rows)]


def _screening(root: Path, everybody: pd.DataFrame, cohort: pd.DataFrame) -> list[tuple]:
    registry = pd.read_csv(root / "data" / "registry.csv", parse_dates=["diagnosis_date"])
    registry = registry[registry["patient_id"].isin(cohort["patient_id"])]
    dates = registry["diagnosis_date"]
    kinds = [criterion.kind for criterion in CRITERIA]
    last = pd.to_datetime(registry["last_review_date"]).max()
    return [
        ("patients screened", "2.1, 4", "more than 1000; 1034", str(len(everybody))),
        ("patients included", "2.3", "206", str(len(cohort))),
        ("diagnosed", "2.1", "June 2012 to January 2018",
         f"{dates.min():%B %Y} to {dates.max():%B %Y} (shifted)"),
        ("end of follow-up", "2.1", "20 November 2019 to 5 January 2020",
         f"{last:%d %B %Y} at the latest (shifted)"),
        ("stage edition", "2.1", "7th (but IVa as in the 8th)",
         f"{'/'.join(str(n) for n in registry['tnm_edition'].unique())}th recorded, 8th counted"),
        ("inclusion, exclusion criteria", "2.1", "5, 5",
         f"{kinds.count('inclusion')}, {kinds.count('exclusion')}"),
    ]  # fmt: skip


def _images(root: Path) -> list[tuple]:
    boxes = pd.read_csv(root / "data" / "suggested_rois.csv")
    width, height = boxes["x1"] - boxes["x0"], boxes["y1"] - boxes["y0"]
    series = pd.read_csv(root / "data_manifest.csv")
    kinds = series.groupby(["timepoint", "sequence"]).ngroups
    return [
        ("field strength, T", "2.3", "1.5", f"{PROTOCOLS[DEFAULT].field_t:g}"),
        ("matrix", "2.3", "512 x 512", f"{MATRIX} x {MATRIX}"),
        ("series of a patient (2 sequences, 2 time points)", "2.3", "4", str(kinds)),
        ("images of a series", "-", "not stated", str(series["n_images"].iloc[0])),
        ("region of interest, pixels (mean)", "2.3", "about 400 x 200",
         f"{width.mean():.0f} x {height.mean():.0f}"),
    ]  # fmt: skip


def _people(cohort: pd.DataFrame) -> list[tuple]:
    rows = []
    published = {"M": ("male", "147; 50.0; 16-74"), "F": ("female", "59; 50.5; 18-75")}
    for sex, (name, value) in published.items():
        age = cohort.loc[cohort["sex"] == sex, "age_years"]
        recomputed = f"{len(age)}; {age.mean():.1f}; {age.min():.0f}-{age.max():.0f}"
        rows.append((f"{name}: number; mean age; range", "2.3", value, recomputed))
    train, test = ((cohort["split"] == side).sum() for side in ("train", "test"))
    low, median, high = cohort["pfs_months"].quantile([0.25, 0.5, 0.75])
    stage = cohort["stage_8th"].value_counts()
    return [
        *rows,
        ("training : test", "2.3", "4 : 1", f"{train / test:.1f} : 1"),
        ("training, test", "3.1", "163, 43", f"{train}, {test}"),
        ("stage III, IVa", "3.1", "132, 74", f"{stage['III']}, {stage['IVA']}"),
        ("follow-up, months: median; quartiles", "3.1", "36.00; 26.25, 48.75",
         f"{median:.2f}; {low:.2f}, {high:.2f}"),
    ]  # fmt: skip


def _table_1(cohort: pd.DataFrame) -> list[tuple]:
    parts = [cohort[cohort["split"] == side] for side in ("train", "test")]
    ages = [f"{part['age_years'].mean():.2f} ± {part['age_years'].std():.2f}" for part in parts]
    p_values = table_one(cohort)["P"].groupby(level=0).first().astype(float)
    rows = [
        ("age, mean ± SD: training, test; P", "Table 1", "51.63 ± 10.21, 49.82 ± 11.59; 0.351",
         f"{', '.join(ages)}; {p_values['Age, years']:.3f}")
    ]  # fmt: skip
    bands = cohort["age_years"].map(lambda a: "< 45" if a < 45 else "> 55" if a > 55 else "45-55")
    for (characteristic, level), (train, test, p) in TABLE_1.items():
        label = bands if characteristic == "age" else cohort[COLUMNS[characteristic]]
        counts = [int((label[part.index] == level).sum()) for part in parts]
        rows.append(
            (f"{characteristic}, {level}: total (training, test){'' if p is None else '; P'}",
             "Table 1", _counts(train, test, p),
             _counts(*counts, None if p is None else p_values[characteristic]))
        )  # fmt: skip
    return rows


def _counts(train: int, test: int, p: float | None) -> str:
    return f"{train + test} ({train}, {test})" + ("" if p is None else f"; {p:.3f}")


def main() -> None:
    """Replace the table between the two marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    text = before + BEGIN + "\n".join(lines()) + "\n" + END + after
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
