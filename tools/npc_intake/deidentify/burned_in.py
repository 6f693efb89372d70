"""Text burned into pixels: which images do not say that there is none, and which to look at first.

No program finds every text. This one lists the images that say nothing, puts those first that hold
what looks like letters (bright, thin, of one height, side by side), and shows them on one sheet, so
that a person can look at all of them and sign.
"""

import base64
from collections.abc import Iterable
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.image import imsave
from scipy import ndimage

from npc_helpers.imaging.headers import Tags
from npc_helpers.imaging.pixels import decode
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.dicom_file import DicomError, open_dicom
from npc_helpers.study.locks import locked
from npc_helpers.study.progress import progress_bar
from npc_helpers.study.tables import read_text, write_text

LIST, SHEET = "look_for_text.csv", "look_for_text.html"
BY_HAND = ("looked_at_by", "text_found")  # columns that a person fills in
COLUMNS = ("path", "letters", *BY_HAND)
HEIGHTS = range(5, 41)  # of a letter, in pixels
WIDEST, THICKEST = 40, 3  # of a letter; half of a stroke
BRIGHT = 0.3  # of the brightest tissue
SHOWN, SIDE = 300, 160  # pictures on the sheet, and their longest side in pixels
Markup = str  # a piece of HTML in which what it shows is escaped
STYLE = """
:root{color-scheme:light dark}
body{font:14px sans-serif;margin:1em auto;max-width:84em;padding:0 1em}
h1{font-size:1.4em}p{max-width:60em}
ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(180px,1fr));gap:.7em;padding:0}
li{list-style:none;border:1px solid #888;padding:.5em;overflow-wrap:anywhere}
img{display:block;background:#000;margin:0 auto .4em}
.sign{border-top:1px solid #888;min-height:1.5em}
"""


def letters_in(image: np.ndarray) -> int:
    """Count what looks like letters in lines of three or more.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)

    Returns
    -------
    int
        Components outside the head that are bright, and anywhere those of the largest value, whose
        strokes are thin and which stand beside others of the same height.
    """
    image = image.astype(float) - image.min()
    tissue = np.percentile(image, 99)
    if tissue <= 0:
        tissue = image.max() or 1.0
    outside = ~_head(image > 0.1 * tissue)
    largest = image == image.max()
    candidates = [(image > BRIGHT * tissue) & outside]
    if largest.mean() < 0.05:
        candidates.append(largest)
    return max(map(_in_lines, candidates))


def _head(bright: np.ndarray) -> np.ndarray:
    """Return the largest bright region, filled, without what is as thin as letters."""
    step = 4
    small = ndimage.uniform_filter(bright.astype(np.float32), 2 * step)[::step, ::step] > 0.5
    parts, n_parts = ndimage.label(ndimage.binary_opening(small, iterations=2))
    if not n_parts:
        return np.zeros_like(bright)
    largest = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    head = ndimage.binary_dilation(ndimage.binary_fill_holes(largest))
    large = head.repeat(step, axis=0).repeat(step, axis=1)
    return large[: bright.shape[0], : bright.shape[1]]


def _in_lines(bright: np.ndarray) -> int:
    parts, _ = ndimage.label(bright, np.ones((3, 3)))
    depth = ndimage.distance_transform_cdt(bright)
    boxes = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(parts), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if height in HEIGHTS and width <= WIDEST:
            if depth[rows, columns][parts[rows, columns] == number].max() <= THICKEST:
                boxes.append((rows.start, rows.stop, columns.start))
    if not boxes:
        return 0
    top, bottom, left = np.array(boxes).T
    height = bottom - top
    beside = (  # (n, n): of about one height, on about one line, and near
        (np.abs(height[:, None] - height) <= 0.4 * height[:, None])
        & (np.abs(bottom[:, None] - bottom) <= 0.4 * height[:, None])
        & (np.abs(left[:, None] - left) <= 4 * height[:, None])
    )
    return int((beside.sum(axis=1) >= 3).sum())


