"""A page with pictures and buttons on which a person decides which series is which.

The page lies on a disk and asks no server for anything. `SeriesDecisions` shows the same in a
notebook and saves every decision at once.
"""

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import traitlets
from PIL import Image

from npc_helpers.imaging.roi import to_uint8
from npc_helpers.study import StudyError, mark
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.tables import printed
from npc_helpers.widgets.base import MarkedWidget, style_sheet
from npc_intake.deidentify.beside_key import OWNER_ONLY
from npc_intake.find.decisions import read_decisions, save_decisions
from npc_intake.find.series import FoundSeries
from npc_intake.find.thumbnails import thumbnails

SLICES = (0.25, 0.5, 0.75)  # of the height of the stack
SIDE_PX = 150
SHOWN = (
    *("id", "patient_id", "study_date", "time", "series_number", "description", "n_slices"),
    *("matrix", "tr_ms", "te_ms", "flip_deg", "kind", "contrast", "timepoint", "status", "reason"),
    "decided",
)
WORDS = ("description", "protocol", "image_type", "contrast_agent")  # of the originals


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def write_page(series: FoundSeries, path: Path, *, words: pd.DataFrame | None = None) -> Path:
    """Write the page of decisions.

    Parameters
    ----------
    series : FoundSeries
    path : Path
    words : DataFrame, optional
        `original_words.original_words`: what descriptions said before names were taken out. Such
        a page may name people; it must not lie in a study.

    Returns
    -------
    Path
        `path`.
    """
    data = {"series": series_shown(series, words), "mark": mark.text(), "warning": series.warning()}
    text = json.dumps(data, ensure_ascii=False)
    for letter in "<>&":  # so that no text can end the script that holds it
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    parts = {
        "/* style sheet */": style_sheet() + _source("series_page.css"),
        "/* drawing */": _source("series_page.js"),
        "{{data}}": text,  # last, as it may hold anything
    }
    page = _source("series_page.html")
    for place, content in parts.items():
        page = page.replace(place, content, 1)
    with atomic_path(path) as temporary:
        temporary.touch(mode=0o666 if words is None else OWNER_ONLY)
        temporary.write_text(page, encoding="utf-8")
    return path


def series_shown(series: FoundSeries, words: pd.DataFrame | None = None) -> list[dict]:
    """Return what the page shows of each series; what is ignored has no pictures.

    Parameters
    ----------
    series : FoundSeries
    words : DataFrame, optional
        As in `write_page`.
    """
    said = {}
    if words is not None:
        texts = words[list(WORDS)].agg(lambda row: "; ".join(filter(None, row)), axis=1)
        said = dict(zip(words["series_uid"], texts, strict=True))
    asked = series.table["status"] != "ignored"
    files = tuple(files for files, wanted in zip(series.files, asked, strict=True) if wanted)
    pictures = iter(
        thumbnails(FoundSeries(series.folder, series.table[asked], files, (), {}), at=SLICES)
    )
    result = []
    for row, wanted in zip(series.table.to_dict("records"), asked, strict=True):
        shown = {name: printed(row[name]) for name in SHOWN}
        images = [_data_uri(picture) for picture in next(pictures)] if wanted else []
        result.append(
            shown
            | {
                "pictures": list(dict.fromkeys(images)),
                "words": printed(said.get(row["series_uid"], "")),
            }
        )
    return result


def _data_uri(picture: np.ndarray | str) -> str:
    if isinstance(picture, str):
        return printed(picture)
    image = Image.fromarray(to_uint8(picture))
    image.thumbnail((SIDE_PX, SIDE_PX))
    content = BytesIO()
    image.save(content, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")


class SeriesDecisions(MarkedWidget):
    """The page of decisions in a notebook: every click is saved at once.

    Parameters
    ----------
    series : FoundSeries
    study_folder : path-like
        Decisions go to `decisions.DECISIONS` in it.

    Attributes
    ----------
    found : FoundSeries
        With the decisions so far: ``widget.found.copy_into(study.folder)``.

    Examples
    --------
    >>> widget = SeriesDecisions(found, study.folder)  # doctest: +SKIP
    >>> widget  # doctest: +SKIP
    >>> rows = widget.found.copy_into(study.folder)  # doctest: +SKIP
    """

    _esm = _source("series_page.js") + _source("series_widget.js")
    _css = style_sheet() + _source("series_page.css")

    series = traitlets.List().tag(sync=True)
    decision = traitlets.List().tag(sync=True)  # id, words, number of the click: the last one
    unsaved = traitlets.List().tag(sync=True)  # id, words on disk, reason, number of the click
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, series: FoundSeries, study_folder: str | Path) -> None:
        self._study_folder = Path(study_folder)
        self.found = series.with_decisions(read_decisions(study_folder))
        super().__init__(series=series_shown(self.found), message=self.found.warning())

    @traitlets.observe("decision")
    def _save(self, change: dict) -> None:
        if not change["new"]:
            return
        identifier, words, *click = change["new"]
        try:
            save_decisions(self._study_folder, {identifier: words})
        except (StudyError, OSError) as error:
            table = self.found.table
            on_disk = table.loc[table["id"] == identifier, "decided"].tolist()
            self.message = f"Not saved: {error}"
            self.unsaved = [identifier, "".join(on_disk), self.message, *click]
            return
        self.found = self.found.with_decisions(read_decisions(self._study_folder))
        self.message = f"saved: {words or 'taken back'}"
