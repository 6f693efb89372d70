"""Regions of the body: a liver or a spine of the same weeks must not pass as a neck.

Words of BodyPartExamined as PS3.16, Annex L defines them and makers write them. None of them can
name a person, so all may stay in a de-identified image.
"""

HEAD_AND_NECK = set(
    """
BRAIN CSPINE CTSPINE FACE HEAD HEADANDNECK HEADNECK IAC LARYNX NASOPHARYNX NECK ORBIT PHARYNX
PITUITARY SINUS SKULL TMJ WHOLEBODY
""".split()
)
ELSEWHERE = set(
    """
ABDOMEN ABDOMENPELVIS ADRENAL ANKLE ANUS AORTA ARM BILEDUCT BLADDER BREAST BRONCHUS BUTTOCK
CALCANEUS CALF CARDIAC CERVIX CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX COLON ELBOW
EXTREMITY FEMUR FINGER FOOT FOREARM GALLBLADDER HAND HEART HIP HUMERUS ILIUM KIDNEY KNEE LEG
LIVER LSPINE LSSPINE LUMBARSPINE LUNG MEDIASTINUM MRCP OVARY PANCREAS PELVIS PENIS PHANTOM
PROSTATE RECTUM RIB SACRUM SCAPULA SCROTUM SHOULDER SIJOINT SPLEEN SSPINE STERNUM STOMACH
TESTIS THIGH THORACICSPINE THORAX THUMB TIBFIB TLSPINE TOE TSPINE UTERUS WRIST
""".split()
)


def usual_part(word: str) -> str:
    """Return a word in capitals, without blanks and signs."""
    return "".join(sign for sign in word.upper() if sign.isalnum())


def is_elsewhere(part: str) -> bool:
    """Tell whether a value of BodyPartExamined names a region beside head and neck.

    Examples
    --------
    >>> is_elsewhere("L-SPINE"), is_elsewhere("NECK"), is_elsewhere("")
    (True, False, False)
    """
    return usual_part(part) in ELSEWHERE
