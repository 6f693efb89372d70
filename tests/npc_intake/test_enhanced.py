"""Enhanced objects as makers write them: what frames say, and where the groups say it."""

from datetime import date

import pytest
from dicom_making import PREFIX, change, make_enhanced, noise, save
from npc_intake.find import find_series
from npc_intake.find.headers import images_of, read_images
from pydicom.dataset import Dataset

from npc_helpers.imaging.headers import Tags

SIX = range(6)
STACK = noise(6, 8, 8)
TREATMENT = {
    "treatment_start": {"P-1": date(2015, 1, 20)},
    "treatment_end": {"P-1": date(2015, 3, 20)},
}
T1 = {"TR": 500.0, "TE": 12.0, "SeriesDescription": "Ax T1"}
T2 = {"TR": 4000.0, "TE": 90.0, "SeriesDescription": "Ax T2"}


def item(**values):
    dataset = Dataset()
    change(dataset, values)
    return dataset


def enhanced(values, frames, *, shared=None, order=SIX, agents=()):
    """An object with six frames; `frames` tells the groups of each frame by its number."""
    dataset = make_enhanced(STACK, slopes=[1] * 6, order=order)
    about = {"StudyDate": "20150105", "ImageType": ["ORIGINAL", "PRIMARY", "M", "NONE"]}
    change(dataset, about | {"SeriesDescription": values["SeriesDescription"]})
    if agents:
        dataset.ContrastBolusAgentSequence = [item(CodeMeaning=name) for name in agents]
    (group,) = dataset.SharedFunctionalGroupsSequence
    timing = {
        "MRTimingAndRelatedParametersSequence": [item(RepetitionTime=values["TR"])],
        "MREchoSequence": [item(EffectiveEchoTime=values["TE"])],
    }
    change(group, timing | (shared or {}))
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        change(frame, frames(number))
    return dataset


def at(*position):
    return {"PlanePositionSequence": [item(ImagePositionPatient=list(position))]}


def stack(number, *position):
    content = item(StackID=str(1 + number // 3), InStackPositionNumber=1 + number % 3)
    return at(*position) | {"FrameContentSequence": [content]}


def usage(*given):
    return {"ContrastBolusUsageSequence": [item(ContrastBolusAgentAdministered=g) for g in given]}


def diffusion(**values):
    return {"MRDiffusionSequence": [item(**values)]}


def echo(time):
    return {"MREchoSequence": [item(EffectiveEchoTime=time)]}


def turned(*cosines):
    return {"PlaneOrientationSequence": [item(ImageOrientationPatient=list(cosines))]}


def nothing(number):
    return {}


CASES = {  # timing, of the frames, of all frames, agents -> kind, status
    "plain": (T2, nothing, {}, (), "t2w", "proposed"),
    "agent given, shared": (T1, nothing, usage("YES"), ("Gadobutrol",), "t1c", "proposed"),
    "given, frames": (T1, lambda n: usage("YES"), {}, ("Gadobutrol",), "t1c", "proposed"),
    "not given": (T1, nothing, usage("NO"), ("Gadobutrol",), "unclear", "decide"),
    "given on half": (
        T1, lambda n: usage("NO" if n < 3 else "YES"), {}, ("Gadobutrol",), "unclear", "decide",
    ),
    "first of two": (T1, nothing, usage("YES", "NO"), ("A", "B"), "unclear", "decide"),
    "second of two": (T1, nothing, usage("NO", "YES"), ("A", "B"), "unclear", "decide"),
    "both": (T1, nothing, usage("YES", "YES"), ("Gadobutrol",), "t1c", "proposed"),
    "b shared": (T2, nothing, diffusion(DiffusionBValue=1000.0), (), "other", "ignored"),
    "b of the last": (
        T2, lambda n: diffusion(DiffusionBValue=800.0 * (n == 5)), {}, (), "other", "ignored",
    ),
    "b = 0": (
        T2, nothing, diffusion(DiffusionBValue=0.0, DiffusionDirectionality="NONE"), (),
        "t2w", "proposed",
    ),
    "negative b": (T2, nothing, diffusion(DiffusionBValue=-50.0), (), "unclear", "decide"),
    "b no number": (
        T2, lambda n: diffusion(DiffusionBValue=float("nan")), {}, (), "unclear", "decide",
    ),
    **{
        f"only a direction: {word}": (
            T2, lambda n, word=word: diffusion(DiffusionDirectionality=word if n else "NONE"), {},
            (), "other", "ignored",
        )
        for word in ("DIRECTIONAL", "ISOTROPIC", "BMATRIX")
    },
    "echoes in one place": (
        T2, lambda n: echo((90.0, 120.0)[n % 2]) | at(0, 0, n // 2 * 6), {}, (), "t2w", "refused",
    ),
    "echo by halves": (T2, lambda n: echo(90.0 if n < 3 else 120.0), {}, (), "t2w", "refused"),
    "echo in other digits": (T2, lambda n: echo(90 + 0.01 * (n % 2)), {}, (), "t2w", "proposed"),
    "stacks end to end": (T2, lambda n: stack(n, 0, 0, 6 * n), {}, (), "t2w", "decide"),
    "stacks apart": (
        T2, lambda n: stack(n, 0, 0, 6 * n + 40 * (n > 2)), {}, (), "t2w", "refused",
    ),
    "stacks interleaved": (
        T2, lambda n: stack(n, 0, 0, 6 * (n % 3) + 3 * (n > 2)), {}, (), "t2w", "decide",
    ),
    "stacks overlap": (
        T2, lambda n: stack(n, 0, 0, 6 * (n % 3) + 8 * (n > 2)), {}, (), "t2w", "refused",
    ),
    "stacks side by side": (
        T2, lambda n: stack(n, 90 * (n > 2), 0, 6 * n), {}, (), "t2w", "decide",
    ),
    "stacks tilted": (
        T2, lambda n: turned(1, 0, 0, 0, *((1, 0), (0.94, 0.3412))[n // 3]), {}, (),
        "t2w", "refused",
    ),
    "sideways": (T2, lambda n: at(5 * n, 0, 6 * n), {}, (), "t2w", "decide"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_frames_say(tmp_path, case):
    values, frames, shared, agents, *expected = CASES[case]
    dataset = enhanced(values, frames, shared=shared, agents=agents)
    save(dataset, tmp_path / "e.dcm")
    table = find_series(tmp_path, progress=False, **TREATMENT).table
    assert table[["kind", "status"]].values.tolist() == [expected], table["reason"].tolist()
    assert read_images(tmp_path / "e.dcm") == images_of(Tags(dataset, tmp_path / "e.dcm"))


@pytest.mark.parametrize("order", [(5, 4, 3, 2, 1, 0), (2, 0, 4, 1, 5, 3), (0, 3, 1, 4, 2, 5)])
def test_frames_may_come_in_any_order(tmp_path, order):
    dataset = enhanced(T2, nothing, order=order)
    dataset.SOPInstanceUID = f"{PREFIX}.5"
    save(dataset, tmp_path / "e.dcm")
    table = find_series(tmp_path, progress=False, **TREATMENT).table
    assert table[["kind", "status", "n_slices"]].values.tolist() == [["t2w", "proposed", 6]]