def list_images(folder: Path, images: Iterable[Path], *, progress: bool = True) -> pd.DataFrame:
    """Add images to the list of those that do not say whether text is burned in, and draw a sheet.

    Parameters
    ----------
    folder : Path
        Where list and sheet lie (`LIST`, `SHEET`).
    images : iterable of Path
        De-identified images below it; those on the list are not read again.
    progress : bool

    Returns
    -------
    DataFrame
        The list as written: path, letters (`letters_in`, the most first), looked_at_by and
        text_found, which a person fills in and which stay.

    Raises
    ------
    StudyError
        If the list cannot be written, or another program is writing it.
    """
    path = folder / LIST
    with locked(path):
        before, _ = read_text(path, LIST) if path.exists() else (None, [])
        table = pd.DataFrame(columns=list(COLUMNS), dtype=str) if before is None else before
        listed = set(table["path"])
        names = {image.relative_to(folder).as_posix(): image for image in images}
        rows = []
        new = [name for name in names if name not in listed]
        for name in progress_bar(new, shown=progress, desc="looking for text"):
            letters = _letters_in_file(names[name])
            if letters is not None:
                rows.append((name, letters, "", ""))
        if rows:
            table = pd.concat([table, pd.DataFrame(rows, columns=list(COLUMNS))])
        table["letters"] = table["letters"].astype(int)
        table = table.sort_values(["letters", "path"], ascending=[False, True], ignore_index=True)
        if rows:
            write_text(path, table)
            with atomic_path(folder / SHEET) as temporary:
                temporary.write_text(_sheet(folder, table), encoding="utf-8")
    return table


def _letters_in_file(path: Path) -> int | None:
    """Count letters in the images of a file; None if it says that there are none, or is damaged."""
    try:
        if open_dicom(path, pixels=False).get("BurnedInAnnotation") == "NO":
            return None
        tags = Tags(open_dicom(path), path)
        return max(map(letters_in, decode(tags)))
    except DicomError:
        return None


def _sheet(folder: Path, table: pd.DataFrame) -> Markup:
    """Return a page with the image of each series that holds the most letters, the worst first."""
    series = table["path"].str.rpartition("/")[0]
    worst = table[~series.duplicated()].assign(n_images=series.map(series.value_counts()))
    lines = "".join(
        f"<li><img alt='' src='{_picture(folder / row.path)}'><b>{int(row.letters)} letters</b>, "
        f"{int(row.n_images)} images<br>{escape(row.path)}"
        f"<div class='sign'>{escape(row.looked_at_by)} {escape(row.text_found)}</div></li>"
        for row in worst.head(SHOWN).itertuples()
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Is text burned in?</title>"
        f"<style>{STYLE}</style><h1>Is text burned into these images?</h1>"
        f"<p>{len(table)} images of {len(worst)} series do not say. Of each series you see the one "
        "that looks most like text, those with most letters first; look through all of a series "
        f"where in doubt, and write your name and yes or no into {LIST}. A count of 0 does not "
        "prove that there is none.</p>"
        f"<ul>{lines}</ul></html>"
    )


def _picture(path: Path) -> Markup:
    """Return the image of a file with the most letters as a small PNG; blank if it is not there."""
    try:
        frames = decode(Tags(open_dicom(path), path))
    except (DicomError, OSError):
        return ""
    image = max(frames, key=letters_in).astype(float)
    step = -(-max(image.shape) // SIDE)
    rows, columns = (-(-size // step) * step for size in image.shape)
    padded = np.pad(image, ((0, rows - image.shape[0]), (0, columns - image.shape[1])))
    small = padded.reshape(rows // step, step, columns // step, step).max(axis=(1, 3))
    content = BytesIO()
    imsave(content, small, cmap="gray", vmin=0, vmax=np.percentile(image, 99.5) or 1, format="png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
