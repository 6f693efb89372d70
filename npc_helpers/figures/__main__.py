"""Write the report of the study that ``NPC_STUDY`` names: ``python -m npc_helpers report``."""

import sys

from npc_helpers.figures.study_report import write_report
from npc_helpers.study import Study, StudyError
from npc_helpers.study.artefacts import told_at_the_prompt

if __name__ == "__main__":
    try:
        print(write_report(Study.open()))
    except (StudyError, OSError) as error:
        sys.exit(told_at_the_prompt(error))
