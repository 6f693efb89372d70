"""What kind of images a series holds, judged from the headers of all its images.

The rules are those of clinical practice with Dixon protocols; none of them looks at a folder's
name. Where two signs contradict each other, or the decisive one is missing, the answer is
``"unclear"`` with the reason, and a person decides.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from npc_helpers.imaging.headers import SECONDARY_CAPTURE
from npc_intake.find.body_parts import is_elsewhere
from npc_intake.find.contrast import contrast_of
from npc_intake.find.image_types import PARTS, meaning_of, part_of, words_of
from npc_intake.find.places import normal_of
from npc_intake.find.series_names import kind_by_name, parts_by_name, plain_name

T2_TR_MS, T2_TE_MS = 2000, 60  # T2-weighted: both longer
T1_TR_MS, T1_TE_MS = 1000, 25  # T1-weighted: both shorter
GRADIENT_ECHO_TE_MS = 8  # a gradient echo of longer TE is T2*-weighted
AXIAL = 0.8  # |cosine| between slice normal and body axis: tilted by up to 37 degrees

JUDGED = (  # what an image says that matters here
    *("Modality", "SOPClassUID", "ImageType", "FrameType", "ComplexImageComponent"),
    *("AcquisitionContrast", "ImagesInMosaic", "SeriesDescription", "ProtocolName"),
    *("DiffusionBValue", "DiffusionDirectionality", "ScanningSequence", "SequenceName"),
    "PulseSequenceName",
    *("EchoPlanarPulseSequence", "InversionRecovery", "InversionTime", "RepetitionTime"),
    *("EchoTime", "ContrastBolusAgent", "ContrastBolusVolume", "ContrastBolusAgentAdministered"),
    *("ImageOrientationPatient", "BodyPartExamined", "PhotometricInterpretation"),
)
MR_OBJECTS = "1.2.840.10008.5.1.4.1.1.4"  # begins the SOP classes of MR images, enhanced ones too
SPECTROSCOPY = f"{MR_OBJECTS}.2"
N_ALIKE = "number of images alike"
DIFFUSION_DIRECTED = {"DIRECTIONAL", "BMATRIX", "ISOTROPIC"}  # of DiffusionDirectionality; not NONE
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?")


class Kind(NamedTuple):
    """Kind of a series and how it is known.

    Attributes
    ----------
    kind : str
        ``t2w`` or ``t1c``; else ``t1w``, ``fat``, ``in_phase``, ``opposed_phase``, ``phase`` (a
        phase image, a map of the field or of flow), ``localiser``, ``derived``, ``other``,
        ``not_axial``, ``not_mr`` or ``unclear``.
    reason : str
        For the user, one clause.
    is_water : bool
        A Dixon water image; the paper's images are.
    contrast : str
        Of a T1-weighted series: ``yes``, ``no`` or ``unclear``; else blank.
    """

    kind: str
    reason: str
    is_water: bool = False
    contrast: str = ""


def classify(
    images: Sequence[Mapping[str, str]], *, all_planes: Sequence[str] | None = None
) -> Kind:
    """Judge one series by everything that any of its images says.

    Parameters
    ----------
    images : sequence of mapping of str to str
        Of every file of the series, as `dicom_headers.read_images` returns them.
    all_planes : sequence of str, optional
        ImageOrientationPatient of every image that shares the series' identifier, where that are
        more than those of `images`.

    Returns
    -------
    Kind
    """
    images = _distinct(images)
    name = _name(images)
    for check in (_not_mr, _by_type, _by_name, _by_sequence):
        judged = check(images, name)
        if judged:
            return judged
    planes = all_planes or [image.get("ImageOrientationPatient", "") for image in images]
    return _by_image(images, name, planes)


def plane(orientation: str) -> str:
    """Name the plane of an ImageOrientationPatient: axial, coronal, sagittal, oblique, unknown."""
    normal = normal_of(orientation)
    if normal is None:
        return "unknown"
    along = [abs(component) for component in normal]
    if max(along) < AXIAL:
        return "oblique"
    return ("sagittal", "coronal", "axial")[along.index(max(along))]


# --- what a series is not -------------------------------------------------------------------------


def _distinct(images: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return one of the images that say the same of everything that is judged, and its number."""
    alike: dict[tuple, list[Mapping[str, str]]] = {}
    for image in images:
        alike.setdefault(tuple(map(image.get, JUDGED)), []).append(image)
    return [{**same[0], N_ALIKE: str(len(same))} for same in alike.values()]


def _name(images: Sequence[Mapping[str, str]]) -> str:
    """Return what the images are called: their descriptions, the protocol where there is none."""
    for keyword in ("SeriesDescription", "ProtocolName"):
        names = dict.fromkeys(image.get(keyword, "") for image in images)
        names = [plain_name(name) for name in names if name]
        if names:
            return " | ".join(names)
    return ""


def _values(images: Sequence[Mapping[str, str]], keyword: str) -> set[str]:
    """Return every single value that any image gives, in capitals, without blanks."""
    texts = {image.get(keyword, "") for image in images}
    return {part.strip().upper() for text in texts for part in text.split("\\")} - {""}


