"""The tables of a study, their schema and checks; artefacts; settings; progress."""

from npc_helpers.study.artefacts import NotInThisStudy, StudyError, atomic_path, series_checksum
from npc_helpers.study.results import shipped_reference
from npc_helpers.study.study import Study, init

__all__ = [
    "NotInThisStudy",
    "Study",
    "StudyError",
    "atomic_path",
    "init",
    "series_checksum",
    "shipped_reference",
]
