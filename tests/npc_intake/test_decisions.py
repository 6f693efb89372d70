"""Decisions about series: saved at once, kept apart from the list, on a page and in a notebook."""

import csv
import json
import re
from datetime import date
from io import StringIO
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from dicom_making import PREFIX, noise, write_series
from intake_study import study_of
from npc_intake.__main__ import main
from npc_intake.find import add_to_manifest, find_series, thumbnails
from npc_intake.find.batches import write_list
from npc_intake.find.decisions import DECISIONS, decisions_in, read_decisions, save_decisions
from npc_intake.find.page import SeriesDecisions, series_shown, write_page

from npc_helpers.study import StudyError
from npc_helpers.study.schema import MANIFEST

T1 = {"RepetitionTime": 600, "EchoTime": 10, "StudyDate": "20180201", "PatientID": "P1"}
EVIL = '=HYPERLINK("http://x")</script><img src=x onerror=alert(1)>'


def unclear_series(folder, description="Ax T1", *, number=1, **tags):
    """One T1-weighted series before treatment that does not tell of contrast."""
    about = {"SeriesInstanceUID": f"{PREFIX}.{number}", "SeriesDescription": description}
    return write_series(folder, noise(4, 16, 16), **T1 | about | tags)


def found_in(folder):
    start, end = {"P1": date(2018, 3, 1)}, {"P1": date(2018, 5, 1)}
    return find_series(folder, treatment_start=start, treatment_end=end, progress=False)


def test_decisions_are_merged_and_taken_back(tmp_path):
    assert read_decisions(tmp_path) == {}
    save_decisions(tmp_path, {"b": "t1c", "a": "skip"})
    save_decisions(tmp_path, {"a": "pre t2w", "c": "t2w"})
    save_decisions(tmp_path, {"b": ""})
    assert read_decisions(tmp_path) == {"a": "pre t2w", "c": "t2w"}
    table = pd.read_csv(tmp_path / DECISIONS)
    assert list(table.columns) == ["id", "decided", "decided_at"]
    assert [path.name for path in (tmp_path / DECISIONS).parent.iterdir()] == [
        "series_decisions.csv"
    ]


@pytest.mark.parametrize("words", ["before", "t1c; rm", "T1C pre", "=1+1"])
def test_what_cannot_be_decided_is_not_saved(tmp_path, words):
    with pytest.raises(StudyError, match=f"'{re.escape(words)}' cannot be decided"):
        save_decisions(tmp_path, {"a": words})
    with pytest.raises(StudyError, match="cannot be decided"):
        decisions_in(f"id,decided\na,{words}\n", "x.csv")
    assert not (tmp_path / DECISIONS).exists()


@pytest.mark.parametrize("text", ["", "name;decided\n", "id\na\n", '"'])
def test_another_table_is_refused(text):
    with pytest.raises(StudyError, match="x.csv: not a table of decisions"):
        decisions_in(text, "x.csv")


def _save_many(folder, name):
    for number in range(15):
        save_decisions(folder, {f"{name}{number}": "skip"})


def _list_many(folder, name):
    for number in range(15):
        row = pd.DataFrame({"id": [f"{name}{number}"], "decided": [""]})
        write_list(folder / "found_series.csv", row, folder / f"{name}{number}")


def _copy_many(folder, name):
    for number in range(15):
        row = [name, "pre", "t2w", f"data/images/{name}{number}", 2, "hospital", f"{number:064x}"]
        table = pd.DataFrame([row], columns=[column.name for column in MANIFEST.columns])
        add_to_manifest(folder, table.assign(patient_id=f"{name}{number}"))


def _listed(name):
    return lambda folder: pd.read_csv(folder / name)


@pytest.mark.parametrize(
    ("work", "saved"),
    [
        (_save_many, read_decisions),
        (_list_many, _listed("found_series.csv")),
        (_copy_many, _listed(MANIFEST.path)),
    ],
)
def test_two_programs_at_once_lose_nothing(tmp_path, work, saved):
    context = get_context("fork")
    programs = [context.Process(target=work, args=(tmp_path, name)) for name in "ab"]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert len(saved(tmp_path)) == 30


