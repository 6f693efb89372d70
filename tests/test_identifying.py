"""The search for names: it finds what was planted, says where, and never repeats it."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from dicom_making import make_slice, noise, save, write_series
from small_study import load, make_study
from small_study import save as save_table

from npc_helpers.artefacts import series_checksum
from npc_helpers.identifying import PERSONAL, check_images, check_texts, kinds_of_identity
from npc_helpers.intake.deidentify import Key, deidentify_file
from npc_helpers.study import Study, main

ROOT = Path(__file__).parents[1]
# Written in two parts, as this file is searched too.
MAIL, NAME, PHONE = "jane" + "@hospital.cn", "DOE" + "^JANE", "138" + "00138000"
IDENTITY = "44010619630314" + "002X"


def manifest_of(folder, **tags):
    write_series(folder / "data/images/P-1/pre/t2w", noise(2, 8, 8), **tags)
    return pd.DataFrame({"patient_id": ["P-1"], "path": ["data/images/P-1/pre/t2w"]})


def images(folder, **tags):
    return [problem.problem for problem in check_images(manifest_of(folder, **tags), folder)]


def test_a_clean_series_has_no_problem(tmp_path):
    assert images(tmp_path, PatientName="P-1", AccessionNumber="") == []


@pytest.mark.parametrize(
    "keyword",
    [word for word in PERSONAL if pydicom.datadict.dictionary_VR(word) not in ("SQ", "DA", "TM")],
)
def test_every_personal_element_is_found_and_not_repeated(tmp_path, keyword):
    (found,) = images(tmp_path, **{keyword: "Doe Jane"})
    assert keyword in found and found.startswith("2 of 2 files")
    assert "Doe" not in found


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"PatientBirthDate": "19630314"}, "PatientBirthDate is filled"),
        ({"PatientName": NAME}, "PatientName is not the identifier"),
        ({"BurnedInAnnotation": "YES"}, "burned into"),
        ({"StudyDescription": f"MRI for {MAIL}"}, "e-mail"),
        ({"SeriesDescription": PHONE}, "telephone"),
        ({"PatientID": IDENTITY}, "national identity"),
        ({"ProtocolName": NAME}, "name as DICOM writes it"),
    ],
)
def test_other_signs(tmp_path, tags, says):
    assert any(says in found for found in images(tmp_path, **tags))


def test_private_elements_and_nested_names_are_found(tmp_path):
    manifest = manifest_of(tmp_path)
    path = tmp_path / "data/images/P-1/pre/t2w/I01.dcm"
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0029, "VENDOR", create=True).add_new(1, "LO", "anything")
    inner = pydicom.Dataset()
    inner.OperatorsName = NAME
    dataset.ReferencedImageSequence = [inner]
    save(dataset, path)
    found = [problem.problem for problem in check_images(manifest, tmp_path)]
    assert sorted(found) == [
        "1 of 2 files: OperatorsName is filled",
        "1 of 2 files: private elements, which may hold anything",
    ]


def test_what_was_de_identified_here_passes(tmp_path):
    source = make_slice(noise(1)[0], 0, PatientName=NAME, InstitutionName="X", OperatorsName="Y")
    clean = deidentify_file(source, Key(b"a secret of this test file only"))
    save(clean, tmp_path / "s" / "1.dcm")
    table = pd.DataFrame({"patient_id": [clean.PatientID], "path": ["s"]})
    assert check_images(table, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"write to {MAIL}", ["an e-mail address"]),
        (f"id {IDENTITY}", ["a national identity number"]),
        (f"call {PHONE} or +86 755 " + "1234 5678", ["a telephone number"]),
        (NAME, ["a name as DICOM writes it"]),
        ("(0010," + "0030) Patient's Birth Date  DA: '19630314'", ["a printed DICOM header"]),
        ("someone@example.org, 2.25.13800138000, 0.13800138000, SYN-0269^SYNTHETIC, x^2", []),
        ("3b138" + "00138000f2", []),
    ],
)
def test_texts(text, kinds):
    found = kinds_of_identity(text)
    assert len(found) == len(kinds)
    assert all(one.startswith(kind) for one, kind in zip(found, kinds, strict=True))


def test_tables_and_notebooks_are_searched(tmp_path):
    study = make_study(tmp_path)
    assert check_texts(study) == []
    registry = load(study, "registry")
    registry["patient_name"] = ""
    registry["remark"] = ["", MAIL, "", "", "", ""]
    save_table(study, "registry", registry)
    cell = {"cell_type": "code", "source": ["1"], "outputs": [{"data": {"text/plain": [NAME]}}]}
    (study / "notebooks").mkdir()
    (study / "notebooks" / "mine.ipynb").write_text(json.dumps({"cells": [cell]}))
    found = [(p.where, p.column, p.problem) for p in check_texts(study)]
    assert found == [
        (
            "data/registry.csv",
            "patient_name",
            "by its name this column identifies people",
        ),
        ("data/registry.csv", "", "row 3 holds an e-mail address"),
        ("notebooks/mine.ipynb", "", "cell 1 holds a name as DICOM writes it"),
    ]


def test_the_command_says_what_it_found(tmp_path, capsys):
    study = make_study(tmp_path)
    series = study / "data/images/H-01/pre/t2w"
    for path in series.iterdir():
        path.unlink()
    write_series(series, noise(2, 8, 8), patient_id="H-01", InstitutionName="St. Elsewhere")
    manifest = load(study, "manifest")
    row = manifest["path"] == "data/images/H-01/pre/t2w"
    manifest.loc[row, "sha256"] = series_checksum(series)
    save_table(study, "manifest", manifest)
    assert main(["check", str(study)]) == 1
    said = capsys.readouterr().out
    assert "2 of 2 files: InstitutionName is filled" in said and "Elsewhere" not in said
    assert Study(study).check(checksums=False).empty


def test_nothing_this_repository_commits_names_a_person():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert not [path for path in paths if path.suffix in (".dcm", ".ima", ".nii", ".gz")]
    assert check_texts(ROOT) == []
    for path in paths:
        binary = path.suffix in (".png", ".npz", ".keras", ".npy")
        if path.exists() and not binary:
            found = kinds_of_identity(path.read_text(encoding="utf-8"))
            assert not found, f"{path.relative_to(ROOT)} holds {', '.join(found)}"
