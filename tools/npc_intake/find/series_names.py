"""What the description of a series says that it is: one table of patterns, in this order.

They are matched against what `plain_name` makes of a description. A series that is named here is
not offered, so no word may stand here that a T1- or T2-weighted series of the neck carries, too.
"""

import re
from functools import lru_cache

from npc_intake.find.plain_text import unaccented

PARTS = {  # Dixon images: makers' endings and whole words
    "water": r"\bwater\b| w$",
    "fat": r"^fat:| f(at)?$|\bfat ?(image|only)\b",
    "in_phase": r"\bin[- ]?phase\b| in$|\b(m?dixon|flex|ideal|t[12]w?)\b.* ip$",
    "opposed_phase": r"\b(out|opp|opposed)([- ]of)?[- ]?phase\b| opp(osed)?$"
    r"|\b(m?dixon|flex|ideal)\b.* (op|out)$|\bt[12]w? op$",
}
NAMES = {  # pattern -> kind, what it is
    r"\b(loc(?! adv)|lo[ck]ali[sz]\w*|lokal\w*|\w*scout\w*|survey|topogram\w*)\b"
    r"|\b((3|three|tri)[- ]?pl(ane)?|smartbrain|reperage|u(e?)bersicht\w*|vorschau)\b"
    r"|\bplan(ning)?[- ]?scan\b|定位|位置決め|локал|스카우트|로컬라이저": (
        "localiser",
        "a localiser",
    ),
    r"\b(mpr|reformat\w*|mips?|minips?|su[bs]tr\w*|soustract\w*|sottraz\w*|subs?(?!-[a-z])|vrt?)\b"
    r"|\b(differen(ce|z)[ -]?(image|bild)\w*|resta|вычит\w*|разност\w*|субтрак\w*)\b"
    r"|\bpost\w*( ?(gd|gad\w*|km|c|contrast))? ?(-|minus) ?(pre|nativ)\w*|\bkm (-|minus) nativ\w*"
    r"|\b(screen ?(save|shot)|(dose )?report|key[ -]?images?|fused|fusion|summen?bild\w*)\b"
    r"|\b(radial|parallel) ranges?\b|\bderived image\b"
    r"|减影|減影|減算|差分|サブトラクション|投影|[面维維状]重建": (
        "derived",
        "a reformatted or subtracted image",
    ),
    r"\b(t1|t2|t2\*|r2|r2\*)[ -]?map(s|ped|ping|it)?\b"
    r"|\b(relaxometry|fingerprint\w*|mrf|mp2rage|molli|magic|symri|synthetic|syn ?t[12]w?)\b"
    r"|\b(wash[ -]?(in|out)|time[ -]to[ -]peak|mean curve|(max|min)\w* slope|mtr)\b"
    r"|\b(fa|md|rd)[ -]map\b": (
        "derived",
        "a map of a quantity",
    ),
    r"\b(fieldmap\w*|field[ -]?map\w*|fmap|(3d)*b0[ -]?map\w*|gre[ -]f(ield|m)|b1[ -]?map\w*)\b": (
        "phase",
        "a map of the magnetic field",
    ),
    r"\bphase[ -]?(map|image|contrast)|\bpha(se)? images?\b|phasenkontrast"
    r"|\b(q-?flow|velocity|venc)\b|^phase( t[12]w?)?$|\b(ffe|gre|[tf]?se) phase$": (
        "phase",
        "a phase image",
    ),
    r"\b(cal|calib\w*|asset[ -]?cal\w*|ref(erence)?[ -]?scan|sense[ -]?ref\w*|prescan)\b"
    r"|\b(coilsurvey|shim)\b": ("other", "a calibration"),
    r"\b(dwi\w*|dw|diff|diffus\w+|difus\w+|[de]?adc|trace\w?|resolve|muse|ivim|dti|edwi|zoomit|tensor)\b"
    r"|\bep2d|\bb[ =]*(50|\d{1,2}00)\b|弥散|扩散|擴散|拡散|확산|дифф|\bдви\b": (
        "other",
        "diffusion",
    ),
    r"\b(stir|tirm|psir|(t[12]w?|[tf]?se)[ -]?ir|ir[ -]?[tf]?se)\b": (
        "other",
        "inversion recovery",
    ),
    r"flair|dark[- ]fluid": ("other", "fluid-attenuated inversion recovery"),
    r"\b(tof|angio\w*|mra|mrv|ce-?mra|pcmra|tricks)\b|血管|혈관|ангио": ("other", "angiography"),
    r"\b(dce|dynamic|dyn|perf(us\w*)?|twist|disco|grasp|k[ -]?trans|dsc|pwi)\b"
    r"|灌注|灌流|パーフュージョン|관류|перфуз": ("other", "a dynamic study"),
    r"\b([pc]*asl|r?cb[fv]|r?mtt|r?ttp)\b": ("other", "perfusion"),
    r"\b(bold|fmri|fcmri|epi|rest(ing)?[ -]state|rsfmri)\b": ("other", "functional imaging"),
    r"\b(swi|swan|swip|merge|medic|qsm|venobold|hemo)\b"
    r"|t2w? ?(\*|star\b)|\bt2w?\*?[ -]?(gre|ffe|fl[23]d)\b"
    r"|磁敏感|磁化率": ("other", "susceptibility-weighted"),
    r"\b(mrs|spectro\w*|svs|csi|press)\b|波谱": ("other", "spectroscopy"),
    r"\b(mtc|mt[ -]?on|apt|apt[ -]?w|cest|magneti[sz]ation[ -]transfer)\b": (
        "other",
        "magnetisation transfer",
    ),
    r"\b(ciss|fiesta\w*|trufi|true?[ -]?fisp|b-?t?ffe|b-?tfe|psif)\b": (
        "other",
        "a balanced sequence",
    ),
    r"\b(mrcp|cholangio\w*|urogra\w*|myelogra\w*|hydrogra\w*)\b": ("other", "fluid only"),
    r"\b(cine|realtime|swallow\w*)\b": ("other", "a moving picture"),
    r"^(?!.*(\b(necks?|heads?|naso\w*|np|npc|hals|kopf|hn|cou|tete|cuello|skull\w*)\b|鼻咽|[头頭颈頸]))"
    r".*(\b(livers?|leber|foie|higado|fegato|hepat\w*|abdom\w*|pelv\w*|becken|bassin|prostat\w*)\b"
    r"|\b(breasts?|mamma\w*|knees?|knie|genou|shoulders?|schulter|hips?|ankle|wrist|cardiac|heart)\b"
    r"|\b(herz|kidneys?|niere\w*|renal|lumbar|lumbal|lws|bws|[lt] ?-?spine|phantom)\b"
    r"|[肝腹膝]|腰椎|胸椎|盆腔|骨盤|乳腺|前列腺)": ("other", "another region of the body"),
    r"\bother sequence\b": ("other", "another sequence"),
}
WORDS = {  # what may be written where the words that say so cannot stay
    "localiser": "localizer",
    "derived": "derived image",
    "phase": "phase image",
    "other": "other sequence",
    "water": "water",
    "fat": "fat image",
    "in_phase": "in phase",
    "opposed_phase": "opposed phase",
}


def plain_name(description: str) -> str:
    """Return a description in lower case, without accents; underscores are blanks."""
    return unaccented(description).replace("_", " ").strip()


@lru_cache(maxsize=1024)
def kind_by_name(name: str) -> tuple[str, str] | None:
    """Return the kind that a plain name says, and what it is; None if it says none."""
    return next((told for pattern, told in NAMES.items() if re.search(pattern, name)), None)


@lru_cache(maxsize=1024)
def parts_by_name(name: str) -> list[str]:
    """Return the Dixon parts that a plain name says."""
    return [part for part, pattern in PARTS.items() if re.search(pattern, name)]
