"""Which series of a folder are the ones that the study needs, and what a person decides.

`find_series` reads every header (`headers`), puts images together that form a stack (`volumes`),
judges what they show (`series_kind`, `contrast`) and when (`timepoints`). `page` shows what waits
for a decision, `decisions` keeps it, and `add_to_manifest` enters what was chosen.
"""

from npc_intake.find.batches import add_to_manifest
from npc_intake.find.series import FoundSeries, find_series
from npc_intake.find.thumbnails import thumbnails

__all__ = ["FoundSeries", "add_to_manifest", "find_series", "thumbnails"]
