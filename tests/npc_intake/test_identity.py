"""The search for names: it finds what was planted, says where, and never repeats it."""

import json
import time

import pandas as pd
import pydicom
import pytest
from dicom_making import make_slice, noise, save, write_series
from npc_intake.deidentify import Key, deidentify_file
from npc_intake.identity.check import PERSONAL, check_images, check_texts, kinds_of_identity
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from small_study import load, make_study
from small_study import save as save_table
from tracked_files import ROOT, tracked

from npc_helpers.study import Study
from npc_helpers.study.__main__ import main
from npc_helpers.study.artefacts import series_checksum

# Written in two parts, as this file is searched too.
MAIL, NAME, PHONE = "jane" + "@hospital.cn", "DOE" + "^JANE", "138" + "00138000"
IDENTITY = "44010619630314" + "002X"


def manifest_of(folder, **tags):
    write_series(folder / "data/images/P-1/pre/t2w", noise(2, 8, 8), **tags)
    return pd.DataFrame({"patient_id": ["P-1"], "path": ["data/images/P-1/pre/t2w"]})


def hospital(folder, **tags):
    manifest = manifest_of(folder, **tags).assign(source="hospital")
    return [problem.problem for problem in check_images(manifest, folder)]


def images(folder, **tags):
    return [problem.problem for problem in check_images(manifest_of(folder, **tags), folder)]


def test_a_clean_series_has_no_problem(tmp_path):
    assert images(tmp_path, PatientName="P-1", AccessionNumber="") == []


# Of PS3.15, table E.1-1 (2024b), written down anew: text that the basic profile empties or removes,
# and that names a person, a place, or an examination by which both can be found.
OF_THE_STANDARD = """
AccessionNumber AdditionalPatientHistory AdmissionID ConsultingPhysicianName ContentCreatorName
CurrentPatientLocation EthnicGroup ImageComments InstitutionAddress InstitutionName
InstitutionalDepartmentName InsurancePlanIdentification IssuerOfPatientID MedicalRecordLocator
MilitaryRank NameOfPhysiciansReadingStudy Occupation OperatorsName OtherPatientIDs OtherPatientNames
PatientAddress PatientBirthName PatientComments PatientInstitutionResidence PatientMotherBirthName
PatientReligiousPreference PatientTelecomInformation PatientTelephoneNumbers
PerformedProcedureStepID PerformingPhysicianName PersonName PhysiciansOfRecord
ReferringPhysicianAddress ReferringPhysicianName ReferringPhysicianTelephoneNumbers
RequestedProcedureComments RequestingPhysician RequestingService ResponsibleOrganization
ResponsiblePerson ScheduledPerformingPhysicianName StationName TextString VerifyingObserverName
VisitComments
"""
NO_TEXT = "PatientBirthDate PatientBirthTime OtherPatientIDsSequence RequestAttributesSequence"


def test_the_list_of_personal_elements_is_that_of_the_standard():
    assert sorted(PERSONAL) == sorted((OF_THE_STANDARD + NO_TEXT).split())


@pytest.mark.parametrize(
    "keyword",
    [word for word in PERSONAL if pydicom.datadict.dictionary_VR(word) not in ("SQ", "DA", "TM")],
)
def test_every_personal_element_is_found_and_not_repeated(tmp_path, keyword):
    (problem,) = images(tmp_path, **{keyword: "Doe Jane"})
    assert keyword in problem and problem.startswith("2 of 2 files")
    assert "Doe" not in problem


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
        ({"RequestedProcedureDescription": f"ask {PHONE}."}, "telephone"),
        ({"PatientName": "CANONICA" + "^MARIA"}, "PatientName is not the identifier"),
        ({"PatientName": "ANON" + "^MARIA"}, "PatientName is not the identifier"),
        ({"patient_id": "D", "PatientName": NAME}, "PatientName is not the identifier"),
        ({"PatientName": "P-1^" + "MARIA"}, "PatientName is not the identifier"),
        ({"patient_id": "LI WEI", "PatientName": "LI WEI"}, "PatientID is written like a name"),
        ({"PatientName": "00471147"}, "PatientName is not the identifier"),
        ({"ReviewerName": "Li Wei"}, "ReviewerName is filled"),
        ({"HumanPerformerName": "Li Wei"}, "HumanPerformerName is filled"),
    ],
)
def test_other_signs(tmp_path, tags, says):
    assert any(says in problem for problem in images(tmp_path, **tags))


