"""Names out of images and tables, by a keep-list; a secret key makes the pseudonyms.

`keep_list` says what may stay, `header` and `pixels` apply it, `images` and `tables` do so for
whole folders. `claims` and `people` refuse what contradicts itself before anything is written;
`original_words` and `run_log` lie beside the key.
"""

from npc_intake.deidentify.images import deidentify_file, deidentify_folder
from npc_intake.deidentify.original_words import original_words
from npc_intake.deidentify.pseudonyms import Key
from npc_intake.deidentify.tables import deidentify_table

__all__ = ["Key", "deidentify_file", "deidentify_folder", "deidentify_table", "original_words"]
