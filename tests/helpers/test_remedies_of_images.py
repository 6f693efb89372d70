"""What the readers of images, results and settings tell a user to do is done: then they work."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_making import make_slice, noise, write_series
from dicom_making import save as save_image
from pydicom.uid import RLELossless
from remedies import ROOT, Remedy, not_followed, told_in
from small_study import change, load, save

from npc_helpers import cohort
from npc_helpers.imaging.dicom import read_series
from npc_helpers.imaging.roi_files import read_rectangles, write_rectangles
from npc_helpers.imaging.roi_table import COLUMNS, join_readers, require_drawn
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import NotInThisStudy, Study, StudyError
from npc_helpers.study.artefacts import series_checksum
from npc_helpers.study.locks import locked
from npc_helpers.study.settings import current_setting

PACKAGE = ROOT / "npc_helpers"

# --- one series ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "series"
    write_series(folder)
    return folder


def tags(number=2, **values):
    """Return a function that changes elements of one image."""

    def spoil(folder):
        path = folder / f"I{number:02d}.dcm"
        image = pydicom.dcmread(path)
        for name, value in values.items():
            setattr(image, name, value)
        image.save_as(path)

    return spoil


def decimal_comma(folder):
    path = folder / "I02.dcm"
    path.write_bytes(path.read_bytes().replace(b"0.5\\0.5", b"0,5\\0,5"))


def cut_off(folder):
    path = folder / "I02.dcm"
    path.write_bytes(path.read_bytes()[:-200])


def add(name="extra.dcm", z=100.0, rows=24, columns=32, **values):
    def add_image(folder):
        pixels = noise(1, rows, columns, seed=9)[0]
        save_image(
            make_slice(pixels, z, **{"SOPInstanceUID": "2.25.4242.99", **values}), folder / name
        )

    return add_image


def remove(name="extra.dcm"):
    return lambda folder: (folder / name).unlink()


def put_into_a_folder_of_its_own(folder):
    separate = folder.parent / "other"
    separate.mkdir(exist_ok=True)
    shutil.move(folder / "extra.dcm", separate / "extra.dcm")
    assert len(read_series(separate).array) == 1


def second_echo(folder):
    for number, pixels in enumerate(noise(seed=5)):
        image = make_slice(
            pixels, number * 6.0, EchoTime=20, SOPInstanceUID=f"2.25.4242.8.{number}"
        )
        save_image(image, folder / f"echo2_{number}.dcm")


def one_folder_each(folder):
    for path in folder.glob("echo2_*"):
        (folder.parent / "echo2").mkdir(exist_ok=True)
        shutil.move(path, folder.parent / "echo2" / path.name)
    assert len(read_series(folder.parent / "echo2").array) == 4


def copy_again(folder):
    shutil.rmtree(folder)
    write_series(folder)


def link_to_elsewhere(folder):
    shutil.move(folder / "I02.dcm", folder.parent / "I02.dcm")
    (folder / "I02.dcm").symlink_to(folder.parent / "I02.dcm")


def put_the_file_there(folder):
    (folder / "I02.dcm").unlink()
    shutil.copy(folder.parent / "I02.dcm", folder / "I02.dcm")


def without_pixels(folder):
    image = pydicom.dcmread(folder / "I02.dcm")
    del image.PixelData
    image.save_as(folder / "I02.dcm")


def other_syntax(folder):
    image = pydicom.dcmread(folder / "I02.dcm")
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # video
    image.PixelData = pydicom.encaps.encapsulate([b"x" * 20])
    image["PixelData"].VR = "OB"
    image.save_as(folder / "I02.dcm")


def compressed_to_another_size(folder):
    from io import BytesIO

    from PIL import Image

    content = BytesIO()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(content, "JPEG2000", no_jp2=True)
    image = pydicom.dcmread(folder / "I02.dcm")
    image.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit = 7
    image.PixelData = pydicom.encaps.encapsulate([content.getvalue()])
    image["PixelData"].VR = "OB"
    image.save_as(folder / "I02.dcm")


def damaged(folder):
    image = pydicom.dcmread(folder / "I02.dcm")
    image.compress(RLELossless)
    image.PixelData = image.PixelData[:60] + bytes(4)
    image.save_as(folder / "I02.dcm")


OBLIQUE = [1, 0, 0, 0, 0, -1]
SERIES = {
    "no image": Remedy(
        lambda f: [p.unlink() for p in f.iterdir()], "Put the series back", copy_again
    ),
    "other modality": Remedy(add(Modality="CT"), "Keep the images of one MR series", remove()),
    "other patient": Remedy(
        add(patient_id="P-2"), "Keep one series per folder", put_into_a_folder_of_its_own
    ),
    "other pixels": Remedy(
        add(PixelSpacing=[0.7, 0.7], z=24.0),
        "Keep one series per folder",
        put_into_a_folder_of_its_own,
    ),
    "localiser": Remedy(add(ImageOrientationPatient=OBLIQUE), "Remove the localiser", remove()),
    "copy of an image": Remedy(
        lambda f: shutil.copy(f / "I02.dcm", f / "copy.dcm"), "Remove the copy", remove("copy.dcm")
    ),
    "two echoes": Remedy(second_echo, "into one folder each", one_folder_each),
    "slice missing": Remedy(remove("I02.dcm"), "Copy or export the series again", copy_again),
    "uneven": Remedy(
        tags(ImagePositionPatient=[-60, -70, 13.5]), "Keep one series per folder, or", copy_again
    ),
    "cut off": Remedy(cut_off, "Copy or export it again", copy_again),
    "empty file": Remedy(
        lambda f: (f / "I02.dcm").write_bytes(b""), "Copy or export it again", copy_again
    ),
    "damaged": Remedy(damaged, "Copy or export it again", copy_again),
    "named like DICOM": Remedy(
        lambda f: (f / "extra.dcm").write_text("a note " * 99),
        "Remove it from the folder",
        remove(),
    ),
    "a few bytes": Remedy(
        lambda f: (f / "extra.dcm").write_text("a note"), "remove it if it is no image", remove()
    ),
    "decimal comma": Remedy(decimal_comma, "Export the series again, or", copy_again),
    "no pixels": Remedy(without_pixels, "Remove or export it again", copy_again),
    "screenshot": Remedy(
        add(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "Export the original MR series", remove()
    ),
    "colours": Remedy(tags(PhotometricInterpretation="RGB"), "Export the original MR", copy_again),
    "video": Remedy(other_syntax, "Export the series uncompressed", copy_again),
    "size": Remedy(compressed_to_another_size, "Export the series again", copy_again),
    "link": Remedy(link_to_elsewhere, "Put the file itself there", put_the_file_there),
}


@pytest.mark.parametrize("name", SERIES)
def test_what_the_reader_tells_is_done(archive, tmp_path, name):
    remedy, folder = SERIES[name], shutil.copytree(archive, tmp_path / "series")
    remedy.plant(folder)
    with pytest.raises(StudyError) as refusal:
        read_series(folder)
    assert remedy.told in str(refusal.value)
    remedy.follow(folder)
    assert (read_series(folder).array == noise()).all()


@pytest.mark.parametrize(
    ("number", "told"), [(3, "Files were added: remove them"), (5, "Files were lost: copy")]
)
def test_a_wrong_number_of_images_is_corrected(archive, number, told):
    with pytest.raises(StudyError, match=f"{told}.*or correct the column n_images"):
        read_series(archive, n_images=number)
    assert len(read_series(archive, n_images=4).array) == 4


# --- a study whose images are opened --------------------------------------------------------------


@pytest.fixture
def study(two_patients, tmp_path):
    return Study(shutil.copytree(two_patients, tmp_path / "study"))


FIRST = "data/images/H-01/pre/t2w"


def again(study):
    return Study(study.folder)


def checksum(study):
    change("manifest", 0, "sha256", series_checksum(study.folder / FIRST))(study.folder)


def rewrite(study, **values):
    for path in sorted((study.folder / FIRST).glob("*.dcm")):
        image = pydicom.dcmread(path)
        image.PixelData = values.get("pixels", lambda image: image.PixelData)(image)
        image.save_as(path)
    checksum(study)


def test_blank_and_repeated_images_are_exported_again(study, two_patients):
    rewrite(study, pixels=lambda image: bytes(len(image.PixelData)))
    problems = again(study).check()
    assert problems["what_to_do"].str.contains("export it again").any()
    shutil.copytree(two_patients / FIRST, study.folder / FIRST, dirs_exist_ok=True)
    checksum(study)
    assert not again(study).check()["problem"].str.contains("blank").any()


def test_the_same_images_in_two_places_are_looked_at_and_exported_again(study, two_patients):
    target = study.folder / "data/images/H-01/post/t2w"
    for path, copy in zip(
        sorted((study.folder / FIRST).iterdir()), sorted(target.iterdir()), strict=True
    ):
        image, same = pydicom.dcmread(path), pydicom.dcmread(copy)
        image.PixelData = same.PixelData
        image.save_as(path)
    checksum(study)
    problems = again(study).check()
    assert problems["what_to_do"].str.contains("look at both, and export again").any()
    shutil.copytree(two_patients / FIRST, study.folder / FIRST, dirs_exist_ok=True)
    checksum(study)
    assert not again(study).check()["problem"].str.contains("show the same").any()


def test_files_that_are_right_have_their_checksum_written_as_told(study):
    tags(1, PatientComments="")(study.folder / FIRST)
    with pytest.raises(StudyError, match=r"if they are right, write (\w+) there") as refusal:
        load_stacks(again(study))
    told = str(refusal.value).partition("write ")[2].split()[0]
    change("manifest", 0, "sha256", told)(study.folder)
    assert len(load_stacks(again(study))) == 8


def test_a_series_that_cannot_be_mended_is_left_out_as_told(study):
    tags(2, ImagePositionPatient=[-60, -70, 7.0])(study.folder / FIRST)
    checksum(study)
    with pytest.raises(StudyError, match="or leave it out of data_manifest.csv"):
        load_stacks(again(study))
    save(study.folder, "manifest", load(study.folder, "manifest").iloc[1:])
    assert len(load_stacks(again(study))) == 7


def test_a_series_that_is_asked_for_and_not_listed_is_added_or_left_out(study):
    with pytest.raises(StudyError, match="Add a row for it, or leave the patient out"):
        study.series_folder("H-77", "pre", "t2w")
    change("manifest", 0, "path", "data/images/H-01/pre/t2")(study.folder)
    with pytest.raises(StudyError, match="Correct the column path"):
        again(study).series_folder("H-01", "pre", "t2w")
    with pytest.raises(StudyError, match="no .dcm file here. Check the path column"):
        series_checksum(study.folder / "data/images/H-01/pre/t2")
    change("manifest", 0, "path", FIRST)(study.folder)
    place = again(study).series_folder("H-01", "pre", "t2w")
    assert series_checksum(place) == study.manifest["sha256"][0]
    with pytest.raises(StudyError, match="no patient H-99. Check the spelling"):
        load_stacks(study, patients=["H-99"])
    with pytest.raises(StudyError, match="use 'pre' or 'post'"):
        load_stacks(study, timepoint="before")


def test_what_a_part_needs_is_filled_in(study):
    tables = {name: load(study.folder, name) for name in ("registry", "visits", "manifest")}
    ends = dict.fromkeys(["progression_date", "death_date", "last_review_date"], "")
    save(study.folder, "registry", tables["registry"].assign(**ends))
    save(study.folder, "visits", tables["visits"].head(0))
    save(study.folder, "manifest", tables["manifest"].head(0))
    bare = again(study)
    for require, told in {
        bare.require_outcomes: "Fill them in",
        bare.require_visits: "Add one row per visit",
        bare.require_images: "Add the series",
    }.items():
        with pytest.raises(NotInThisStudy, match=told):
            require("training")
    for name, table in tables.items():
        save(study.folder, name, table)
    for require in (again(study).require_outcomes, again(study).require_visits):
        require("training")
    again(study).require_images("training")


def test_a_folder_that_is_not_there_is_named(study, monkeypatch, tmp_path):
    monkeypatch.setenv("NPC_STUDY", str(tmp_path / "nowhere"))
    with pytest.raises(StudyError, match="Let NPC_STUDY name your study folder, or unset it"):
        Study.open()
    monkeypatch.setenv("NPC_STUDY", str(study.folder))
    assert Study.open().folder == study.folder
    monkeypatch.delenv("NPC_STUDY")
    assert Study.open().is_demonstration


# --- results -------------------------------------------------------------------------------------


def run_notebook_01(study):
    """Do what the last cells of the notebook do."""
    opened = again(study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = cohort.build_cohort(opened)
    opened.write_table("cohort.csv", table)


def test_a_result_that_is_missing_stale_or_edited_is_made_again(study):
    with pytest.raises(StudyError, match="Run notebook 01_screen_cohort first"):
        study.read_table("cohort.csv")
    run_notebook_01(study)
    assert len(again(study).read_table("cohort.csv")) == 2
    change("registry", 0, "age_years", "44")(study.folder)
    with pytest.raises(StudyError, match="Run notebook 01_screen_cohort again"):
        again(study).read_table("cohort.csv")
    run_notebook_01(study)
    path = study.result_path("cohort.csv")
    path.write_text(path.read_text().replace("True", "TRUE"))
    with pytest.raises(StudyError, match="Rename or delete the file, then run notebook 01"):
        again(study).read_table("cohort.csv")
    path.rename(path.with_name("mine.csv"))
    run_notebook_01(study)
    assert len(again(study).read_table("cohort.csv")) == 2


def test_other_values_of_the_same_inputs_are_written_once_the_file_is_gone(study):
    columns = {"patient_id": "H-01", "timepoint": "pre", "sequence": "t2w", "slice_index": 0}
    table = pd.DataFrame([columns | {"split": "test", "high_risk": True, "p_high_risk": 0.5}])
    study.write_table("predictions_pre.csv", table)
    with pytest.raises(StudyError, match="delete the file, then run notebook 03"):
        study.write_table("predictions_pre.csv", table.assign(p_high_risk=0.9))
    study.result_path("predictions_pre.csv").unlink()
    study.write_table("predictions_pre.csv", table.assign(p_high_risk=0.9))


def test_a_lock_of_a_program_that_runs_no_longer_is_deleted_as_told(tmp_path):
    lock = tmp_path / ".table.csv.lock"
    lock.write_text("1\nanother-computer\n", encoding="utf-8")
    with pytest.raises(StudyError, match="If it runs no longer, delete") as refusal:
        with locked(tmp_path / "table.csv", wait_s=0):
            pass
    Path(str(refusal.value).rpartition("delete ")[2].removesuffix(".")).unlink()
    with locked(tmp_path / "table.csv", wait_s=0):
        assert lock.exists()


# --- rectangles ----------------------------------------------------------------------------------


def rows(*readers, x0=10, source="manual"):
    images = [
        ("A", "pre", "t2w", 0, x0 + k, 10, 60, 50, source, name) for k, name in enumerate(readers)
    ]
    return pd.DataFrame(images, columns=COLUMNS)


def test_a_file_of_rectangles_that_was_cut_is_mended_as_told(tmp_path):
    path = tmp_path / "rois_anna.csv"
    write_rectangles(path, rows("anna"))
    whole = path.read_text()
    path.write_text(whole[:-1])
    with pytest.raises(StudyError, match="put a line end behind it"):
        read_rectangles(path)
    path.write_text(whole)
    assert len(read_rectangles(path)) == 1
    path.write_text(whole + "A,pre,t2w,1,10,1")
    with pytest.raises(StudyError, match="if it is not, delete the line"):
        read_rectangles(path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert len(read_rectangles(path)) == 1
    path.write_text("a,b\n1,2\n")
    with pytest.raises(StudyError, match="Rename it, or name another file"):
        read_rectangles(path)
    path.rename(tmp_path / "other.csv")
    assert read_rectangles(path).empty


def test_whose_rectangle_counts_is_said_as_told():
    drawn = rows("anna", "ben")
    with pytest.raises(ValueError, match="Say whose count: prefer='NAME'"):
        join_readers(rows(""), drawn)
    assert join_readers(rows(""), drawn, prefer="ben")["x0"].tolist() == [11]


def test_default_rectangles_are_drawn_or_accepted_as_told(study):
    with pytest.raises(NotInThisStudy, match="accept_default_rectangles = true") as refusal:
        require_drawn(study, rows("", source="default"))
    require_drawn(study, rows("anna"))
    line = str(refusal.value).partition("write ")[2].partition(" into")[0]
    (study.folder / "study.toml").write_text(line)
    require_drawn(again(study), rows("", source="default"))


def test_a_setting_is_named_as_told(monkeypatch):
    monkeypatch.setenv("NPC_SETTING", "papers")
    with pytest.raises(ValueError, match="'tutorial' and 'paper'"):
        current_setting()
    monkeypatch.setenv("NPC_SETTING", "paper accumulate=5")
    with pytest.raises(ValueError, match="give a divisor of batch_size"):
        current_setting()
    monkeypatch.setenv("NPC_SETTING", "paper accumulate=4")
    assert current_setting().images_at_a_time == 8


# --- nothing is left out --------------------------------------------------------------------------

ABOVE = (  # told and followed in a test of its own, above
    "Restore them; or, if they are right",
    "Check the spelling",
    "use 'pre' or 'post'",
    "Files were added",
    "Files were lost",
    "or correct the column n_images",
    "or leave it out of data_manifest.csv",
    "Rename it, or name another file",
    "does not end; the file",
    "Say whose count",
    "To train all the same",
    "Run notebook",
    "If it runs no longer",
    "give a divisor of",
)
NOT_HERE = {  # words of a remedy -> why no program can follow it, or where that is done
    "Draw it again": "a person draws; test_widgets asks that the drawing is taken",
    "Make it smaller": "as above",
    "Move it inside": "as above",
    "Make the rectangle smaller": "as above",
    "Round it": "test_contract: whole numbers are taken",
    "Keep one row.": "as for `study check`: test_remedies_of_a_study",
    "give the grid of the series": "a programmer's slip, and no state of a study",
    "Run: python -m pip install": "changes the installation",
    "Check that it is still there": "the right to read a folder is given by another person",
    "Allow writing to this folder": "as above, and a full disk",
    "cannot be written, as its folder": "as above",
    "compare with the archive": "needs the archive; nothing is refused",
    "Check the column path": "as 'Correct the column path'",
    "Build the study again": "draws the demonstration study",
    "Export the series again as single-frame": "an enhanced file: test_dicom writes whole ones",
    "Export the series again, one image per file": "needs a file of gigabytes",
    "Wait until it has finished": "test_locks waits",
    "Wait for it, then": "test_locks waits",
    "was writing it. Try again": "test_locks waits",
    "Let NPC_STUDY name your study folder, or start": "needs a computer without the repository",
    "USING THE REFERENCE": "test_artefacts: a result of one's own replaces it",
    "Fill in the dates of the registry": "test_remedies_of_a_study: blank ends of follow-up",
    "Fill in last_review_date": "as above",
    "is no artefact of the suite": "a programmer's slip",
    "Export it again": "as 'Copy or export it again'",
}


def test_no_remedy_of_a_reader_is_left_untried():
    folders = ("imaging", "cohort")
    root = Path(__file__).parents[2]
    files = [
        str(p.relative_to(root)) for f in folders for p in (root / "npc_helpers" / f).glob("*.py")
    ]
    study_files = ("results", "artefact_table", "locks", "places", "settings", "dicom_file")
    texts = told_in(*files, *(f"npc_helpers/study/{name}.py" for name in study_files))
    assert len(texts) > 40
    assert not not_followed(texts, SERIES, [*ABOVE, *NOT_HERE])
