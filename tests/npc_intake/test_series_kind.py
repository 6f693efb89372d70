"""What ImageType, frames and makers' own elements say of a series, whichever image says it."""

import pydicom
import pytest
from descriptions import descriptions
from dicom_making import make_enhanced, make_slice, noise, save
from npc_intake.deidentify.keep_list import codes
from npc_intake.find.headers import images_of, read_images
from npc_intake.find.image_types import MEANINGS, PARTS
from npc_intake.find.series_kind import classify
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from npc_helpers.imaging.headers import Tags

AXIAL = "1\\0\\0\\0\\1\\0"
T2 = {"RepetitionTime": "4000", "EchoTime": "90"}
T1 = {"RepetitionTime": "600", "EchoTime": "10"}
PLAIN = {"Modality": "MR", "ImageOrientationPatient": AXIAL}


# ImageType (or FrameType) as makers write it, and the kind it makes of a series by itself T2-
# weighted. Words after a bar stand in the functional groups.
TYPES = [
    ("t2w", "ORIGINAL\\PRIMARY\\M_SE\\M\\SE"),  # Philips
    ("t2w", "ORIGINAL\\PRIMARY\\M\\ND"),  # Siemens
    ("t2w", "ORIGINAL\\PRIMARY\\M\\NORM\\DIS2D\\FM3_2\\FIL"),
    ("t2w", "ORIGINAL\\PRIMARY\\OTHER"),  # GE, Hitachi
    ("t2w", "ORIGINAL\\PRIMARY\\GDC"),  # Canon
    ("t2w", "ORIGINAL\\PRIMARY\\M\\RETRO\\NORM"),  # United Imaging
    ("t2w", "DERIVED\\PRIMARY\\DIXON\\WATER\\MAGNITUDE"),  # GE
    ("t2w", "DERIVED\\PRIMARY\\M\\WATER\\NORM"),  # Siemens
    ("t2w", "DERIVED\\PRIMARY\\W\\W\\DERIVED"),  # Philips
    ("t2w", "ORIGINAL\\PRIMARY\\T2\\NONE|ORIGINAL\\PRIMARY\\T2\\M"),
    ("fat", "DERIVED\\PRIMARY\\M\\FAT\\NORM"),
    ("in_phase", "DERIVED\\PRIMARY\\DIXON\\IN_PHASE"),
    ("opposed_phase", "ORIGINAL\\PRIMARY\\M\\OPP_PHASE\\ND"),
    ("localiser", "ORIGINAL\\PRIMARY\\LOCALIZER\\M"),
    ("phase", "ORIGINAL\\PRIMARY\\P\\ND"),
    ("phase", "ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE"),
    ("phase", "ORIGINAL\\PRIMARY\\T1\\MIXED|ORIGINAL\\PRIMARY\\T1\\FIELD_MAP"),
    ("phase", "DERIVED\\PRIMARY\\B0\\B0\\UNSPECIFIED"),
    ("phase", "ORIGINAL\\PRIMARY\\SW_P_FFE\\SW_P\\FFE"),
    ("phase", "ORIGINAL\\PRIMARY\\PHASE CONTRAST M\\M\\PCA"),
    ("phase", "ORIGINAL\\PRIMARY\\R_IR\\R\\IR"),
    ("phase", "ORIGINAL\\PRIMARY\\I\\ND"),
    ("phase", "DERIVED\\PRIMARY\\VELOCITY MAP"),
    ("derived", "DERIVED\\PRIMARY\\MPR\\NORM"),
    ("derived", "DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE"),
    ("derived", "DERIVED\\PRIMARY\\PROJECTION IMAGE\\M\\SE"),
    ("derived", "DERIVED\\PRIMARY\\M\\MIP"),
    ("derived", "DERIVED\\SECONDARY\\SUB\\ADD"),
    ("derived", "DERIVED\\SECONDARY"),
    ("derived", "DERIVED\\PRIMARY\\T2 MAP"),
    ("derived", "DERIVED\\SECONDARY\\SCREEN SAVE"),
    ("other", "ORIGINAL\\PRIMARY\\DIFFUSION\\NONE\\ND"),
    ("other", "DERIVED\\PRIMARY\\DIFFUSION\\TRACEW\\ND"),
    ("other", "DERIVED\\PRIMARY\\ADC\\ND"),
    ("other", "DERIVED\\PRIMARY\\DIFFUSION\\FA\\ND"),
    ("other", "ORIGINAL\\PRIMARY\\FMRI\\NONE"),
    ("other", "ORIGINAL\\PRIMARY\\EPI\\NONE"),
    ("other", "ORIGINAL\\PRIMARY\\ASL\\NONE\\ND\\NORM"),
    ("other", "ORIGINAL\\PRIMARY\\PERFUSION_FFE\\PERFUSION\\FFE"),
    ("other", "DERIVED\\PRIMARY\\PERFUSION\\RELCBF"),
    ("other", "ORIGINAL\\PRIMARY\\SW_M_FFE\\SW_M\\FFE"),
    ("other", "ORIGINAL\\PRIMARY\\M\\SWI\\NORM"),
    ("other", "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC"),
    ("other", "ORIGINAL\\PRIMARY\\M\\VFRAME"),
    ("other", "ORIGINAL\\PRIMARY\\M_IR\\M\\IR"),
    ("other", "ORIGINAL\\PRIMARY\\M\\NONE|ORIGINAL\\PRIMARY\\FLUID_ATTENUATED\\NONE"),
    ("other", "ORIGINAL\\PRIMARY\\TOF\\NONE"),
    ("unclear", "DERIVED\\PRIMARY\\M\\WATER\\FAT"),
]


