"""What kind of images a series holds, judged from its header alone.

The rules are those of clinical practice with Dixon protocols; none of them looks at a folder's
name. Where two signs contradict each other, or the decisive one is missing, the answer is
``"unclear"`` with the reason, and a person decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from npc_helpers.imaging.files import SECONDARY_CAPTURE
from npc_helpers.study.schema import SERIES_DESCRIPTIONS

T2_TR_MS, T2_TE_MS = 2000, 60  # T2-weighted: both longer
T1_TR_MS, T1_TE_MS = 1000, 25  # T1-weighted: both shorter
AXIAL = 0.8  # |cosine| between slice normal and body axis: tilted by up to 37 degrees

PARTS = {  # Dixon images: the token in ImageType, and the ending vendors give the series' name
    "water": ({"WATER", "W"}, r"\bwater\b| w$"),
    "fat": ({"FAT", "F"}, r"^fat:| f(at)?$|\bfat (image|only)\b"),
    "in_phase": ({"IN_PHASE", "INPHASE", "IP"}, r"^in[- ]?phase\b| in(phase)?$"),
    "opposed_phase": (
        {"OUT_PHASE", "OPP_PHASE", "OPPOSED_PHASE", "OP"},
        r"^(out|opposed)[- ]?phase\b| opp(osed)?$",
    ),
}
LOCALISER_NAME = r"\b(loc|locali[sz]er|scout|survey|(3|three|tri)[- ]?pl(ane)?)\b"
DERIVED_TOKENS = {
    "MPR": "a reformatted image",
    "REFORMATTED": "a reformatted image",
    "MIP": "a projection",
    "PROJECTION IMAGE": "a projection",
    "MAX_IP": "a projection",
    "SUBTRACT": "a subtraction",
    "SUBTRACTION": "a subtraction",
    "ADC": "a diffusion map",
    "SCREEN SAVE": "a screenshot",
    "COMPOSED": "a composed image",
}
OTHER_SEQUENCES = {
    r"\b(dwi|diff(usion)?|adc|trace|resolve|ivim|dti)\b|\bep2d": "diffusion",
    r"\b(stir|tirm)\b": "short-tau inversion recovery",
    r"flair": "fluid-attenuated inversion recovery",
    r"\b(tof|angio|mra|mrv)\b": "angiography",
    r"\b(dce|dynamic|dyn|perf(usion)?|twist|disco)\b": "a dynamic study",
    r"\b(swi|swan)\b|t2 ?(\*|star)": "susceptibility-weighted",
    r"^other sequence$": "another sequence",
}
CONTRAST_NAME = (
    r"\+ ?c\b|\+ ?gd|\bgd\b|\bgad|\bce\b|\bkm\b|contrast|enhanced"
    r"|\bpost(?![ -]?(rt|treat|chemo|op|imrt))"
)
NO_CONTRAST_NAME = (
    r"non[- ]?(contrast|enhanced)|unenhanced|without|\bw/?o\b|- ?c\b|\bnativ|\bplain\b"
    r"|\bpre(?![ -]?(rt|treat|chemo|op|imrt))[- ]?(gd|c|contrast|km)?\b"
)


class Kind(NamedTuple):
    """Kind of a series and how it is known.

    Attributes
    ----------
    kind : str
        ``t2w`` or ``t1c``; else ``t1w``, ``fat``, ``in_phase``, ``opposed_phase``,
        ``localiser``, ``derived``, ``other``, ``not_axial``, ``not_mr`` or ``unclear``.
    reason : str
        For the user, one clause.
    is_water : bool
        A Dixon water image; the paper's images are.
    """

    kind: str
    reason: str
    is_water: bool = False


def classify(tags: Mapping[str, str], *, orientations: Sequence[str] = ()) -> Kind:
    """Judge one series.

    Parameters
    ----------
    tags : mapping of str to str
        As `dicom_headers.read_header` returns them.
    orientations : sequence of str
        ImageOrientationPatient of every image; those of `tags` by default.

    Returns
    -------
    Kind
    """
    name = _name(tags)
    for check in (_not_mr, _localiser, _derived, _other_sequence):
        found = check(tags, name)
        if found:
            return found
    orientations = orientations or [tags.get("ImageOrientationPatient", "")]
    if name == SERIES_DESCRIPTIONS["unclear"].lower():
        left = _by_image(tags, "", orientations)
        by_that = "" if left.kind == "unclear" else f", by that {left.kind}"
        return Kind("unclear", f"{left.reason}{by_that}; unclear before it was de-identified")
    return _by_image(tags, name, orientations)


def _by_image(tags: Mapping[str, str], name: str, orientations: Sequence[str]) -> Kind:
    """Judge a series by planes, Dixon part, timing and contrast."""
    planes = {plane(text) for text in set(orientations)}
    if len(planes) > 1:
        return Kind("localiser", f"images in several planes ({', '.join(sorted(planes))})")
    part, why = _dixon_part(tags, name)
    if part is None:
        return Kind("unclear", why)
    if part in ("fat", "in_phase", "opposed_phase"):
        return Kind(part, why)
    here = planes.pop()
    if here == "unknown":
        return Kind("unclear", "no orientation is given")
    if here != "axial":
        return Kind("not_axial", f"slices are {here}")
    return _weighting(tags, name, part == "water", why)


def plane(orientation: str) -> str:
    """Name the plane of an ImageOrientationPatient: axial, coronal, sagittal, oblique, unknown."""
    try:
        cosines = np.array([float(part) for part in orientation.split("\\")])
    except ValueError:
        return "unknown"
    if cosines.shape != (6,) or not np.isfinite(cosines).all():
        return "unknown"
    normal = np.abs(np.cross(cosines[:3], cosines[3:]))
    if normal.max() < AXIAL:
        return "oblique"
    return ("sagittal", "coronal", "axial")[int(normal.argmax())]


def part_of(tags: Mapping[str, str]) -> str:
    """Return the Dixon part that ImageType names, or blank: what one series may mix."""
    tokens = _tokens(tags)
    return "+".join(part for part, (marks, _) in PARTS.items() if tokens & marks)


def _name(tags: Mapping[str, str]) -> str:
    return tags.get("SeriesDescription", "").lower().replace("_", " ").strip()


def _tokens(tags: Mapping[str, str]) -> set[str]:
    return {token.strip().upper() for token in tags.get("ImageType", "").split("\\")}


def _not_mr(tags: Mapping[str, str], name: str) -> Kind | None:
    modality = tags.get("Modality", "")
    if modality != "MR":
        return Kind("not_mr", f"modality {modality or 'missing'}, not MR")
    if tags.get("SOPClassUID", "").startswith(SECONDARY_CAPTURE):
        return Kind("derived", "a screenshot (secondary capture)")
    return None


def _localiser(tags: Mapping[str, str], name: str) -> Kind | None:
    if {"LOCALIZER", "LOCALISER"} & _tokens(tags):
        return Kind("localiser", "ImageType says LOCALIZER")
    if re.search(LOCALISER_NAME, name):
        return Kind("localiser", "its description names a localiser")
    return None


def _derived(tags: Mapping[str, str], name: str) -> Kind | None:
    tokens = _tokens(tags)
    for token, what in DERIVED_TOKENS.items():
        if token in tokens:
            return Kind("derived", f"ImageType says {token}: {what}")
    if re.search(r"\b(mpr|mip|sub(traction)?|screen ?save)\b|^derived image$", name):
        return Kind("derived", "its description names a reformatted or subtracted image")
    if {"DERIVED", "SECONDARY"} <= tokens and not part_of(tags):
        return Kind("derived", "ImageType says DERIVED and SECONDARY, and names no Dixon part")
    return None


def _other_sequence(tags: Mapping[str, str], name: str) -> Kind | None:
    for pattern, what in OTHER_SEQUENCES.items():
        if re.search(pattern, name):
            return Kind("other", f"its description names {what}")
    scanning = set(tags.get("ScanningSequence", "").upper().split("\\"))
    if "EP" in scanning or (_number(tags, "DiffusionBValue") or 0) > 0:
        return Kind("other", "an echo-planar or diffusion sequence")
    if "IR" in scanning or _number(tags, "InversionTime"):
        return Kind("other", "an inversion-recovery sequence")
    return None


def _dixon_part(tags: Mapping[str, str], name: str) -> tuple[str | None, str]:
    """Return the Dixon part (blank: not Dixon; None: contradictory) and how it is known."""
    by_type = part_of(tags)
    named = [part for part, (_, pattern) in PARTS.items() if re.search(pattern, name)]
    if "+" in by_type:
        return None, f"ImageType names several Dixon parts ({by_type})"
    if by_type and named and by_type not in named:
        return None, f"ImageType says {by_type}, the description says {named[0]}"
    if by_type:
        return by_type, f"ImageType says {by_type.replace('_', ' ')}"
    if len(named) > 1:
        return None, f"the description names several Dixon parts ({', '.join(named)})"
    if named:
        return named[0], f"the description says {named[0].replace('_', ' ')}"
    return "", "no Dixon part is named"


def _number(tags: Mapping[str, str], keyword: str) -> float | None:
    try:
        value = float(tags.get(keyword, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _weighting(tags: Mapping[str, str], name: str, is_water: bool, why: str) -> Kind:
    tr, te = _number(tags, "RepetitionTime"), _number(tags, "EchoTime")
    if tr is None or te is None:
        missing = "RepetitionTime" if tr is None else "EchoTime"
        value = tags.get(missing)
        return Kind("unclear", f"{missing} is '{value}'" if value else f"no {missing} is given")
    timing = f"TR {tr:g} ms, TE {te:g} ms"
    by_time = "T2" if tr > T2_TR_MS and te > T2_TE_MS else ""
    by_time = "T1" if tr < T1_TR_MS and te < T1_TE_MS else by_time
    named = {match.upper() for match in re.findall(r"(?<![a-z0-9])(t[12])(?![0-9])", name)}
    if not by_time:
        return Kind("unclear", f"{timing}: neither T1- nor T2-weighted by timing")
    if named and by_time not in named:
        other = ", ".join(sorted(named))
        return Kind("unclear", f"{timing} is {by_time}-weighted, the description says {other}")
    if by_time == "T2":
        return Kind("t2w", f"{timing}; {why}", is_water)
    return _contrast(tags, name, is_water, f"{timing}; {why}")


def _contrast(tags: Mapping[str, str], name: str, is_water: bool, why: str) -> Kind:
    agent = tags.get("ContrastBolusAgent", "")
    given = agent.upper() not in ("", "NO", "NONE", "N/A", "0")
    says_without = bool(re.search(NO_CONTRAST_NAME, name))
    says_with = bool(re.search(CONTRAST_NAME, name)) and not says_without
    if given and says_without:
        return Kind("unclear", "a contrast agent is named, the description says there was none")
    if given:
        return Kind("t1c", f"{why}; contrast agent {agent}", is_water)
    if says_with and not agent:
        return Kind("t1c", f"{why}; the description names contrast", is_water)
    if says_with:
        return Kind("unclear", f"contrast agent is '{agent}', the description names contrast")
    if says_without or agent:
        return Kind("t1w", f"{why}; without contrast", is_water)
    return Kind("t1w", f"{why}; neither a tag nor the description tells of contrast", is_water)
