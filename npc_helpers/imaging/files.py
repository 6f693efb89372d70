"""The files of a folder: which may be DICOM, and one of them opened."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from npc_helpers.imaging.tags import Finding, Tags, warning_findings
from npc_helpers.study.dicom_file import DicomError, open_dicom, refuse

ENCODINGS = {  # (implicit VR, little endian), as pydicom guesses them, -> transfer syntax
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}


def list_files(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Return the files of a folder that may be DICOM, and findings about the others.

    Raises
    ------
    DicomError
        If one is a link to a place outside the folder, or the folder cannot be listed.
    """
    files, findings = [], []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        message = f"{folder}: the folder cannot be read ({error}). Check that it is still there"
        raise DicomError(f"{message} and that you may read it.", "unreadable") from error
    for path in paths:
        if is_link_outwards(path, folder):
            raise refuse(path, "link", "a link that leaves the folder", "Put the file itself there")
        if path.is_dir():
            findings.append(Finding("info", "ignored-folder", path.name, "folder inside; not read"))
        elif path.name.startswith(".") or path.name.upper() == "DICOMDIR":
            findings.append(_ignored(path))
        else:
            files.append(path)
    return files, findings


def is_link_outwards(path: Path, root: Path) -> bool:
    """Tell whether a file is a link to something that does not lie below `root`."""
    try:
        return path.is_symlink() and not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a link that leads round in a circle
        return True


def _ignored(path: Path) -> Finding:
    return Finding("info", "ignored-file", path.name, "ignored: not a DICOM image")


def open_file(path: Path, *, pixels: bool = True) -> tuple[Tags | None, list[Finding]]:
    """Open one file.

    Parameters
    ----------
    path : Path
    pixels : bool
        Also read the pixel data (not yet decoded).

    Returns
    -------
    Tags or None
        None for a file that is no DICOM and is not named like one.
    list of Finding

    Raises
    ------
    DicomError
        If the file is named like DICOM and is not, or is cut off in its header.
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise _unreadable(path, error) from error
    if start[128:] == b"DICM":
        return _parse(path, pixels=pixels, bare=False)
    named_like_dicom = path.suffix.lower() in ("", ".dcm", ".ima") or path.suffix[1:].isdigit()
    if not named_like_dicom or (not start and path.suffix == ""):
        return None, [_ignored(path)]
    if not start:
        raise refuse(path, "truncated", "the file is empty", "Copy or export it again")
    tags, findings = _parse(path, pixels=pixels, bare=True)
    if tags.text("SOPClassUID") and tags.text("Rows"):
        tags.dataset.file_meta = tags.dataset.file_meta or FileMetaDataset()
        if "TransferSyntaxUID" not in tags.dataset.file_meta:
            tags.dataset.file_meta.TransferSyntaxUID = ENCODINGS[tags.dataset.original_encoding]
        message = "no DICOM preamble; read as a bare dataset"
        return tags, [*findings, Finding("warn", "no-preamble", path.name, message)]
    if path.suffix == "":
        return None, [_ignored(path)]
    raise refuse(
        path, "not-dicom", "not a DICOM file although named like one", "Remove it from the folder"
    )


def _unreadable(path: Path, error: Exception) -> DicomError:
    return refuse(path, "unreadable", f"cannot be read ({error})", "Copy or export it again")


def _parse(path: Path, *, pixels: bool, bare: bool) -> tuple[Tags, list[Finding]]:
    remarks = []
    dataset = open_dicom(path, pixels=pixels, bare=bare, remarks=remarks)
    return Tags(dataset, path), warning_findings(remarks, path.name)
