"""From an image archive (PACS) to a study folder: plan, look, retrieve; de-identified on the way.

`connect` opens the archive that the environment names, by DICOMweb or classic DICOM. `plan` asks
what it holds for a list of patients; `retrieve` fetches that, and goes on where it stopped.
"""

from npc_intake.pacs.archive import PacsError, RemoteSeries
from npc_intake.pacs.connection import connect
from npc_intake.pacs.planning import Plan, plan, read_list
from npc_intake.pacs.retrieval import INCOMING, LOG, retrieve
from npc_intake.pacs.transfer import Pace

__all__ = [
    "INCOMING",
    "LOG",
    "Pace",
    "PacsError",
    "Plan",
    "RemoteSeries",
    "connect",
    "plan",
    "read_list",
    "retrieve",
]
