"""The images that do not say whether text is burned in: listed, ranked, shown, signed."""

import re
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from archives import Shelf
from dicom_making import make_slice, save
from npc_intake.__main__ import main
from npc_intake.deidentify import deidentify_folder
from npc_intake.deidentify.burned_in import LIST, SHEET, letters_in, list_images
from PIL import Image, ImageDraw, ImageFont

SIZE = 256


def head(seed=0):
    """A noisy disc with darker parts in it, as a slice through a head is."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    image = 600.0 * (rows**2 + (1.2 * columns) ** 2 < 90**2)
    image[100:140, 120:135] = 100
    noise = np.random.default_rng(seed).rayleigh(25, image.shape)
    return (image + noise).astype(np.uint16)


def with_text(image, text, *, at, size=12, value=None):
    font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    layer = Image.new("L", image.shape[::-1])
    ImageDraw.Draw(layer).text(at, text, font=ImageFont.truetype(str(font), size), fill=255)
    changed = image.copy()
    changed[np.array(layer) > 128] = image.max() + 50 if value is None else value
    return changed


@pytest.mark.parametrize("size", [10, 14, 20])
@pytest.mark.parametrize(
    ("at", "value"), [((6, 6), None), ((6, 230), 400), ((90, 120), None), ((150, 4), 4095)]
)
def test_a_name_in_the_picture_is_seen(at, value, size):
    assert letters_in(with_text(head(), "DOE JANE", at=at, size=size, value=value)) >= 4


def test_a_head_without_a_name_holds_no_letters():
    assert [letters_in(head(seed)) for seed in range(5)] == [0] * 5
    assert letters_in(np.zeros((64, 64), np.uint16)) == 0
    assert letters_in(np.full((64, 64), 7, np.int16)) == 0


@pytest.fixture
def study(tmp_path):
    """Two series that say nothing, the second with a name on one image, and one that says no."""
    for series, stated in ((1, {}), (2, {}), (3, {"BurnedInAnnotation": "NO"})):
        for number in range(3):
            image = head(number)
            if (series, number) == (2, 1):
                image = with_text(image, "DOE JANE", at=(6, 6))
            uids = {
                "SeriesInstanceUID": f"2.25.{series}",
                "SOPInstanceUID": f"2.25.{series}.{number}",
            }
            dataset = make_slice(image, 6.0 * number, **uids, **stated)
            save(dataset, tmp_path / "in" / f"{series}-{number}.dcm")
    return tmp_path


def run(folder):
    return deidentify_folder(folder / "in", folder / "out", key_path=folder / "k" / "key.json")


def test_the_list_ranks_what_looks_like_text_and_keeps_signatures(study):
    report = run(study)
    table = report.attrs["to_look_at"]
    assert len(table) == 6 and table["letters"][0] >= 4 and (table["letters"][1:] == 0).all()
    source = report.set_index("path")["file"]
    assert source[table["path"][0]] == "2-1.dcm"
    written = pd.read_csv(study / "out" / LIST, dtype=str, keep_default_na=False)
    assert list(written["path"]) == list(table["path"])
    written.loc[0, ["looked_at_by", "text_found"]] = ["R. Wu", "yes"]
    written.to_csv(study / "out" / LIST, index=False)
    save(make_slice(head(9), 0, SOPInstanceUID="2.25.99"), study / "in" / "more.dcm")
    again = run(study).attrs["to_look_at"]
    assert len(again) == 7 and list(again.loc[0, ["looked_at_by", "text_found"]]) == [
        "R. Wu",
        "yes",
    ]


def test_the_sheet_shows_each_series_by_its_worst_image_and_needs_no_network(study):
    table = run(study).attrs["to_look_at"]
    page = (study / "out" / SHEET).read_text(encoding="utf-8")
    assert page.count("<li><img") == 2 and page.index(table["path"][0]) < page.index(
        "</li><li>", page.index("<img")
    )
    assert "6 images of 2 series do not say" in page
    words = re.sub("base64,[^']*", "", page)
    assert not [word for word in ("http", "DOE", "P-1") if word in words]
    assert page.count("data:image/png;base64,") == 2


def test_the_command_says_it_calmly(study, capsys):
    names = [str(study / "in"), str(study / "out"), "--key", str(study / "k" / "key.json")]
    assert main(["deidentify", *names]) == 0
    said = capsys.readouterr().out
    assert "6 images do not say whether text is burned in, 1 of them hold" in said
    assert SHEET in said and LIST in said


def test_images_from_an_archive_are_listed_too(tmp_path):
    shelf = Shelf()
    shelf.retrieve(tmp_path)
    incoming = tmp_path / "study" / "data" / "incoming"
    table = list_images(incoming, sorted(incoming.glob("[!.]*/*/*.dcm")))
    assert len(table) == 4 and (incoming / SHEET).exists()