@pytest.mark.parametrize("name", ["", "P-1", "P-1^SYNTHETIC", "Anonymous", "ANON 0042", "^^^^"])
def test_names_that_are_none_pass(tmp_path, name):
    assert images(tmp_path, PatientName=name, ReviewerName="^^") == []


def test_images_of_a_hospital_say_that_they_were_de_identified(tmp_path):
    clean = {"PatientIdentityRemoved": "YES", "SeriesDescription": "WATER: T1 TSE +C"}
    assert hospital(tmp_path, **clean) == []
    (problem,) = hospital(tmp_path, **clean | {"PatientIdentityRemoved": "NO"})
    assert "PatientIdentityRemoved" in problem
    (problem,) = hospital(tmp_path, **clean | {"SeriesDescription": "NPC MRI DOE JANE"})
    assert "SeriesDescription is free text" in problem and "JANE" not in problem


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("preamble", [True, False])
def test_names_in_sequences_are_found_in_every_encoding(tmp_path, syntax, preamble):
    inner, middle = pydicom.Dataset(), pydicom.Dataset()
    inner.PersonName, middle.ContentSequence = NAME, [inner]
    dataset = make_slice(noise(1, 8, 8)[0], 0)
    dataset.ReferencedImageSequence = [middle]
    path = tmp_path / "s" / "1.dcm"
    path.parent.mkdir()
    implicit = syntax == ImplicitVRLittleEndian
    if preamble:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path, enforce_file_format=True)
    else:
        del dataset.file_meta
        dataset.save_as(path, implicit_vr=implicit, little_endian=True)
    manifest = pd.DataFrame({"patient_id": ["P-1"], "path": ["s"]})
    (problem,) = check_images(manifest, tmp_path)
    assert problem.problem == "1 of 1 files: PersonName is filled"


@pytest.mark.parametrize("name", ["1.dcm", "IM1", "1.dcm.bak"])
def test_images_that_the_manifest_does_not_list_are_searched_too(tmp_path, name):
    manifest = manifest_of(tmp_path)
    dataset = make_slice(noise(1, 8, 8)[0], 0, OperatorsName=NAME)
    save(dataset, tmp_path / "data" / "incoming" / "batch" / name)
    (tmp_path / "data" / "incoming" / "batch" / "notes.bin").write_bytes(b"x" * 200)
    (problem,) = check_images(manifest, tmp_path)
    assert problem[:4] == ("data/incoming/batch", "", "", "1 of 1 files: OperatorsName is filled")


def test_no_warning_repeats_a_value(tmp_path, recwarn):
    with pydicom.config.disable_value_validation():
        manifest = manifest_of(tmp_path, StudyInstanceUID=f"1.2.{NAME}", PatientBirthDate=NAME)
    assert check_images(manifest, tmp_path)
    assert not [warning for warning in recwarn if "DOE" in str(warning.message)]


def test_private_elements_and_nested_names_are_found(tmp_path):
    manifest = manifest_of(tmp_path)
    path = tmp_path / "data/images/P-1/pre/t2w/I01.dcm"
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0029, "VENDOR", create=True).add_new(1, "LO", "anything")
    inner = pydicom.Dataset()
    inner.OperatorsName = NAME
    dataset.ReferencedImageSequence = [inner]
    save(dataset, path)
    problems = [problem.problem for problem in check_images(manifest, tmp_path)]
    assert sorted(problems) == [
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
        (f"Call {PHONE}.", ["a telephone number"]),
        (f"电话{PHONE}。", ["a telephone number"]),
        (f"86{PHONE} and {PHONE}.0,", ["a telephone number"]),
        ("138" + "-0013-8000", ["a telephone number"]),
        ("138" + " 0013 8000", ["a telephone number"]),
        ("0755" + "-83012345", ["a telephone number"]),
        ("(0755" + ") 83012345", ["a telephone number"]),
        (f"身份证{IDENTITY}.", ["a national identity number"]),
        (NAME, ["a name as DICOM writes it"]),
        ("LI" + "^WEI", ["a name as DICOM writes it"]),
        ("Wu" + "^Yi", ["a name as DICOM writes it"]),
        ("王" + "^小明", ["a name as DICOM writes it"]),
        ("(0010," + "0030) Patient's Birth Date  DA: '19630314'", ["a printed DICOM header"]),
        ("someone@example.org, 2.25.13800138000, 0.13800138000, SYN-0269^SYNTHETIC, x^2", []),
        ("3b138" + "00138000f2", []),
        ("[ 134 2048 1024 1300], 1990-1999-2008, 0755-8301-1234, 1700000000000", []),
        ("https://doi.org/10.1016/0360-30169400009, 6.02e23, x^2, A^B, Y^n", []),
    ],
)
def test_texts(text, kinds):
    sentences = kinds_of_identity(text)
    assert len(sentences) == len(kinds), sentences
    assert all(sentence.startswith(kind) for sentence, kind in zip(sentences, kinds, strict=True))