@pytest.mark.parametrize(("kind", "types"), TYPES)
def test_words_of_image_type(kind, types):
    image_type, _, frame_type = types.partition("|")
    image = PLAIN | T2 | {"ImageType": image_type, "FrameType": frame_type}
    judged = classify([image])
    assert judged.kind == kind, judged


@pytest.mark.parametrize(("weighting", "kind", "text"), descriptions("t1", "t2"))
def test_descriptions_that_name_a_kind(weighting, kind, text):
    times = {"t1": T1, "t2": T2}[weighting]
    judged = classify([PLAIN | times | {"SeriesDescription": text}])
    assert judged.kind == kind, judged


@pytest.mark.parametrize(("subject", "kind", "image_type"), descriptions("image type"))
def test_image_types_as_makers_write_them(subject, kind, image_type):
    judged = classify([PLAIN | T2 | {"ImageType": image_type}])
    assert judged.kind == kind, judged
    kept = codes("ImageType", image_type.split("\\"))  # in a de-identified image
    assert classify([PLAIN | T2 | {"ImageType": "\\".join(kept)}]).kind == kind


@pytest.mark.parametrize("part", ["LIVER", "L-SPINE", "Abdomen", "CHEST"])
def test_another_region_of_the_body_is_left_to_a_person(part):
    judged = classify([PLAIN | T2 | {"BodyPartExamined": part}])
    assert judged.kind == "unclear" and "not head or neck" in judged.reason
    (kept,) = codes("BodyPartExamined", [part])  # in a de-identified image
    assert classify([PLAIN | T2 | {"BodyPartExamined": kept}]).kind == "unclear"


@pytest.mark.parametrize("part", ["HEAD", "NECK", "CSPINE", "", "SMITH"])
def test_regions_of_head_and_neck_are_taken(part):
    assert classify([PLAIN | T2 | {"BodyPartExamined": part}]).kind == "t2w"
    assert "SMITH" not in codes("BodyPartExamined", [part])


def test_a_gradient_echo_of_long_echo_time_is_not_taken_for_t2():
    judged = classify([PLAIN | T2 | {"ScanningSequence": "GR"}])
    assert judged.kind == "unclear" and "T2*" in judged.reason


@pytest.mark.parametrize(("word", "kind"), [("POST_CONTRAST", "t1c"), ("PRE_CONTRAST", "t1w")])
def test_image_type_may_say_that_an_agent_was_given(word, kind):
    judged = classify([PLAIN | T1 | {"FrameType": f"ORIGINAL\\PRIMARY\\{word}\\NONE"}])
    assert judged.kind == kind and word in judged.reason
    assert judged.contrast == {"t1c": "yes", "t1w": "no"}[kind]


