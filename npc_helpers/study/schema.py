"""What a study's tables hold: every column once, with its kind, values, unit and meaning.

Reading, checking, the empty tables of a new study and the data dictionary all use these lists.
"""

from dataclasses import dataclass

T_VALUES = {7: ("T1", "T2", "T3", "T4"), 8: ("T0", "T1", "T2", "T3", "T4")}
N_VALUES = {7: ("N0", "N1", "N2", "N3", "N3a", "N3b"), 8: ("N0", "N1", "N2", "N3")}
M_VALUES = ("M0", "M1")
EDITIONS = (7, 8)
MISSING = ("", "n/a")
MARKUP = "<>&$\\"  # signs that a page, a formula or a DICOM header takes for something else


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    kind : {"text", "choice", "yes_no", "integer", "number", "date"}
    values : tuple of str
        The allowed values of a choice.
    required : bool
        The column has to exist; a column that does not is read as blank throughout.
    low, high : float or None
        Plausible range of a number, both ends allowed.
    is_name : bool
        A text that names somebody or something and is shown: only signs that print, and none of
        `MARKUP`.
    """

    name: str
    kind: str
    meaning: str
    values: tuple[str, ...] = ()
    unit: str = ""
    required: bool = True
    may_be_blank: bool = False
    low: float | None = None
    high: float | None = None
    is_name: bool = False


@dataclass(frozen=True)
class Table:
    """One table of a study, which lies at `path` in its folder.

    The columns of `key` together may occur once only; it is empty where rows may repeat. A study
    without a `required` table is no study.
    """

    name: str
    path: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    required: bool = True

    def column(self, name: str) -> Column:
        """Return one column by its name."""
        return next(column for column in self.columns if column.name == name)


def _choice(name: str, meaning: str, *values: str, **more: bool) -> Column:
    return Column(name, "choice", meaning, values, **more)


def _yes_no(name: str, meaning: str) -> Column:
    return Column(name, "yes_no", meaning, ("yes", "no"))


def _integer(name: str, meaning: str, unit: str = "", *, low: float, **more: bool) -> Column:
    return Column(name, "integer", meaning, unit=unit, low=low, **more)


def _date(name: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, "date", meaning, required=required, may_be_blank=True)


BLANK = {"may_be_blank": True}
OPTIONAL = {"may_be_blank": True, "required": False}
PROGRESSION_SITES = ("local", "regional", "distant")

PATIENT_ID = Column(
    "patient_id", "text", "pseudonym of the patient, the same in every table", is_name=True
)
TIMEPOINT = _choice("timepoint", "before treatment or after its first course", "pre", "post")
SEQUENCE = _choice(
    "sequence", "axial water T2-weighted, or contrast-enhanced water T1-weighted", "t2w", "t1c"
)
TIMEPOINTS, SEQUENCES = TIMEPOINT.values, SEQUENCE.values
ENDS = ["progression_date", "death_date", "last_review_date"]
"""Columns that end the follow-up; who has none of them has no outcome."""
IMAGE_KEY = ("patient_id", "timepoint", "sequence", "slice_index")  # which image of a study
MODELS = dict(zip(TIMEPOINTS, ("Pre-model", "Post-model"), strict=True))
"""What the model of each time point is called."""

REGISTRY = Table(
    "registry",
    "data/registry.csv",
    "One row per patient who was considered for the study.",
    (
        PATIENT_ID,
        _choice("sex", "sex", "M", "F", **BLANK),
        _integer("age_years", "age at diagnosis", "years", low=0, high=120, **BLANK),
        _yes_no("primary_npc", "primary nasopharyngeal carcinoma, proven by pathology"),
        _yes_no("treated_here", "treated in the hospital of the study"),
        _yes_no("recurrent_disease", "presented with a recurrence after earlier treatment"),
        _yes_no("metastasis_before_diagnosis", "distant metastasis known before the diagnosis"),
        _choice(
            "t_stage", "T category; T0 exists in the 8th edition only", *T_VALUES[8], **BLANK
        ),
        _choice(
            "n_stage", "N category; N3a and N3b exist in the 7th edition only", *N_VALUES[7],
            **BLANK,
        ),
        _choice("m_stage", "M category", *M_VALUES, **BLANK),
        _choice(
            "tnm_edition", "AJCC edition by which T, N and M were given", *map(str, EDITIONS)
        ),
        _choice(
            "treatment",
            "first course: radiotherapy (RT), with concurrent chemotherapy (CCRT), after "
            "induction chemotherapy (IC)",
            *("CCRT", "IC+CCRT", "IC+RT", "RT"), **BLANK,
        ),
        _yes_no("surgery", "surgery was part of the treatment"),
        _yes_no("imaging_complete", "all four MR series could be retrieved"),
        Column(
            "ebv_dna_copies_per_ml", "number", "Epstein-Barr virus DNA in plasma before treatment",
            unit="copies/mL", low=0, **OPTIONAL,
        ),
        _date("diagnosis_date", "date of the pathological diagnosis"),
        _date("treatment_start", "first day of treatment; progression-free survival starts here"),
        _date("treatment_end", "last day of the first course; regular review starts here"),
        _date("mri_pre_date", "MRI before treatment; blank if there was none"),
        _date("mri_post_date", "MRI after the first course; blank if there was none"),
        _date("progression_date", "first recurrence or metastasis; blank if none", required=False),
        _choice(
            "progression_type", "site of the first progression; blank if none",
            *PROGRESSION_SITES, **OPTIONAL,
        ),
        _date("death_date", "death of any cause; blank if alive", required=False),
        _date(
            "last_review_date",
            "last review at which the patient was seen; blank: the last one in the visits",
            required=False,
        ),
    ),
    key=("patient_id",),
)  # fmt: skip

VISITS = Table(
    "visits",
    "data/visits.csv",
    "One row per follow-up visit or telephone call. Without this table regular review "
    "cannot be judged.",
    (
        PATIENT_ID,
        Column("visit_date", "date", "date of the visit or call"),
        _choice("kind", "seen, or called", "review", "telephone"),
        Column(
            "examinations", "text",
            "what was done, separated by ';', e.g. nasopharynx_mri;lung_ct;abdomen_ct", **OPTIONAL,
        ),
        _choice("finding", "what was found", "none", *PROGRESSION_SITES, "death", **OPTIONAL),
    ),
    required=False,
)  # fmt: skip

MANIFEST = Table(
    "manifest",
    "data_manifest.csv",
    "One row per MR series.",
    (
        PATIENT_ID,
        TIMEPOINT,
        SEQUENCE,
        Column("path", "text", "folder of the series, relative to the study, with forward slashes"),
        _integer("n_images", "number of .dcm files in the folder", "images", low=1),
        _choice("source", "where the images come from", "synthetic", "hospital", "public"),
        Column("sha256", "text", "checksum of the series: study.series_checksum(folder)"),
    ),
    key=("patient_id", "timepoint", "sequence"),
)

ROI_COLUMNS = (
    PATIENT_ID,
    TIMEPOINT,
    SEQUENCE,
    _integer(
        "slice_index", "0 = lowest position along the slice normal, as read_series sorts", low=0
    ),
    _integer("x0", "first column inside the rectangle", "pixels", low=0),
    _integer("y0", "first row inside the rectangle", "pixels", low=0),
    _integer("x1", "first column right of the rectangle", "pixels", low=1),
    _integer("y1", "first row below the rectangle", "pixels", low=1),
    _choice(
        "source", "how the rectangle came about",
        *("suggested", "contours", "default", "manual", "copied"),
    ),
    Column("reader_id", "text", "who drew it; blank if nobody did", is_name=True, **BLANK),
)  # fmt: skip

SUGGESTED_ROIS = Table(
    "suggested_rois",
    "data/suggested_rois.csv",
    "Rectangles offered to start from, one row per image. Optional.",
    ROI_COLUMNS,
    key=IMAGE_KEY,
    required=False,
)

TABLES = (REGISTRY, VISITS, MANIFEST, SUGGESTED_ROIS)
TABLE_PATHS = {table.name: table.path for table in TABLES}


def tables_page() -> str:
    """Return the description of every table a user fills, as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        "Tables are UTF-8 CSV with commas. A blank cell (or `n/a`) means not available. Dates are",
        "`YYYY-MM-DD`. This page is printed from the lists the checks use:",
        "`python -m npc_helpers.study dictionary`.",
        "",
    ]
    for table in TABLES:
        lines += [f"## `{table.path}`", "", table.meaning, ""]
        if table.key:
            lines += [f"Once only: {' + '.join(table.key)}.", ""]
        lines += [
            "| column | kind | values or unit | may be blank | meaning |",
            "|---|---|---|---|---|",
        ]
        lines += [_dictionary_row(column) for column in table.columns]
        lines.append("")
    return "\n".join(lines)


def _dictionary_row(column: Column) -> str:
    values = ", ".join(f"`{value}`" for value in column.values) or column.unit
    values = f"signs that print, none of `{' '.join(MARKUP)}`" if column.is_name else values
    blank = "yes" if column.may_be_blank else "no"
    if not column.required:
        blank = "yes; the column may be left out"
    kind = column.kind.replace("_", "/")
    return f"| `{column.name}` | {kind} | {values} | {blank} | {column.meaning} |"
