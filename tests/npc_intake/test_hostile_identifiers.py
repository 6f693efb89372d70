"""Identifiers that want to be a path, a page, a formula or a line, through every sink."""

import csv

import pandas as pd
import pydicom
import pytest
from archives import Shelf
from dicom_making import make_slice, noise, save
from npc_intake.__main__ import main
from npc_intake.deidentify import Key
from npc_intake.deidentify.burned_in import LIST, SHEET
from npc_intake.deidentify.original_words import original_words

HOSTILE = {
    "path": "../../escape",
    "formula": '=HYPERLINK("x")',
    "page": "<img src=x onerror=y>",
    "mathematics": "$x_1^2$",
    "lines": "P1\r\nP2,forged,-7",
    "cells": 'P1","forged',
    "terminal": "P1\x1b[2J",
    "right to left": "P1\u202e2P",
    "long": "P" * 60,
    "quoted formula": "'=1+1",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_of_it_leaves_and_it_comes_back_whole_from_who_is_who(tmp_path, kind, capsys):
    number = HOSTILE[kind]
    with pydicom.config.disable_value_validation():
        for index, pixels in enumerate(noise(2)):
            words = {"SeriesDescription": number, "ProtocolName": number, "PatientName": number}
            dataset = make_slice(pixels, 6.0 * index, patient_id=number, **words)
            dataset.SpecificCharacterSet = "ISO_IR 192"
            save(dataset, tmp_path / "in" / f"{index}.dcm")
    names = [str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(tmp_path / "k" / "key.json")]
    assert main(["deidentify", *names]) == 0
    said = "".join(capsys.readouterr())
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {LIST, SHEET} and len(files) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "k"}
    for text in (said, *(path.read_bytes().decode("latin-1") for path in files)):
        assert number not in text and "forged" not in text and "\x1b" not in text[:500]
    key = Key.open(tmp_path / "k" / "key.json")
    stored = number.strip()
    assert list(key.read_mapping().values()) == [stored]
    for path in (tmp_path / "k").glob("*.csv"):
        for row in csv.reader(path.open(encoding="utf-8", newline="")):
            assert not [cell for cell in row if cell[:1] in ("=", "@", "+")], path
    words = original_words(key.path)
    assert len(words) == 1 and words["patient_id"][0] == key.pseudonym(stored)


@pytest.mark.parametrize("kind", ["path", "formula", "page", "long"])
def test_from_an_archive_too(tmp_path, kind):
    shelf, number = Shelf(), HOSTILE[kind]
    for dataset in shelf.datasets.values():
        dataset.PatientID = dataset.SeriesDescription = number
    shelf.listed = type(shelf.listed)(
        number, "1.2.3", shelf.listed.series_uid, "20180101", number, 4
    )
    log = shelf.retrieve(tmp_path)
    assert list(log["state"]) == ["done"] and number not in log.to_csv()
    written = pd.read_csv(tmp_path / "study" / "data" / "retrieval_log.csv", dtype=str).to_csv()
    assert number not in written
    assert not [path for path in (tmp_path / "study").rglob("*") if "escape" in path.name]
    assert Key.open(tmp_path / "key").read_mapping() == {
        Key.open(tmp_path / "key").pseudonym(number): number
    }
