"""Where the repository is: the folder that holds the notebooks and the demonstration study."""

from pathlib import Path

from npc_helpers.study.artefacts import StudyError

BY_HAND = "data/by_hand"
"""Folder of a study for what people made there; no program removes or rewrites it."""

LANDMARKS = ("npc_helpers/__init__.py", "notebooks/py", "data_manifest.csv")
"""What a folder must hold to be the repository; a study of one's own holds the last one only."""


def is_repository(folder: Path) -> bool:
    """Tell whether a folder is a checkout of this repository."""
    return all((folder / name).exists() for name in LANDMARKS)


def repository() -> Path:
    """Return the repository: where this package lies, or else the present folder or one above it.

    If neither is one, for instance because the package was installed without ``-e`` and Python was
    started elsewhere, that is a `StudyError`.
    """
    present = Path.cwd().resolve()
    for folder in (Path(__file__).resolve().parents[2], present, *present.parents):
        if is_repository(folder):
            return folder
    raise StudyError(
        f"No study to open: NPC_STUDY is not set, and neither {present} nor a folder above it is "
        "a checkout of the repository. Let NPC_STUDY name your study folder, or start Python "
        "inside the checkout to use the demonstration study."
    )