# Every word that decides, written down once more: none may be lost, or change its meaning.
WORDS = {
    "derived": (
        "ADDITION|DIFFERENCE|SUBTR|SUBTRACTED|SYMRI|SYNTHETIC|"
        "COMPOSED|CPR|CSA 3D EDITOR|CSA MIP|CSA MPR|CSA RESAMPLED|CSAPARALLEL|CU"
        "RVED|DIVISION|FAT_FRACTION|FF|FUSED|FUSION|MAX_IP|MEAN_IP|METABOLITE_MAP|MINIP|M"
        "IN_IP|MIP|MNIP|MPR|MPR_THICK|MTRA_MAP|MULTIPLICATION|PROJECTION "
        "IMAGE|PROTON_DENSITY_MAP|R1_MAP|R2 MAP|R2_MAP|R2_STAR "
        "MAP|R2_STAR_MAP|REFORMATTED|RESAMPLED|RHO_MAP|SCREEN "
        "SAVE|STIFFNESS|SUB|SUBTRACT|SUBTRACTION|T1 MAP|T1_MAP|T2 MAP|T2_MAP|T2_STAR "
        "MAP|T2_STAR_MAP|WATER_FRACTION"
    ),
    "fat": ("F|FAT"),
    "in_phase": ("INPHASE|IN_PHASE|IP"),
    "localiser": ("LOCALISER|LOCALIZER|SCOUT"),
    "opposed_phase": ("OP|OPPOSED_PHASE|OPPPHASE|OPP_PHASE|OUTPHASE|OUT_PHASE"),
    "other": (
        "ADC|ANGIO|ASL|B1|B1_MAP|BOLD|CALCBVAL|CALC_BVALUE|CALIBRATION|CBF|CBV|COIL_SENSI"
        "TIVITY|COLFA|DCE|DIFFUSION|DIFFUSION_ANISO|DIFFUSION_MAP|DKI|DSC|DWI|EADC|ELASTO"
        "GRAPHY|EPI|EXPADC|FA|FAC_MAP|FLAIR|FLUID_ATTENUATED|FMRI|GBP|IAUC|INV1|INV2|IR|I"
        "VIM|KEP|KTRANS|M0|MOSAIC|MP2RAGE|MRA|MTT|M_IR|PBP|PERFUSION|PERFUSION_FFE|PERFUS"
        "ION_SE|QSM|RCBF|RCBV|REFERENCE|RELCBF|RELCBV|RELMTT|SPECTROSCOPY|STIR|SUSCEPTIBI"
        "LITY|SWAN|SWI|SW_M|SW_M_FFE|T2_STAR|TAGGING|TENSOR|TENSOR_B0|TIME_TO_PEAK|TMAX|T"
        "OF|TRACE|TRACEW|TTP|T_TEST|UNI|VENOUS_BOLD|VFRAME|Z_SCORE"
    ),
    "phase": (
        "B0|B0 MAP|B0_MAP|FIELD MAP|FIELDMAP|FIELD_MAP|FLOW_ENCODED|I|IMAGINARY|I_FFE|I_I"
        "R|I_SE|M_PCA|OFFRESONANCE|P|PCA|PHASE|PHASE CONTRAST M|PHASE MAP|PHASE_MAP|P_FFE"
        "|P_IR|P_PCA|P_SE|R|REAL|R_FFE|R_IR|R_SE|SW_P|SW_P_FFE|VELOCITY|VELOCITY MAP"
    ),
    "water": ("W|WATER"),
}


