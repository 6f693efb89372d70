"""Write the report of the study that ``NPC_STUDY`` names: ``python -m npc_helpers report``."""

from npc_helpers.figures.study_report import write_report
from npc_helpers.study import Study

if __name__ == "__main__":
    print(write_report(Study.open()))
