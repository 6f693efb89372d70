"""Words that may stay of a scanner's model, its software and its coils: they identify nobody.

Each grammar is as narrow as the values of the makers allow. A serial number, the name of a station
or of a hospital fits none of them.
"""

import re

MANUFACTURERS = {  # how a name begins -> what is written
    "GE": "GE MEDICAL SYSTEMS",
    "SIEMENS": "SIEMENS",
    "PHILIPS": "PHILIPS",
    "UNITED IMAGING": "UIH",
    "UIH": "UIH",
    "CANON": "CANON",
    "TOSHIBA": "TOSHIBA",
    "HITACHI": "HITACHI",
    "FUJIFILM": "FUJIFILM",
    "BRUKER": "BRUKER",
    "ESAOTE": "ESAOTE",
    "MINDRAY": "MINDRAY",
    "NEUSOFT": "NEUSOFT",
    "ALLTECH": "ALLTECH",
    "XGY": "XGY",
    "SYNTHETIC": "SYNTHETIC",
}
MODELS = set(
    """
    achieva ingenia intera gyroscan panorama ambition elition prodiva evolution multiva blueseal nt
    omega magnetom skyra prisma prisma_fit skyra_fit avanto_fit fit trio triotim tim verio aera
    avanto symphony symphonytim espree essenza vida lumina sola altea cima.x amira sempra spectra
    impact concerto harmony allegra sonata vision terra plus biograph mmr biograph_mmr c! free.max
    free max free.star signa discovery optima brivo genesis excite hd hdx hdxt hde lx architect
    premier pioneer artist voyager explorer creator hero victor champion prime evo gem pet pet/mr
    silent titan vantage galan orian elan atlas excelart fortian xgv zgo zgv supreme echelon oval
    smart oasis airis airis2 aperto apertolucent trillium synergy velocity umr jupiter prenova
    biospec pharmascan medical systems scanner synthetic style a b c mr x 3t 1.5t 3.0t 7t 3 1.5 3.0
    5300 7700 355 360 370 380 450 450w 560 570 580 588 600 640 660 670 680 750 750w 770 780 790 870
    880 890 mr355 mr360 mr450 mr450w mr750 mr750w mr5300 mr7700
    """.split()
)
SOFTWARE = set("syngo mr numaris numaris/4 release release: software version lx hd x".split())
VERSION = re.compile(
    r"[a-z]{0,3}\d{1,3}([._]([a-z]?\d{1,3}|20[0-3]\d)[a-z]{0,2}|[.][a-z]){0,6}"
    r"(\*[a-z]?\d{1,3}(st\d{3})?)?|[a-z]{1,2}\d{2,3}[a-z]?|umr_v\d{3}\.[a-z]\d"
    r"|(release:)?[a-z]{2}\d\d\.\d_[a-z]\d\d_\d{4}\.[a-z]",  # of GE
    re.IGNORECASE,
)
COILS = set(
    """
    head neck headneck head-neck headneckspine spine body bodycoil qbody q-body flex flexl flexs
    large small multi coil coils sense dstream matrix array tim tcs quad quadhead torso cardiac
    surface loop posterior anterior base hns nv hnv hna hnu hdnv neurovascular neuro brain birdcage
    whole wb system mixed composed ds hr brhd usage transmit receive elements gem q channel
    channels all upper lower left right
    """.split()
)
ELEMENT = re.compile(  # of a coil, for instance HEA;HEP, HE1-4, NE1,2, 16Ch, 8HRBRAIN
    r"(?:he|ne|hea|hep|nea|nep|hn|sp|bo|bc|bl|br|hc|ha|pa|pe|c|a|p)?\d{0,2}"
    r"(?:ch|channel|chan|hr|hrbrain|us)?"
)


def manufacturer(value: str) -> str:
    """Return the manufacturer's name as this list writes it; blank if it is unknown."""
    name = value.upper().strip()
    for start, written in MANUFACTURERS.items():
        if re.match(rf"{start}(?![A-Z])", name):  # CANON_MEC
            return written
    return ""


def model(value: str) -> str:
    """Return the words of a scanner's name that are listed, in their order."""
    return " ".join(word for word in value.split() if word.lower().strip("-,") in MODELS)


def software(value: str) -> str:
    """Return versions of software, and the words around them that are listed."""
    return " ".join(
        word for word in value.split() if word.lower() in SOFTWARE or VERSION.fullmatch(word)
    )


def coil(value: str) -> str:
    """Return the name of a coil if each of its words is listed or names an element; else blank."""
    words = [word for word in re.split(r"[\s_,;:/()+-]+", value) if word]
    named = all(word.lower() in COILS or ELEMENT.fullmatch(word.lower()) for word in words)
    return value.strip() if named else ""