def _numbers(images: Sequence[Mapping[str, str]], keyword: str) -> list[float]:
    """Return every finite number that any image gives, sorted."""
    numbers = set()
    for text in _values(images, keyword):
        try:
            numbers.add(float(text))
        except ValueError:
            continue
    return sorted(number for number in numbers if math.isfinite(number))


def _not_mr(images: Sequence[Mapping[str, str]], name: str) -> Kind | None:
    others = {image.get("Modality", "") or "missing" for image in images} - {"MR"}
    if others:
        return Kind("not_mr", f"modality {', '.join(sorted(others))}, not MR")
    if any(image.get("SOPClassUID", "").startswith(SECONDARY_CAPTURE) for image in images):
        return Kind("derived", "a screenshot (secondary capture)")
    classes = _values(images, "SOPClassUID")
    are_images = all(f"{uid}.".startswith(f"{MR_OBJECTS}.") for uid in classes)
    if not are_images or SPECTROSCOPY in classes:
        return Kind("not_mr", "another kind of object than an MR image")
    colours = {text for text in _values(images, "PhotometricInterpretation") if text[:4] != "MONO"}
    if colours:
        return Kind("derived", f"a picture in colour ({', '.join(sorted(colours))})")
    return None


def _by_type(images: Sequence[Mapping[str, str]], name: str) -> Kind | None:
    """Judge by the words of ImageType; a localiser and what is derived before the rest."""
    words = set().union(*(words_of(image) for image in images))
    told = sorted((meaning, word) for word in words if (meaning := meaning_of(word)))
    for kind in ("localiser", "derived", "phase", "other"):
        for (of_kind, says), word in told:
            if of_kind == kind:
                return Kind(kind, f"ImageType says {word}: {says}{_mosaic(images, says)}")
    if {"DERIVED", "SECONDARY"} <= words and not any(map(part_of, images)):
        return Kind("derived", "ImageType says DERIVED and SECONDARY, and names no Dixon part")
    n_slices = _numbers(images, "ImagesInMosaic")
    if n_slices and n_slices[-1] > 1:
        return Kind("other", f"a mosaic: {n_slices[-1]:g} slices tiled in one picture")
    return None


def _mosaic(images: Sequence[Mapping[str, str]], meaning: str) -> str:
    n_slices = _numbers(images, "ImagesInMosaic")
    return f" ({n_slices[-1]:g} in each file)" if n_slices and "many slices" in meaning else ""


def _by_name(images: Sequence[Mapping[str, str]], name: str) -> Kind | None:
    told = kind_by_name(name)
    return told and Kind(told[0], f"its description names {told[1]}")


def _by_sequence(images: Sequence[Mapping[str, str]], name: str) -> Kind | None:
    """Judge by b-values, echo-planar read-out, field maps by name of the sequence, inversion."""
    b_values = [b for b in _numbers(images, "DiffusionBValue") if b > 0]
    if b_values:
        shown = ", ".join(f"{b:g}" for b in b_values[:3]) + (" …" if len(b_values) > 3 else "")
        n_images = [int(image[N_ALIKE]) for image in images]
        with_b = [max(_numbers([image], "DiffusionBValue"), default=0) > 0 for image in images]
        n_with_b = sum(n for n, has_b in zip(n_images, with_b, strict=True) if has_b)
        return Kind("other", f"diffusion: b = {shown} on {n_with_b} of {sum(n_images)} images")
    directed = _values(images, "DiffusionDirectionality") & DIFFUSION_DIRECTED
    if directed:
        return Kind("other", f"diffusion: its directionality is {', '.join(sorted(directed))}")
    scanning = _values(images, "ScanningSequence")
    sequence = " ".join(_values(images, "SequenceName") | _values(images, "PulseSequenceName"))
    planar = "EP" in scanning or "YES" in _values(images, "EchoPlanarPulseSequence")
    if planar or re.search(r"(^|[*\s])ep|EPI", sequence, re.IGNORECASE):
        return Kind("other", "an echo-planar sequence")
    if re.search(r"\bfm[23]d", sequence, re.IGNORECASE):
        return Kind("phase", "a sequence that maps the magnetic field")
    if "IR" in scanning or "YES" in _values(images, "InversionRecovery"):
        return Kind("other", "an inversion-recovery sequence")
    odd = [b for b in _values(images, "DiffusionBValue") if not _NUMBER.fullmatch(b) or b[0] == "-"]
    odd = sorted(b for b in odd if b.strip("-0."))
    return Kind("unclear", f"a b-value is {odd[0].lower()}") if odd else None


# --- what it is -----------------------------------------------------------------------------------