def test_what_was_edited_in_the_list_counts_and_what_was_saved_elsewhere_stays(tmp_path):
    study = study_of(tmp_path / "study", "P1")
    for number in (1, 2):
        unclear_series(tmp_path / "in" / str(number), f"T1 {number}", number=number)
    command = ["find", str(tmp_path / "in"), str(study)]
    assert main(command) == 0
    path = study / "data/found_series.csv"
    first, second = pd.read_csv(path, dtype=str)["id"]
    save_decisions(study, {second: "skip"})  # on the page or in the notebook, after the list
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[table["id"] == first, "decided"] = "t1c"
    table.to_csv(path, index=False)
    assert main(command) == 0
    assert read_decisions(study) == {first: "t1c", second: "skip"}
    assert pd.read_csv(path)["decided"].tolist() == ["t1c", "skip"]
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[table["id"] == first, "decided"] = ""  # taken back
    table.to_csv(path, index=False)
    assert main(command) == 0
    assert read_decisions(study) == {second: "skip"}


def test_decisions_of_the_page_are_read_and_copied(tmp_path, monkeypatch):
    study = study_of(tmp_path / "study", "P1")
    unclear_series(tmp_path / "in")
    command = ["find", str(tmp_path / "in"), str(study)]
    assert main(command) == 0
    (identifier,) = pd.read_csv(study / "data/found_series.csv")["id"]
    saved = tmp_path / "series_decisions.csv"
    saved.write_text(f"id,decided\n{identifier},t1c\n")
    assert main([*command, "--decisions", str(saved), "--copy"]) == 0
    manifest = pd.read_csv(study / "data_manifest.csv")
    assert manifest[["timepoint", "sequence"]].values.tolist() == [["pre", "t1c"]]
    monkeypatch.setattr("sys.stdin", StringIO(saved.read_text()))
    assert main([*command, "--decisions", "-"]) == 0
    saved.write_bytes("id,decided\nä,t1c\n".encode("latin-1"))
    assert main([*command, "--decisions", str(saved)]) == 1


def test_formulas_in_the_list_are_defused_and_read_back(tmp_path):
    study = study_of(tmp_path / "study", "P1")
    unclear_series(tmp_path / "in", EVIL[:60])
    command = ["find", str(tmp_path / "in"), str(study)]
    assert main(command) == 0 and main(command) == 0
    with (study / "data/found_series.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    assert f"'{EVIL[:60]}" in cells


def test_the_page_shows_each_series_and_no_text_becomes_markup(tmp_path):
    unclear_series(tmp_path / "in", EVIL[:60])
    listed = found_in(tmp_path / "in")
    page = write_page(listed, tmp_path / "page.html").read_text()
    assert "<img src=x" not in page and page.count("</script>") == 2
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "").replace(
        EVIL[1:21].replace('"', '\\"'), ""
    )
    (text,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    (series,) = json.loads(text)["series"]
    assert series["description"] == EVIL[:60].strip()
    assert (series["status"], series["timepoint"], series["contrast"]) == (
        "decide", "pre", "unclear"
    )  # fmt: skip
    assert len(series["pictures"]) == 3
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in series["pictures"])


@pytest.mark.parametrize("sign", "\u202e\u2066\u2028\x1b\x07\x7f\x85\u200b\ufeff")
def test_signs_that_steer_text_or_a_terminal_are_shown_as_such(tmp_path, sign):
    unclear_series(tmp_path / "in", f"Ax T1 {sign}gpj", SpecificCharacterSet="ISO_IR 192")
    (shown,) = series_shown(found_in(tmp_path / "in"))
    assert shown["description"] == "Ax T1 ?gpj"
    page = write_page(found_in(tmp_path / "in"), tmp_path / "page.html").read_text(encoding="utf-8")
    assert sign not in page