@pytest.mark.parametrize("character", ["a", "A", "1", "字", "1 ", "A-", "+", "^"])
def test_a_line_takes_time_in_proportion_to_its_length(character):
    """A hundred times the length: at most a thousand times the work, not ten thousand times."""

    def work(length):
        text, spent = character * length, []
        for _ in range(3):
            start = time.process_time_ns()
            kinds_of_identity(text)
            spent.append(time.process_time_ns() - start)
        return min(spent)

    assert work(200_000) < 1000 * work(2_000)


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
    problems = [(p.where, p.column, p.problem) for p in check_texts(study)]
    assert problems == [
        (
            "data/registry.csv",
            "patient_name",
            "by its name this column identifies people",
        ),
        ("data/registry.csv", "", "row 3 holds an e-mail address"),
        ("notebooks/mine.ipynb", "", "cell 1 holds a name as DICOM writes it"),
    ]


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "error", "ename": "E", "evalue": NAME, "traceback": []},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["\x1b[31m", NAME]},
        {"output_type": "stream", "name": "stderr", "text": ["first\n", NAME]},
        {"data": {"application/json": {"patients": [{"name": NAME}]}}},
        {"data": {"application/vnd.plotly.v1+json": {"data": [{"hovertext": ["a", NAME]}]}}},
        {"data": {"text/html": [f"<b>{NAME}</b>"]}},
        {"data": {"image/svg+xml": [f"<text>{NAME}</text>"]}},
    ],
)
@pytest.mark.parametrize("place", ["a.ipynb", "notebooks/deep/er/a.ipynb"])
def test_every_kind_of_output_is_searched(tmp_path, output, place):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"cell_type": "markdown", "source": ["x"]}, {"source": [], "outputs": [output]}]
    path.write_text(json.dumps({"cells": cells, "metadata": {}}))
    (problem,) = check_texts(tmp_path)
    assert problem[:4] == (place, "", "", "cell 2 holds a name as DICOM writes it")


@pytest.mark.parametrize(
    ("place", "encoding"),
    [
        ("data/found_series.csv", "utf-8"),
        ("data/my_notes.csv", "gb18030"),
        ("data/reference/x.csv", "utf-8"),
        ("results/tutorial/report.html", "utf-8"),
        ("results/deep/er/page.htm", "utf-8"),
        ("results/note.json", "utf-8"),
        ("broken.ipynb", "utf-8"),
    ],
)
def test_other_files_of_a_study_are_searched(tmp_path, place, encoding):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("说明,text\n1,2\n王" + f"^小明 {NAME},3\n", encoding=encoding)
    (problem,) = check_texts(tmp_path)
    assert problem.where == place and "a name as DICOM writes it" in problem.problem


def test_libraries_in_a_page_may_be_signed_and_data_may_not(tmp_path):
    library = f"<script>/*! plotly.js v3 | {MAIL} */</script>"
    (tmp_path / "page.html").write_text(f"<html>{library}<script>plot([])</script></html>")
    assert check_texts(tmp_path) == []
    (tmp_path / "page.html").write_text(f"<html>{library}<script>plot(['{MAIL}'])</script></html>")
    assert len(check_texts(tmp_path)) == 1


def test_installed_software_is_not_searched(tmp_path):
    (tmp_path / "env" / "lib").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    (tmp_path / "env" / "lib" / "authors.txt").write_text(MAIL)
    assert check_texts(tmp_path) == []


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
    paths = tracked()
    made = sorted((ROOT / "tests/oracle").glob("rtstruct_*.dcm"))  # by a library, of no patient
    images = [path for path in paths if path.suffix in (".dcm", ".ima", ".nii", ".gz")]
    assert sorted(images) == made
    assert {pydicom.dcmread(path).PatientID for path in made} == {"P-1"}
    assert check_texts(ROOT) == []
    for path in paths:
        binary = path.suffix in (".png", ".npz", ".keras", ".npy", ".dcm")
        if not binary:
            sentences = kinds_of_identity(path.read_text(encoding="utf-8"))
            assert not sentences, f"{path.relative_to(ROOT)} holds {', '.join(sentences)}"