def _by_image(images: Sequence[Mapping[str, str]], name: str, planes: Sequence[str]) -> Kind:
    """Judge a series by planes, Dixon part, timing and contrast."""
    named = {plane(text) for text in set(planes)}
    if len(named - {"unknown"}) > 1:
        return Kind("localiser", f"images in several planes ({', '.join(sorted(named))})")
    part, why = _dixon_part(images, name)
    if part is None:
        return Kind("unclear", why)
    if part in ("fat", "in_phase", "opposed_phase"):
        return Kind(part, why)
    if "unknown" in named:
        whose = "no orientation is given" if named == {"unknown"} else "orientation is not given"
        return Kind("unclear", whose + (" on all images" if len(named) > 1 else ""))
    (the_plane,) = named
    if the_plane != "axial":
        return Kind("not_axial", f"slices are {the_plane}")
    return _weighting(images, name, part == "water", why)


def _dixon_part(images: Sequence[Mapping[str, str]], name: str) -> tuple[str | None, str]:
    """Return the Dixon part (blank: not Dixon; None: contradictory) and how it is known."""
    parts = {part_of(image) for image in images}
    by_type = "+".join(part for part in PARTS if part in "+".join(parts).split("+"))
    named = parts_by_name(name)
    if "+" in by_type:
        return None, f"ImageType names several Dixon parts ({by_type})"
    if by_type and "" in parts:
        return None, f"ImageType says {by_type} on some of the images only"
    if by_type and named and by_type not in named:
        return None, f"ImageType says {by_type}, the description says {named[0]}"
    if by_type:
        return by_type, f"ImageType says {by_type.replace('_', ' ')}"
    if len(named) > 1:
        return None, f"the description names several Dixon parts ({', '.join(named)})"
    if named:
        return named[0], f"the description says {named[0].replace('_', ' ')}"
    return "", "no Dixon part is named"


def _weighting(images: Sequence[Mapping[str, str]], name: str, is_water: bool, why: str) -> Kind:
    elsewhere = sorted(part for part in _values(images, "BodyPartExamined") if is_elsewhere(part))
    if elsewhere:
        return Kind("unclear", f"BodyPartExamined says {elsewhere[0]}, which is not head or neck")
    for keyword in ("RepetitionTime", "EchoTime"):
        problem = _problem(images, keyword)
        if problem:
            return Kind("unclear", problem)
    tr, te = _numbers(images, "RepetitionTime"), _numbers(images, "EchoTime")
    timing = f"TR {_range(tr)} ms, TE {_range(te)} ms"
    by_time = "T2" if tr[0] > T2_TR_MS and te[0] > T2_TE_MS else ""
    by_time = "T1" if tr[-1] < T1_TR_MS and te[-1] < T1_TE_MS else by_time
    if by_time == "T2" and _values(images, "ScanningSequence") == {"GR"}:
        return Kind("unclear", f"{timing}: a gradient echo of this TE is T2*-weighted")
    named = {match.upper() for match in re.findall(r"(?<![a-z0-9])(t[12])(?![0-9])", name)}
    if not by_time:
        return Kind("unclear", f"{timing}: neither T1- nor T2-weighted by timing")
    if named and by_time not in named:
        described = ", ".join(sorted(named))
        return Kind("unclear", f"{timing} is {by_time}-weighted, the description says {described}")
    inversion = [time for time in _numbers(images, "InversionTime") if time > 0]
    if inversion:
        doubt = "inversion recovery, or fat suppression by it"
        return Kind("unclear", f"{timing}, inversion time {_range(inversion)} ms: {doubt}")
    if by_time == "T2":
        return Kind("t2w", f"{timing}; {why}", is_water)
    if _values(images, "ScanningSequence") == {"GR"} and te[-1] > GRADIENT_ECHO_TE_MS:
        return Kind("unclear", f"{timing}: a gradient echo of this TE is T2*-weighted")
    return _contrast(images, is_water, f"{timing}; {why}")


def _problem(images: Sequence[Mapping[str, str]], keyword: str) -> str:
    """Return why a time that decides the weighting cannot be used; blank if it can."""
    texts, numbers = sorted(_values(images, keyword)), _numbers(images, keyword)
    if not texts:
        return f"no {keyword} is given"
    wrong = [text for text in texts if not _NUMBER.fullmatch(text)]
    if wrong or not numbers:
        return f"{keyword} is '{(wrong or texts)[0].lower()}'"
    return "" if numbers[0] > 0 else f"{keyword} is {numbers[0]:g}"


def _range(numbers: Sequence[float]) -> str:
    low, high = f"{numbers[0]:.6g}", f"{numbers[-1]:.6g}"
    return low if low == high else f"{low} to {high}"


def _contrast(images: Sequence[Mapping[str, str]], is_water: bool, why: str) -> Kind:
    answer, evidence = contrast_of(images)
    told = "; ".join(evidence)
    if answer == "yes":
        return Kind("t1c", f"{why}; {told}", is_water, "yes")
    if answer == "no":
        return Kind("t1w", f"{why}; without contrast: {told}", is_water, "no")
    if answer == "unclear":
        return Kind("unclear", f"{why}; with contrast or without? {told}", is_water, "unclear")
    silent = "neither a tag nor the description tells of contrast"
    return Kind("t1w", f"{why}; {silent}", is_water, "unclear")
