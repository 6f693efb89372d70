"""The tables of a study, their schema and checks; artefacts; settings; progress."""

from npc_helpers.study.artefacts import StudyError, atomic_path, series_checksum
from npc_helpers.study.study import Study, init

__all__ = ["Study", "StudyError", "atomic_path", "init", "series_checksum"]
