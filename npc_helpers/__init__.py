"""Helpers under the NPC prognosis notebooks (Li et al. 2022, pre- and post-treatment MRI).

Importing this package costs nothing: every module is imported by the one who needs it.
"""

__version__ = "0.1.0"
