"""Tags of a DICOM file, read with their type, and what to say when one is wrong.

pydicom lets most malformed values through without a word (a comma instead of a decimal point is
a string, half a header is a shorter dataset). So series are not read by attribute: `Tags` checks
the kind and the number of values and names the file when it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import dictionary_description
from pydicom.multival import MultiValue

from npc_helpers.study.dicom_file import DicomError, refuse


@dataclass(frozen=True)
class Finding:
    """Something noticed while reading that did not prevent it.

    Attributes
    ----------
    severity : {"info", "warn", "error"}
    code : str
        Stable short name, e.g. ``"ignored-file"``.
    file : str
        File name; blank if it concerns the whole series.
    message : str
    """

    severity: str
    code: str
    file: str
    message: str


def merge_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Join findings that differ by file only into one that names the first and counts the rest."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code, finding.message), []).append(finding)
    merged = []
    for alike in groups.values():
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        merged.append(replace(alike[0], file=alike[0].file + more))
    return tuple(merged)


def warning_findings(messages: Iterable[str], file: str = "") -> list[Finding]:
    """Turn what pydicom warned of into findings."""
    return [Finding("info", "pydicom", file, message) for message in messages]


class Tags:
    """Typed reading of one dataset (or one item of a sequence in it).

    Parameters
    ----------
    dataset : pydicom.Dataset
    path : Path
        The file, named in every refusal.
    """

    def __init__(self, dataset: pydicom.Dataset, path: Path) -> None:
        self.dataset = dataset
        self.path = path

    def _refuse(self, keyword: str, problem: str) -> DicomError:
        return refuse(
            self.path,
            "bad-tag",
            f"{dictionary_description(keyword)} ({keyword}) {problem}",
            "Export the series again, or leave it out of data_manifest.csv",
        )

    def _value(self, keyword: str) -> object:
        try:
            return self.dataset.get(keyword)
        except Exception as error:  # pydicom converts on access, and raises many kinds
            raise self._refuse(keyword, f"cannot be read ({error})") from error

    def text(self, keyword: str) -> str:
        """Return a value as text without surrounding blanks; ``""`` where there is none.

        Several values are joined by a backslash, as in the file.
        """
        value = self._value(keyword)
        if isinstance(value, MultiValue):
            value = "\\".join(map(str, value))
        return "" if value is None else str(value).strip().strip("\0").strip()

    def number(self, keyword: str, default: float | None = None) -> float:
        """Return one finite number, or `default` where the tag is absent or empty.

        Raises
        ------
        DicomError
            If the value is no number, or absent and there is no default.
        """
        value = self.text(keyword)
        if not value:
            if default is None:
                raise self._refuse(keyword, "is missing or empty")
            return default
        return self._finite(keyword, value)

    def _finite(self, keyword: str, value: object) -> float:
        try:
            number = float(str(value).strip())
        except ValueError:
            hint = ", which looks like a decimal comma" if "," in str(value) else ""
            raise self._refuse(keyword, f"is '{value}', not a number{hint}") from None
        if not math.isfinite(number):
            raise self._refuse(keyword, f"is '{value}', not a finite number")
        return number

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Return one whole number; otherwise as `number`."""
        number = self.number(keyword, default)
        if number != int(number):
            raise self._refuse(keyword, f"is {number}, not a whole number")
        return int(number)

    def numbers(self, keyword: str, count: int) -> np.ndarray:
        """Return exactly `count` finite numbers as a float64 array."""
        value = self._value(keyword)
        values = [] if value is None else [value] if isinstance(value, str) else value
        values = list(values) if isinstance(values, Iterable) else [values]
        if len(values) != count:
            raise self._refuse(keyword, f"holds {len(values)} value(s) instead of {count}")
        return np.array([self._finite(keyword, item) for item in values])

    def items(self, keyword: str) -> list[Tags]:
        """Return the items of a sequence; none where it is absent."""
        value = self._value(keyword)
        if not isinstance(value, pydicom.Sequence):
            return []
        return [Tags(item, self.path) for item in value]
