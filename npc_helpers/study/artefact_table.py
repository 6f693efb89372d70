"""What the notebooks leave behind: who makes each artefact, of what, and what stands in it.

The one place that knows the notebooks by name. Reading, writing, "run this notebook first" and
the question whether an artefact is still current (`results`) all follow from this table.
"""

from dataclasses import dataclass

from npc_helpers.study.artefacts import StudyError
from npc_helpers.study.schema import IMAGE_KEY

SETTING = "setting"  # as an input: every choice of the present setting
DRAWN = "rectangles drawn by hand"  # as an input: what the readers drew, whoever and whenever


@dataclass(frozen=True)
class Artefact:
    """One file that a notebook makes.

    Attributes
    ----------
    maker : str
        The notebook.
    inputs : tuple of str
        What it is made of: study tables and artefacts by name, `SETTING`, `DRAWN`. The images
        count through the checksums in the manifest, a model through its weights
        (``*_weights.npz``): equal ones make equal bytes, which is not true of ``*.keras``.
    columns : tuple of str
        What a table has to hold; it may hold more.
    of_setting : bool
        True if it lies in the folder of its setting; else both settings share it.
    reference : bool
        True if a copy ships with the suite, so that later notebooks open when this one's maker
        was not run.
    repeatable : bool
        True if the same inputs can only give the same values: other values are refused.
    """

    name: str
    maker: str
    inputs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    of_setting: bool = True
    reference: bool = False
    repeatable: bool = False


_AT_TIMEPOINT = {"pre": "03_train_pre_model", "post": "04_train_post_model"}


def _of_model(when: str, maker: str) -> list[Artefact]:
    """The artefacts of one of the two models."""
    learned_from = ("cohort.csv", "rois.csv", "manifest", SETTING)
    weights = f"{when}_weights.npz"
    return [
        Artefact(f"{when}_model.keras", maker, learned_from),
        Artefact(weights, maker, learned_from, reference=True),
        Artefact(
            f"predictions_{when}.csv", maker, (*learned_from, weights),
            (*IMAGE_KEY, "split", "high_risk", "p_high_risk"), reference=True, repeatable=True,
        ),
    ]  # fmt: skip


PREDICTED = ("cohort.csv", "predictions_pre.csv", "predictions_post.csv")
_ALL = [
    Artefact(
        "cohort.csv", "01_screen_cohort", ("registry", "visits"),
        ("patient_id", "included", "excluded_by", "pfs_months", "progressed", "high_risk",
         "split"),
        of_setting=False, reference=True,
    ),
    Artefact(
        "flow.csv", "01_screen_cohort", ("registry", "visits"),
        ("criterion", "remaining_before", "lost", "remaining"), of_setting=False,
    ),
    Artefact(
        "scanners.csv", "02_crop_roi", ("manifest",), ("maker", "model", "sequence"),
        of_setting=False,
    ),
    Artefact(
        "rois.csv", "02_crop_roi", ("manifest", "suggested_rois", DRAWN),
        (*IMAGE_KEY, "x0", "y0", "x1", "y1", "source", "reader_id"),
        of_setting=False, reference=True,
    ),
    *_of_model("pre", _AT_TIMEPOINT["pre"]),
    *_of_model("post", _AT_TIMEPOINT["post"]),
    Artefact("comparison.csv", "05_compare_with_tnm", PREDICTED, ("model", "auc", "c_index")),
    Artefact("labels.csv", "08_question_the_label", PREDICTED, ("score", "label", "measure")),
    Artefact(
        "splits.csv", "10_how_sure",
        PREDICTED,
        ("split", "model", "auc", "c_index"),
    ),
    Artefact(
        "gradcam_scores.csv", "06_explore_gradcam",
        ("rois.csv", "manifest", SETTING, "pre_weights.npz", "post_weights.npz"), IMAGE_KEY,
    ),
    Artefact("appraisal.csv", "07_appraise_paper", (), ("claim", "printed", "verdict")),
    Artefact(
        "checklists.csv", "07_appraise_paper", (),
        ("guideline", "number", "item", "paper", "run", "run_where"),
    ),
]  # fmt: skip
ARTEFACTS = {artefact.name: artefact for artefact in _ALL}


def artefact(name: str) -> Artefact:
    """Return the row of one artefact; `StudyError` if the table has none of that name."""
    if name not in ARTEFACTS:
        raise StudyError(
            f"{name!r} is no artefact of the suite ({', '.join(ARTEFACTS)}). What notebooks hand "
            "on is described in npc_helpers/study/artefact_table.py; write anything else with "
            "pandas to a file of your own."
        )
    return ARTEFACTS[name]


def results_page() -> str:
    """Return the table of artefacts, and what becomes of what people make, as Markdown."""
    lines = [
        "## `results/`: what the notebooks leave",
        "",
        "Each file is made by one notebook, and its note (`<file>.from.json`) keeps the hashes of",
        "what it was made from and of its content. It is refused, with the notebook to run, once",
        "an input has changed or somebody has edited it. An edited file is never overwritten.",
        "Tables of synthetic patients have a column `synthetic`.",
        "",
        "| file | made by | from | columns, at least |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{row.name}` | {row.maker} | {', '.join(row.inputs)} | {', '.join(row.columns)} |"
        for row in ARTEFACTS.values()
    ]
    lines += [
        "",
        "## `data/by_hand/`: what people made",
        "",
        "The rectangles of each reader (`rois_<reader>.csv`). No command removes or rewrites",
        "anything here: `make clean` moves what somebody edited among the results to",
        "`data/by_hand/edited/`.",
        "",
    ]
    return "\n".join(lines)


def run_first(name: str) -> str:
    """Return the advice to whoever lacks an artefact: ``Run notebook 02_crop_roi first.``"""
    return f"Run notebook {artefact(name).maker} first."