def test_original_words_are_shown_on_demand_and_never_in_the_study(tmp_path):
    unclear_series(tmp_path / "in")
    series = found_in(tmp_path / "in")
    names = ["series_uid", "description", "protocol", "image_type", "contrast_agent"]
    words = pd.DataFrame([[f"{PREFIX}.1", "T1 post Gd", "", "ORIGINAL", ""]], columns=names)
    (shown,) = series_shown(series, words)
    assert shown["words"] == "T1 post Gd; ORIGINAL"
    assert series_shown(series)[0]["words"] == ""


def test_the_widget_saves_every_click_at_once(tmp_path):
    unclear_series(tmp_path / "in")
    series = found_in(tmp_path / "in")
    (identifier,) = series.table["id"]
    widget = SeriesDecisions(series, tmp_path / "study")
    assert widget.found.manifest().empty
    widget.decision = [identifier, "t1c"]
    assert read_decisions(tmp_path / "study") == {identifier: "t1c"}
    assert widget.message == "saved: t1c"
    assert len(widget.found.manifest()) == 0 or widget.found.table["decided"].tolist() == ["t1c"]
    assert len(widget.found.copy_into(tmp_path / "study", progress=False)) == 1
    widget.decision = [identifier, "nonsense"]
    assert widget.message.startswith("Not saved:")
    assert widget.unsaved == [identifier, "t1c", widget.message]  # for the row, with what is saved
    (tmp_path / "study" / DECISIONS).unlink()
    (tmp_path / "study" / DECISIONS).mkdir()  # nothing can be written there
    for click in (1, 2):
        widget.decision = [identifier, "skip", click]
        assert widget.unsaved[0] == identifier and widget.unsaved[-1] == click
    (tmp_path / "study" / DECISIONS).rmdir()
    widget.decision = [identifier, "t1c", 3]
    assert widget.message == "saved: t1c"
    again = SeriesDecisions(series, tmp_path / "study")
    assert again.series[0]["decided"] == "t1c"


def test_three_slices_from_the_lowest_to_the_highest(tmp_path):
    array = unclear_series(tmp_path / "in")
    (pictures,) = thumbnails(found_in(tmp_path / "in"), at=(0.0, 0.5, 1.0))
    for picture, number in zip(pictures, (0, 2, 3), strict=True):
        np.testing.assert_array_equal(picture, array[number])


def test_a_page_with_original_words_lies_beside_the_key(tmp_path):
    export, clean, key = tmp_path / "export", tmp_path / "clean", tmp_path / "keys" / "npc.json"
    unclear_series(export, "Muster Anna T1 KM", StudyInstanceUID=f"{PREFIX}.5")
    assert main(["deidentify", str(export), str(clean), "--key", str(key)]) == 0
    study = study_of(tmp_path / "study", "P1")
    assert main(["find", str(clean), str(study), "--key", str(key)]) == 0
    page = key.parent / "found_series.html"
    assert "Muster Anna" in page.read_text() and page.stat().st_mode & 0o077 == 0
    inside = [path for path in study.rglob("*") if path.is_file()]
    assert not [path for path in inside if b"Muster" in path.read_bytes()]
    assert not (study / "data/found_series.html").exists()


@pytest.mark.parametrize("removed", [None, "NO", "YES"])
def test_original_images_are_told_on_the_page_and_at_the_prompt(tmp_path, removed, capsys):
    study = study_of(tmp_path / "study", "P1")
    tags = {} if removed is None else {"PatientIdentityRemoved": removed}
    write_series(tmp_path / "in", **tags)
    assert main(["find", str(tmp_path / "in"), str(study)]) == 0
    page = (study / "data" / "found_series.html").read_text(encoding="utf-8")
    told = "1 of 1 series do not say that names were removed"
    assert (told in page, told in capsys.readouterr().out) == (removed != "YES",) * 2
    widget = SeriesDecisions(find_series(tmp_path / "in"), study)
    assert (told in widget.message) == (removed != "YES")
