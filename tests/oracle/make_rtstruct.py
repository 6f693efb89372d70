"""Writes rtstruct_*.dcm and rtstruct.json: contours made, and read back, by rt-utils.

``pip install rt-utils opencv-python-headless`` (MIT, Apache-2.0), then
``PYTHONPATH=.:tools:tests python tests/oracle/make_rtstruct.py`` makes the files of this folder
anew. The JSON holds, by series, structure and SOP Instance UID, the rectangle (half-open) around
the mask that rt-utils reads from its file, which is the one that was planted.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from contour_making import AXIAL, COLUMNS, ROWS, SLICES, TILTED, write_images

FOLDER = Path(__file__).parent
SQUARE = [0.75, 0.75]  # of other pixels rt-utils exchanges the two spacings


def planted():
    """Masks (rows, columns, slices), slices from below."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    masks = {
        name: np.zeros((ROWS, COLUMNS, SLICES), bool) for name in ("GTVp", "GTVn", "Brainstem")
    }
    for index in range(2, 6):
        disc = ((rows - 55) / (9 + 3 * index)) ** 2 + ((columns - 48) / (22 - 2 * index)) ** 2 <= 1
        masks["GTVp"][:, :, index] = disc
    masks["GTVp"][50:60, 45:52, 4] = False  # a hole
    masks["GTVn"][20:31, 3:9, 1] = True  # two nodes, one at the edge of the image
    masks["GTVn"][80:120, 70:100, 1] = True
    masks["GTVn"][70:71, 60:61, 2] = True  # one pixel
    masks["Brainstem"][90:110, 40:60, :4] = True
    return masks


def box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def main():
    from rt_utils import RTStructBuilder

    expected = {}
    for name, axes in (("axial", AXIAL), ("tilted", TILTED)):
        with tempfile.TemporaryDirectory() as folder:
            write_images(Path(folder), axes, PixelSpacing=SQUARE)
            builder = RTStructBuilder.create_new(folder)
            for structure, mask in planted().items():
                builder.add_roi(mask=mask, name=structure)
            path = FOLDER / f"rtstruct_{name}.dcm"
            del builder.ds.InstitutionName  # the library's authors; the images name nobody
            builder.save(str(path))
            read = RTStructBuilder.create_from(folder, str(path))
            uids = [image.SOPInstanceUID for image in read.series_data]
            expected[name] = {
                structure: {
                    uid: box(mask[:, :, i]) for i, uid in enumerate(uids) if mask[:, :, i].any()
                }
                for structure in read.get_roi_names()
                for mask in [read.get_roi_mask_by_name(structure)]
            }
            for structure, mask in planted().items():
                boxes = [box(mask[:, :, i]) for i in range(SLICES) if mask[:, :, i].any()]
                assert list(expected[name][structure].values()) == boxes
    (FOLDER / "rtstruct.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
