"""Which patients of the demonstration cohort have what a test needs."""

from npc_demo.examination import Examination


def numbers(cohort, *, vendor=None, decoys_at=None):
    """Positions of patients imaged by a make of scanner, or with decoys at one of these times."""

    def has_decoys(patient):
        return any(Examination(None, patient, at, None, 512).has_decoys for at in decoys_at)

    return [
        index
        for index, patient in enumerate(cohort.patients)
        if vendor in (None, patient.vendor) and (decoys_at is None or has_decoys(patient))
    ]
