"""Rectangles from contours: RTSTRUCT, SEG and NIfTI masks, on any study.

Expected are the planted places: by rt-utils, which made and read the objects of `tests/oracle`; by
highdicom, which writes the segmentations and turns pixels into millimetres; by nibabel.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from contour_making import (
    AXIAL,
    STEP,
    TILTED,
    images_of,
    outline,
    to_mm,
    write_images,
    write_nifti,
    write_rtstruct,
    write_seg,
)
from dicom_making import PREFIX, save
from npc_intake.__main__ import main
from npc_intake.contours.boxes import boxes_around, extents_of
from npc_intake.contours.image_planes import image_planes
from npc_intake.contours.outlines import read_labels, read_structures
from npc_intake.contours.rectangles import rectangles_from_contours
from npc_intake.contours.structure_names import chosen, harmless
from small_study import load, make_study
from small_study import save as save_table

from npc_helpers.imaging import roi
from npc_helpers.imaging.dicom import read_series
from npc_helpers.study import Study, StudyError

ORACLE = Path(__file__).parents[1] / "oracle"
SHAPE = (7, 120, 120)
TUMOUR = {2: (30, 40, 50, 60), 3: (28, 42, 55, 70), 4: (33, 44, 47, 66)}  # slice: x0, y0, x1, y1
NODE = {1: (80, 20, 90, 35), 2: (80, 22, 88, 30)}
KEY = ("H-01", "pre", "t2w")


@pytest.fixture(scope="module")
def made_study(tmp_path_factory):
    """Two patients; the two series of an examination have one frame of reference."""
    study = make_study(tmp_path_factory.mktemp("made") / "study", patients=2)
    manifest = load(study, "manifest")
    for row in manifest.itertuples():
        folder = study / row.path
        for path in folder.iterdir():
            path.unlink()
        number = 10 + row.Index
        frame = f"{PREFIX}.2.{row.patient_id[-1]}.{row.timepoint == 'post':d}"
        write_images(folder, number=number, FrameOfReferenceUID=frame, PatientID=row.patient_id)
    save_table(study, "manifest", manifest)
    return study


@pytest.fixture
def study(made_study):
    """To read only."""
    return Study(made_study)


@pytest.fixture
def own_study(made_study, tmp_path):
    """To write into."""
    return Study(shutil.copytree(made_study, tmp_path / "study"))


def frame_of(study, key=KEY):
    return images_of(study.series_folder(*key))[0].FrameOfReferenceUID


def mask_of(boxes, shape=SHAPE):
    mask = np.zeros(shape, bool)
    for index, (x0, y0, x1, y1) in boxes.items():
        mask[index, y0:y1, x0:x1] = True
    return mask


def rtstruct(path, study, contours=None, key=KEY, **options):
    """An RTSTRUCT on a series of the study: the tumour, the node and an organ."""
    images = images_of(study.series_folder(*key))
    contours = contours or {"GTVp 1": TUMOUR, "LN_left": NODE, "Brainstem": {5: (10, 10, 20, 20)}}
    drawn = {
        name: [(index, outline(images[index], box)) for index, box in boxes.items()]
        for name, boxes in contours.items()
    }
    options = {"frame": images[0].FrameOfReferenceUID, "patient_id": key[0]} | options
    return write_rtstruct(path, drawn, images, **options)


def made(study, *files, **options):
    options = {"margin_mm": 0, "progress": False} | options
    return rectangles_from_contours(study, files, **options)


def boxes(report, key=KEY):
    table = report.table
    rows = table[(table[roi.SERIES] == list(key)).all(axis=1)].sort_values("slice_index")
    return [tuple(map(int, box)) for box in rows[roi.BOX].to_numpy()]


EVERYTHING = (28, 20, 90, 70)
EXPECTED = [
    EVERYTHING,
    NODE[1],
    (30, 22, 88, 60),  # tumour and node
    TUMOUR[3],
    TUMOUR[4],
    EVERYTHING,
    EVERYTHING,
]


# --- against another library ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "axes"), [("axial", AXIAL), ("tilted", TILTED)])
def test_rtstruct_gives_the_boxes_that_rt_utils_reads(tmp_path, name, axes):
    write_images(tmp_path / "series", axes, PixelSpacing=[0.75, 0.75])
    images = image_planes(tmp_path / "series")
    structures = read_structures(ORACLE / f"rtstruct_{name}.dcm")
    expected = json.loads((ORACLE / "rtstruct.json").read_text())[name]
    assert list(structures.outlines) == list(expected)
    for structure, by_image in expected.items():
        extents = extents_of(structures, structure, images, "test")
        assert {images.slices[uid] for uid in by_image} == set(extents)
        for uid, box in by_image.items():
            cut = boxes_around([{0: extents[images.slices[uid]]}], images, margin_mm=0)[0]
            if box[2] - box[0] >= roi.SMALLEST:
                assert list(cut) == box
            else:  # a node of one pixel: the smallest rectangle that holds it
                assert cut[0] <= box[0] < box[2] <= cut[2]


@pytest.mark.parametrize("axes", [AXIAL, TILTED], ids=["axial", "tilted"])
@pytest.mark.parametrize("kind", ["RTSTRUCT", "BINARY", "FRACTIONAL", "LABELMAP"])
def test_every_kind_gives_the_planted_boxes(tmp_path, axes, kind):
    folder = write_images(tmp_path / "series", axes)
    images = images_of(folder)
    if kind == "RTSTRUCT":
        drawn = {"GTVp": [(i, outline(images[i], box)) for i, box in TUMOUR.items()]}
        path = write_rtstruct(tmp_path / "c.dcm", drawn, images)
    else:
        path = write_seg(tmp_path / "c.dcm", {"GTVp": mask_of(TUMOUR)}, images, kind=kind)
    planes, structures = image_planes(folder), read_structures(path)
    extents = extents_of(structures, "GTVp", planes, "test")
    assert set(extents) == set(TUMOUR)
    union = (28, 40, 55, 70)
    expected = [TUMOUR.get(index, union) for index in range(7)]
    assert boxes_around([extents], planes, margin_mm=0) == expected


@pytest.mark.parametrize("codes", ["LPS", "RAS", "SPR", "AIL"])
def test_a_nifti_mask_gives_the_planted_boxes_however_its_axes_run(tmp_path, codes):
    folder = write_images(tmp_path / "series")
    labels = mask_of(TUMOUR).astype(np.uint8) + 2 * mask_of(NODE).astype(np.uint8)
    path = write_nifti(tmp_path / "m.nii.gz", labels, images_of(folder), codes_=codes)
    structures, planes = read_structures(path), image_planes(folder)
    assert list(structures.outlines) == ["label 1", "label 2"]
    for name, planted in (("label 1", TUMOUR), ("label 2", NODE)):
        extents = extents_of(structures, name, planes, "test")
        boxes = boxes_around([extents], planes, margin_mm=0)
        assert {index: boxes[index] for index in extents} == planted


def test_slices_are_those_of_read_series(study):
    folder = study.series_folder(*KEY)
    series, planes = read_series(folder), image_planes(folder)
    np.testing.assert_allclose(planes.positions_mm, series.positions_mm)
    assert planes.shape == series.array.shape and planes.step_mm == pytest.approx(STEP)
    order = [images.SOPInstanceUID for images in images_of(folder)]
    assert [planes.slices[uid] for uid in order] == list(range(7))


# --- a whole study --------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False], ids=["by UID", "by millimetres"])
def test_contours_reach_all_series_of_their_examination(study, tmp_path, named):
    path = rtstruct(tmp_path / "c" / "rt.dcm", study, named=named)
    report = made(study, tmp_path / "c")
    assert report.problems == ()
    keys = set(map(tuple, report.table[roi.SERIES].to_numpy()))
    assert keys == {KEY, ("H-01", "pre", "t1c")}, "one frame of reference: the other sequence too"
    assert boxes(report) == boxes(report, ("H-01", "pre", "t1c")) == EXPECTED
    assert set(report.table.source) == {"contours"} and set(report.table.reader_id) == {""}
    listed = report.structures.set_index("structure")
    assert listed.used.to_dict() == {"GTVp 1": True, "LN_left": True, "Brainstem": False}
    assert set(listed.file) == {path.as_posix()} and listed.planes["GTVp 1"] == 3


def test_one_box_for_a_series_and_a_margin_in_millimetres(study, tmp_path):
    path = rtstruct(tmp_path / "rt.dcm", study)
    report = made(study, path, per_image=False)
    assert boxes(report) == [EVERYTHING] * 7
    wide = made(study, path, margin_mm=6, per_image=False)  # rows 0.5 mm apart, columns 0.75 mm
    assert boxes(wide) == [(28 - 8, 20 - 12, 90 + 8, 70 + 12)] * 7
    edge = made(study, path, margin_mm=30, per_image=False)
    assert boxes(edge) == [(0, 0, 120, 120)] * 7


def test_saving_replaces_what_was_offered_for_these_series_only(own_study, tmp_path):
    study = own_study
    rows = [
        (*key, i, 1, 1, 40, 40, "suggested", "")
        for key in (KEY, ("H-02", "post", "t1c"))
        for i in range(7)
    ]
    path = study.table_path("suggested_rois")
    pd.DataFrame(rows, columns=roi.COLUMNS).to_csv(path, index=False)
    report = made(study, rtstruct(tmp_path / "rt.dcm", study))
    assert report.save(study) == path
    stacks = {key: read_series(study.series_folder(*key)) for key in study_keys(study)}
    offered = roi.suggest_rois(study, stacks)
    counts = roi.provenance(offered).set_index("provenance").images
    assert counts.to_dict() == {"contours": 14, "suggested": 7, "default": 8 * 7 - 21}
    assert str(report) == "14 rectangles from contours on 2 series."


def study_keys(study):
    return [tuple(row) for row in study.manifest[roi.SERIES].to_numpy()]


def test_contours_on_thin_slices_reach_the_thick_ones_between_them(study, tmp_path):
    """Drawn on another series of the examination, of 2 mm: an image takes what is within 3 mm."""
    thin = write_images(tmp_path / "thin", number=90, slices=20, step=2.0, start=1.0)
    images = images_of(thin)
    drawn = {"GTVp": [(i, outline(images[i], (30 + i, 40, 60, 70))) for i in range(4, 8)]}
    frame = frame_of(study)
    path = write_rtstruct(tmp_path / "rt.dcm", drawn, images, frame=frame, patient_id="H-01")
    report = made(study, path)  # planes at 9, 11, 13 and 15 mm; images at 6, 12 and 18 mm
    assert report.problems == ()
    union = (34, 40, 60, 70)
    assert (
        boxes(report) == [union, (34, 40, 60, 70), (34, 40, 60, 70), (37, 40, 60, 70)] + [union] * 3
    )


def test_contours_on_every_second_slice_stay_there_if_they_name_it(study, tmp_path):
    path = rtstruct(tmp_path / "rt.dcm", study, {"GTVp": {1: TUMOUR[2], 3: TUMOUR[3]}})
    union = (28, 40, 55, 70)
    assert boxes(made(study, path))[:4] == [union, TUMOUR[2], union, TUMOUR[3]]


def test_a_mask_with_an_empty_slice_between_stays_where_it_is(study, tmp_path):
    folder = study.series_folder(*KEY)
    labels = mask_of({1: TUMOUR[2], 3: TUMOUR[3]}).astype(np.uint8)
    path = write_nifti(tmp_path / "H-01_pre_t2w.nii", labels, images_of(folder))
    union = (28, 40, 55, 70)
    report = made(study, path, structures=["*"])
    assert boxes(report)[:4] == [union, TUMOUR[2], union, TUMOUR[3]]


def test_holes_and_several_outlines_on_a_slice(study, tmp_path):
    images = images_of(study.series_folder(*KEY))
    pieces = [(30, 40, 50, 60), (35, 45, 40, 50), (70, 80, 90, 100)]  # a piece, its hole, a piece
    drawn = {"GTVp": [(3, outline(images[3], box)) for box in pieces]}
    path = write_rtstruct(
        tmp_path / "rt.dcm", drawn, images, frame=frame_of(study), patient_id="H-01"
    )
    assert boxes(made(study, path))[3] == (30, 40, 90, 100)


def test_the_area_of_a_long_outline_is_never_cut_wider_than_512(tmp_path):
    from npc_intake.contours.image_planes import ImagePlanes

    planes = ImagePlanes(
        tmp_path, np.array([[0, 0, 0.0], [0, 0, 6]]), np.eye(3), (0.3, 0.3), (760, 768), {}, "",
        "", "",
    )  # fmt: skip
    extents = {0: np.array([34, 100, 734, 700.0]), 1: np.array([300, 300, 301, 301.0])}
    boxes = boxes_around([extents], planes, margin_mm=0)
    assert boxes[0] == (128, 144, 640, 656), "700 x 600 pixels cut to 512 about their centre"
    for box in boxes:
        roi.Rectangle(*box).check(760, 768)
    assert boxes[1][0] <= 300 < boxes[1][2] and boxes[1][1] <= 300 < boxes[1][3]


# --- whose contours -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "H-01_pre_t2w.nii.gz",
        "h-01.PRE.T2W.nii",
        "H-01/pre/t2w.nii.gz",
        "H-01/pre/t2w/prediction.nii.gz",
        "masks_of_post/H-01_pre_t2w.nii.gz",
        "H-02/H-01 pre t2w mask.nii",
    ],
)
def test_a_nifti_mask_is_named_after_its_series(study, tmp_path, name):
    folder = study.series_folder(*KEY)
    path = write_nifti(tmp_path / name, mask_of(TUMOUR).astype(np.uint8), images_of(folder))
    report = made(study, path, structures=["label*"])
    assert report.problems == () and set(map(tuple, report.table[roi.SERIES].to_numpy())) == {KEY}


@pytest.mark.parametrize("name", ["case_001.nii.gz", "H-01_pre.nii.gz", "pre_t2w.nii.gz"])
def test_a_mask_that_could_be_anybodys_is_refused(study, tmp_path, name):
    folder = study.series_folder(*KEY)
    path = write_nifti(tmp_path / name, mask_of(TUMOUR).astype(np.uint8), images_of(folder))
    report = made(study, path, structures=["*"])
    assert report.table.empty and "does not say whose it is" in report.problems[0]
    told = made(study, path, structures=["*"], series=KEY)
    assert told.problems == () and boxes(told)[3] == TUMOUR[3]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"dataset.json": '{"labels": {"background": 0, "GTVp": 1, "GTVn": 2}}'}, None),
        ({"dataset.json": '{"labels": {"0": "background", "1": "GTVp", "2": "GTVn"}}'}, None),
        ({"my.txt": '# ITK\n0 0 0 0 0 0 0 "Clear"\n1 255 0 0 1 1 1 "GTVp"\n2 0 0 9 1 1 1 "GTVn"'},
         "my.txt"),
        ({}, "1=GTVp,2=GTVn"),
    ],
)  # fmt: skip
def test_labels_get_their_names(study, tmp_path, labels, text):
    for name, content in labels.items():
        (tmp_path / name).write_text(content)
    values = mask_of(TUMOUR).astype(np.uint8) + 2 * mask_of(NODE)
    folder = study.series_folder(*KEY)
    path = write_nifti(tmp_path / "H-01_pre_t2w.nii", values.astype(np.uint8), images_of(folder))
    given = None if text is None else read_labels(tmp_path / text if "txt" in text else text)
    report = made(study, path, structures=["GTVp"], labels=given)
    assert list(report.structures.structure) == ["GTVp", "GTVn"]
    assert boxes(report)[3] == TUMOUR[3] and boxes(report)[1] != NODE[1]


def test_names_of_labels_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(StudyError, match="no names of labels"):
        read_labels(tmp_path / "nowhere.json")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(StudyError, match="neither nnU-Net's"):
        read_labels(tmp_path / "a.json")


# --- what is refused ------------------------------------------------------------------------------


def refused(study, path, **options):
    report = made(study, path, **options)
    assert report.table.empty, report
    assert len(report.problems) == 1 and str(path) in report.problems[0], report.problems
    return report.problems[0]


def test_another_frame_of_reference_is_refused(study, tmp_path):
    path = rtstruct(tmp_path / "rt.dcm", study, frame=f"{PREFIX}.999")
    told = refused(study, path)
    assert "another frame of reference" in told and f"{PREFIX}.999" in told


def test_contours_of_nobody_in_the_study_are_refused(study, tmp_path):
    images = images_of(write_images(tmp_path / "other", number=70))
    drawn = {"GTVp": [(2, outline(images[2], TUMOUR[2]))]}
    told = refused(study, write_rtstruct(tmp_path / "rt.dcm", drawn, images))
    assert "neither the series" in told and f"{PREFIX}.70.0" in told


def test_contours_of_another_patient_are_refused(study, tmp_path):
    path = rtstruct(tmp_path / "rt.dcm", study, patient_id="SOMEBODY")
    report = made(study, path)
    assert report.table.empty and all("different PatientIDs" in p for p in report.problems)


def test_a_contour_away_from_the_image_it_names_is_refused(study, tmp_path):
    images = images_of(study.series_folder(*KEY))
    drawn = {"GTVp": [(2, outline(images[4], TUMOUR[2]))]}  # says slice 2, lies on slice 4
    path = write_rtstruct(
        tmp_path / "rt.dcm", drawn, images, frame=frame_of(study), patient_id="H-01"
    )
    report = made(study, path)
    assert "says that it was drawn on slice 2, but lies 12 mm from it" in report.problems[0]
    assert boxes(report) == [], "on the series that it was drawn on"


@pytest.mark.parametrize(
    ("move", "says"),
    [((0, 0, 90), "the nearest is 90 mm away"), ((200, 0, 0), "lie beside the image")],
)
def test_contours_where_no_image_is_are_refused(study, tmp_path, move, says):
    images = images_of(study.series_folder(*KEY))
    drawn = {"GTVp": [(6, outline(images[6], TUMOUR[2]) + move)]}
    options = {"frame": frame_of(study), "patient_id": "H-01", "named": False}
    report = made(study, write_rtstruct(tmp_path / "rt.dcm", drawn, images, **options))
    assert report.table.empty and says in report.problems[0]


def test_contours_on_another_plane_are_refused(study, tmp_path):
    images = images_of(study.series_folder(*KEY))
    upright = to_mm(images[2], [(30, 40), (50, 40)])
    upright = np.concatenate([upright, upright[::-1] + [0, 0, 20]])
    options = {"frame": frame_of(study), "patient_id": "H-01", "named": False}
    path = write_rtstruct(tmp_path / "rt.dcm", {"GTVp": [(2, upright)]}, images, **options)
    assert "drawn on another plane" in made(study, path).problems[0]


@pytest.mark.parametrize("data", [["1", "2", "3", "4"], ["1", "2", "nan"], ["1,5", "2", "3"]])
def test_damaged_coordinates_are_refused(study, tmp_path, data):
    path = rtstruct(tmp_path / "rt.dcm", study)
    dataset = pydicom.dcmread(path)
    element = dataset.ROIContourSequence[0].ContourSequence[1]["ContourData"]
    with pydicom.config.disable_value_validation():
        element.VR, element.value = "LT", "\\".join(data)
        element.VR = "LT"
    save(dataset, path)
    assert "structure GTVp 1, contour 2" in refused(study, path)


def test_a_mask_that_lies_beside_the_images_is_refused(study, tmp_path):
    folder = study.series_folder(*KEY)
    labels, images = mask_of(TUMOUR).astype(np.uint8), images_of(folder)
    path = write_nifti(tmp_path / "H-01_pre_t2w.nii", labels, images, shift=3.0)
    assert "a corner is 4.0 voxels away" in refused(study, path, structures=["*"])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_mask_is_refused(study, tmp_path, axis):
    """The same origin and the other direction: known from masks that were exported separately."""
    import nibabel

    folder = study.series_folder(*KEY)
    path = tmp_path / "H-01_pre_t2w.nii"
    image = nibabel.load(write_nifti(path, mask_of(TUMOUR).astype(np.uint8), images_of(folder)))
    signs = np.where(np.arange(4) == axis, -1, 1)
    nibabel.save(nibabel.Nifti1Image(np.array(image.dataobj), image.affine * signs), path)
    assert "voxels away" in refused(study, path, structures=["*"])


def test_an_image_is_no_mask(study, tmp_path):
    folder = study.series_folder(*KEY)
    labels = np.random.default_rng(1).integers(0, 900, SHAPE).astype(np.int16)
    path = write_nifti(tmp_path / "H-01_pre_t2w.nii", labels, images_of(folder))
    assert "not a mask" in refused(study, path)


def test_structures_that_nobody_asked_for_are_named(study, tmp_path):
    path = rtstruct(tmp_path / "rt.dcm", study)
    told = refused(study, path, structures=["PTV*"])
    assert "GTVp 1, LN_left, Brainstem" in told and "--structure" in told


def test_the_same_structure_twice_is_refused_and_two_of_them_are_joined(study, tmp_path):
    first = rtstruct(tmp_path / "a.dcm", study, {"GTVp": TUMOUR})
    again = rtstruct(tmp_path / "b.dcm", study, {"GTVp": NODE})
    nodes = rtstruct(tmp_path / "c.dcm", study, {"LN": NODE})
    report = made(study, first, again)
    assert len(report.problems) == 2 and "another file has a structure GTVp" in report.problems[0]
    assert boxes(made(study, first, nodes)) == EXPECTED


def test_a_file_that_is_damaged_does_not_stop_the_others(study, tmp_path):
    rtstruct(tmp_path / "c" / "good.dcm", study)
    write_seg(tmp_path / "c" / "bad.dcm", {"GTVp": mask_of(TUMOUR)},
              images_of(study.series_folder(*KEY)))  # fmt: skip
    dataset = pydicom.dcmread(tmp_path / "c" / "bad.dcm")
    dataset.PixelData = dataset.PixelData[:20]
    save(dataset, tmp_path / "c" / "bad.dcm")
    (tmp_path / "c" / ".hidden.dcm").write_bytes(b"")
    (tmp_path / "c" / "readme.txt").write_text("what these are")
    report = made(study, tmp_path / "c")
    assert len(report.problems) == 1 and "bad.dcm" in report.problems[0]
    assert boxes(report) == EXPECTED


def test_wrong_requests_are_refused(study, tmp_path):
    with pytest.raises(StudyError, match="no such file or folder"):
        made(study, tmp_path / "nowhere")
    with pytest.raises(StudyError, match="holds contours"):
        made(study, study.series_folder(*KEY))
    for margin in (-1, np.nan, np.inf):
        with pytest.raises(StudyError, match="The margin is"):
            made(study, rtstruct(tmp_path / "rt.dcm", study), margin_mm=margin)


# --- names ----------------------------------------------------------------------------------------


def test_patterns_take_names_as_people_write_them():
    names = ["GTVp_1", "gtv-n", "GTV nx", "PTV70", "NPC", "LN left", "Lymph nodes", "Brainstem"]
    assert chosen(names) == ["GTVp_1", "gtv-n", "GTV nx", "NPC", "LN left", "Lymph nodes"]
    assert chosen(names, ["GTVp*", "npc"]) == ["GTVp_1", "NPC"]
    assert chosen(names, ["*"]) == names


@pytest.mark.parametrize(
    "name", ["GTVp", "GTVnx_1", "PTV70", "CTV 60Gy", "LN left, level IIb", "Lymph-nodes (right)"]
)
def test_names_of_structures_that_may_stay(name):
    assert harmless(name)


@pytest.mark.parametrize(
    "name",
    ["GTV Zhang San", "GTVp_张伟", "H1234567", "PTV 19580214", "JD", "GTV-0012345", "", "--"],
)
def test_names_of_structures_that_may_not(name):
    assert not harmless(name)


# --- the command ----------------------------------------------------------------------------------


def test_the_command(own_study, tmp_path, capsys):
    study = own_study
    path = rtstruct(tmp_path / "rt.dcm", study)
    suggested = study.table_path("suggested_rois")
    assert main(["contours", str(study.folder), str(path), "--list"]) == 0
    shown = capsys.readouterr().out
    assert (
        "GTVp 1: in 1 file(s), used in 1" in shown and "Brainstem: in 1 file(s), not used" in shown
    )
    assert not suggested.exists()
    command = ["contours", str(study.folder), str(path), "--structure", "GTVp*", "--one-box"]
    assert main([*command, "--margin-mm", "3"]) == 0
    assert f"14 rectangles from contours on 2 series. {suggested}" in capsys.readouterr().out
    table = pd.read_csv(suggested)
    assert table[roi.BOX].drop_duplicates().to_numpy().tolist() == [[24, 34, 59, 76]]
    assert main(["contours", str(study.folder), str(path), "--structure", "NPC"]) == 1
    assert "No rectangle was made." in capsys.readouterr().out
    assert main(["contours", str(study.folder), str(tmp_path / "nowhere")]) == 1
    assert "no such file" in capsys.readouterr().err
