"""With contrast or without? Descriptions in the languages of hospitals, and the tags."""

import pytest
from descriptions import descriptions
from npc_intake.find.contrast import contrast_in_words, contrast_of


@pytest.mark.parametrize(("subject", "answer", "text"), descriptions("contrast"))
def test_descriptions(subject, answer, text):
    contrast = contrast_in_words(text)
    assert contrast.answer == answer, contrast
    assert bool(contrast.evidence) == bool(answer)


@pytest.mark.parametrize(
    ("answer", "tags"),
    [
        ("yes", {"ContrastBolusAgent": "Gadobutrol"}),
        ("yes", {"ContrastBolusAgent": "YES"}),
        ("yes", {"ContrastBolusAgent": "7.5 ml Gadovist"}),
        ("yes", {"ContrastBolusAgent": "BAYER GADAVIST"}),
        ("yes", {"ContrastBolusAgent": "contrast agent Gd-DTPA"}),
        ("no", {"ContrastBolusAgent": "0 ml Gadovist"}),
        ("yes", {"ContrastBolusVolume": "7.5"}),
        ("yes", {"ContrastBolusAgentAdministered": "YES"}),
        ("yes", {"SeriesDescription": "T1 +C", "ProtocolName": "T1 km"}),
        ("yes", {"SeriesDescription": "T1 +C", "ContrastBolusAgent": "Unknown"}),
        *(
            ("no", {"ContrastBolusAgent": text})
            for text in "NONE|NO|0|0.0 ml|ohne|无|N/A".split("|")
        ),
        ("no", {"ContrastBolusAgent": "No contrast"}),
        ("no", {"ContrastBolusAgentAdministered": "NO"}),
        ("no", {"SeriesDescription": "T1 nativ", "ContrastBolusAgent": "NONE"}),
        ("unclear", {"SeriesDescription": "T1 nativ", "ContrastBolusAgent": "Gadobutrol"}),
        ("unclear", {"SeriesDescription": "T1 +C", "ContrastBolusAgent": "NO"}),
        ("unclear", {"ContrastBolusAgent": "Gadobutrol", "ContrastBolusVolume": "0"}),
        ("unclear", {"SeriesDescription": "T1", "ProtocolName": "T1 km"}),
        ("unclear", {"SeriesDescription": "T1 +C", "ProtocolName": "T1 nativ"}),
        ("", {"ContrastBolusVolume": "0"}),
        ("", {"ContrastBolusAgent": "Unknown"}),
        ("", {}),
    ],
)
def test_tags_and_descriptions_together(answer, tags):
    contrast = contrast_of([tags, tags])
    assert contrast.answer == answer, contrast


def test_what_only_some_images_say_is_unclear():
    with_agent = {"ContrastBolusAgent": "Gadobutrol"}
    assert contrast_of([with_agent, {}]).answer == "unclear"
    assert contrast_of([{"SeriesDescription": "T1 +C"}, {"SeriesDescription": "T1"}]) == (
        "unclear",
        ("the description says 'c'", "the description says not the same on all images"),
    )