@pytest.mark.parametrize(
    ("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words.split("|")]
)
def test_no_word_is_lost(kind, word):
    image = PLAIN | T2 | {"ImageType": f"ORIGINAL\\PRIMARY\\{word}"}
    expected = "t2w" if kind == "water" else kind
    assert classify([image]).kind == expected


@pytest.mark.parametrize("word", sorted(MEANINGS))
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_image_of_three_is_enough(word, place):
    images = [PLAIN | T2 | {"ImageType": "ORIGINAL\\PRIMARY\\M"} for _ in range(3)]
    images[place] |= {"ImageType": f"ORIGINAL\\PRIMARY\\{word}"}
    judged = classify(images)
    assert (judged.kind, word in judged.reason) == (MEANINGS[word][0], True)


def test_no_word_has_two_meanings():
    assert not set(MEANINGS) & set().union(*PARTS.values())


@pytest.mark.parametrize(
    ("says", "tags"),
    [
        ("b = 1000 on 1 of 3 images", {"DiffusionBValue": "1000.0"}),
        ("echo-planar", {"ScanningSequence": "SE\\EP"}),
        ("echo-planar", {"EchoPlanarPulseSequence": "YES"}),
        ("echo-planar", {"SequenceName": "*ep_b1000#3"}),
        ("echo-planar", {"PulseSequenceName": "SEEPI"}),
        ("maps the magnetic field", {"SequenceName": "*fm2d2r"}),
        ("inversion-recovery", {"ScanningSequence": "IR\\SE"}),
        ("inversion-recovery", {"InversionRecovery": "YES"}),
        ("PHASE", {"ComplexImageComponent": "PHASE"}),
        ("FLUID_ATTENUATED", {"AcquisitionContrast": "FLUID_ATTENUATED"}),
        ("16 slices tiled", {"ImagesInMosaic": "16"}),
        ("modality CT", {"Modality": "CT"}),
        ("a screenshot", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
        ("another kind of object", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"}),  # PET
        ("another kind of object", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.2"}),  # spectra
        ("in colour (RGB)", {"PhotometricInterpretation": "RGB"}),
        ("in colour (PALETTE COLOR)", {"PhotometricInterpretation": "PALETTE COLOR"}),
        ("names diffusion", {"SeriesDescription": "Ax DWI"}),
        ("TE 10 to 90 ms", {"EchoTime": "10"}),
        ("inversion time 180 ms", {"InversionTime": "180"}),
        ("RepetitionTime is '4,5'", {"RepetitionTime": "4,5"}),
        ("EchoTime is 0", {"EchoTime": "0"}),
        ("several planes", {"ImageOrientationPatient": "0\\1\\0\\0\\0\\-1"}),
        ("orientation is not given on all", {"ImageOrientationPatient": ""}),
        ("water on some of the images only", {"ImageType": "DERIVED\\PRIMARY\\WATER"}),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_what_any_image_says_counts(says, tags, place):
    images = [PLAIN | T2 for _ in range(3)]
    images[place] = images[place] | tags
    judged = classify(images)
    assert judged.kind not in ("t2w", "t1c", "t1w")
    assert says in judged.reason


def test_b_values_of_zero_everywhere_and_blanks_say_nothing():
    images = [PLAIN | T2 | {"DiffusionBValue": "0.0", "InversionTime": "0"}, PLAIN | {}]
    assert classify(images).kind == "t2w"


@pytest.mark.parametrize(
    ("kind", "contrast", "tags"),
    [
        ("t1w", "unclear", {}),
        ("t1w", "no", {"SeriesDescription": "T1 no contrast"}),
        ("t1c", "yes", {"SeriesDescription": "T1 KM"}),
        ("unclear", "unclear", {"SeriesDescription": "T1 w/wo contrast"}),
        ("phase", "", {"ImageType": "ORIGINAL\\PRIMARY\\P", "ContrastBolusAgent": "Gadovist"}),
        ("other", "", {"ImageType": "ORIGINAL\\PRIMARY\\SWI", "ContrastBolusAgent": "Gadovist"}),
        ("unclear", "", {"ScanningSequence": "GR", "EchoTime": "20"}),
    ],
)
def test_contrast_of_t1_weighted_series(kind, contrast, tags):
    judged = classify([PLAIN | T1 | tags])
    assert (judged.kind, judged.contrast) == (kind, contrast)


# --- makers' own elements, and functional groups --------------------------------------------------

PRIVATE = {  # maker: group, creator, element, VR, value -> what is read
    "SIEMENS": (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "800", "DiffusionBValue", "800"),
    "SIEMENS mosaic": (0x0019, "SIEMENS MR HEADER", 0x0A, "US", 36, "ImagesInMosaic", "36"),
    "GE MEDICAL SYSTEMS": (
        *(0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000000800", "8", "0", "0"]),
        *("DiffusionBValue", "800"),
    ),
    "GE phase": (0x0043, "GEMS_PARM_01", 0x2F, "SS", 1, "ComplexImageComponent", "PHASE"),
    "Philips": (*(0x2001, "Philips Imaging DD 001", 0x03, "FL", 800.0, "DiffusionBValue", "800"),),
    "": (*(0x2001, "Philips Imaging DD 001", 0x03, "FL", 800.0, "DiffusionBValue", "800"),),
    "of a reseller": (
        *(0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000000800", "8", "0", "0"]),
        *("DiffusionBValue", "800"),
    ),
    "UIH": (0x0065, "Image Private Header", 0x09, "FD", 800.5, "DiffusionBValue", "800.5"),
}


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize("maker", PRIVATE)
@pytest.mark.parametrize("blocks_before", [0, 2])
def test_private_elements_are_found_in_any_block_and_encoding(
    tmp_path, maker, implicit, blocks_before
):
    group, creator, element, vr, value, name, expected = PRIVATE[maker]
    dataset = make_slice(noise(1)[0], 0, Manufacturer=maker)
    for number in range(blocks_before):
        block = dataset.private_block(group, f"OTHER {number}", create=True)
        block.add_new(element, "LO", "not this")
    dataset.private_block(group, creator, create=True).add_new(element, vr, value)
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    save(dataset, tmp_path / "a.dcm")
    (image,) = read_images(tmp_path / "a.dcm")
    assert image[name] == expected
    assert [image] == images_of(Tags(pydicom.dcmread(tmp_path / "a.dcm"), tmp_path))


def group(**sequences):
    """One item of the functional groups: sequence keyword -> values of its item."""
    item = Dataset()
    for sequence, values in sequences.items():
        inner = Dataset()
        for keyword, value in values.items():
            setattr(inner, keyword, value)
        setattr(item, sequence, [inner])
    return item


def enhanced(frames, shared=None):
    """An enhanced object of T2-weighted frames, with functional groups added to."""
    dataset = make_enhanced(noise(len(frames)), slopes=[1] * len(frames), order=range(len(frames)))
    dataset.SeriesDescription = ""
    about = group(
        MRTimingAndRelatedParametersSequence={"RepetitionTime": 4000},
        MREchoSequence={"EffectiveEchoTime": 90.0},
        **(shared or {}),
    )
    dataset.SharedFunctionalGroupsSequence[0].update(about)
    for item, more in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        item.update(group(**more))
    return dataset


FRAMES = {
    "one with a b-value": (
        "b = 600 on 1 of 2",
        {"MRDiffusionSequence": {"DiffusionBValue": 600.0}},
    ),
    "one a field map": (
        *("FIELD_MAP", {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "FIELD_MAP"]}}),
    ),
    "one a phase image": (
        *("PHASE", {"MRImageFrameTypeSequence": {"ComplexImageComponent": "PHASE"}}),
    ),
    "one inverted": ("inversion-recovery", {"MRModifierSequence": {"InversionRecovery": "YES"}}),
    "one of another echo": ("TE 20 to 90", {"MREchoSequence": {"EffectiveEchoTime": 20.0}}),
    "one of another plane": (
        *("planes", {"PlaneOrientationSequence": {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}}),
    ),
}


@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize("case", FRAMES)
def test_every_frame_of_an_enhanced_object_counts(tmp_path, case, implicit, undefined_length):
    says, spoilt = FRAMES[case]
    dataset = enhanced([{}, {}, spoilt, {}])
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    if undefined_length:
        make_lengths_undefined(dataset)
    save(dataset, tmp_path / "e.dcm")
    images = read_images(tmp_path / "e.dcm")
    judged = classify(images)
    assert judged.kind not in ("t2w", "t1w", "t1c") and says in judged.reason
    assert images == images_of(Tags(pydicom.dcmread(tmp_path / "e.dcm"), tmp_path))
    assert sum(len(image["ImagePositionPatient"].split("\\")) for image in images) == 12


def make_lengths_undefined(dataset):
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                make_lengths_undefined(item)


def test_frames_that_are_alike_make_one_image(tmp_path):
    save(enhanced([{}] * 5), tmp_path / "e.dcm")
    (image,) = read_images(tmp_path / "e.dcm")
    assert len(image["ImagePositionPatient"].split("\\")) == 15
    assert (float(image["RepetitionTime"]), image["EchoTime"]) == (4000, "90")
    assert classify([image]).kind == "t2w"


@pytest.mark.parametrize(("administered", "kind"), [("YES", "t1c"), ("NO", "t1w")])
def test_an_agent_in_the_functional_groups(tmp_path, administered, kind):
    usage = {"ContrastBolusUsageSequence": {"ContrastBolusAgentAdministered": administered}}
    dataset = enhanced([usage] * 2)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.MRTimingAndRelatedParametersSequence[0].RepetitionTime = 600
    shared.MREchoSequence[0].EffectiveEchoTime = 10.0
    save(dataset, tmp_path / "e.dcm")
    assert classify(read_images(tmp_path / "e.dcm")).kind == kind


def test_a_header_longer_than_the_first_kilobytes(tmp_path):
    dataset = make_slice(noise(1)[0], 0, SeriesDescription="T2", **T2)
    dataset.private_block(0x0009, "VENDOR", create=True).add_new(1, "OB", bytes(100_000))
    save(dataset, tmp_path / "a.dcm")
    (image,) = read_images(tmp_path / "a.dcm")
    assert image["SeriesDescription"] == "T2" and image["Rows"] == "24"


@pytest.mark.parametrize(
    "sop_class", ["", ".1", ".3", ".4"]
)  # classic, enhanced, colour, converted
def test_every_object_of_mr_images_is_looked_at(sop_class):
    uid = f"1.2.840.10008.5.1.4.1.1.4{sop_class}"
    assert classify([PLAIN | T2 | {"SOPClassUID": uid}]).kind == "t2w"


def test_pictures_in_colour_are_known_from_a_file(tmp_path):
    dataset = make_slice(noise(1)[0], 0, SeriesDescription="T2", **T2)
    dataset.PhotometricInterpretation = "RGB"
    save(dataset, tmp_path / "a.dcm")
    assert classify(read_images(tmp_path / "a.dcm")).kind == "derived"
