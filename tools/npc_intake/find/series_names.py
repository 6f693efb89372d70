"""What the description of a series says that it is: one table of patterns, in this order.

They are matched against what `plain_name` makes of a description. A series that is named here is
not offered, so no word may stand here that a T1- or T2-weighted series of the neck carries, too.
"""

import re
from functools import lru_cache

from npc_intake.find.plain_text import unaccented

PARTS = {  # Dixon images: makers' endings and whole words
    "water": r"\bwater\b| w$",
    "fat": r"^(fat|fett|grasa|graisse|grasso):| f(at)?$|\bfat ?(image|only)\b|: ?fat$"
    r"|\bt[12]w? fat\b(?! ?(s|free|water))"
    r"|\b(m?dixon|ideal|flex|wfi)\b.* f(at)?\b(?! ?s)"
    r"|\bfett(bild)?\b|脂肪[像图圖]|脂[相像]",
    "in_phase": r"\b(in|en)[- ]?(phase|fase)\b| in$|\b(m?dixon|flex|ideal|wfi)\b.* i[np]\b"
    r"|\bt[12]w? ip$|同相",
    "opposed_phase": r"\b(out|opp|opposed)([- ]of)?[- ]?phase\b| opp(osed)?$"
    r"|\b(m?dixon|flex|ideal|wfi|fatsep)\b.* (opp?|out)\b|\bt[12]w? op$"
    r"|\b(hors|gegen|fuera de|fuori|fora de|opposition de)[- ]?(phase|fase)\b|[反逆]相",
}
_HEAD_OR_NECK = (  # a series that names one of these may name another region, too
    r"\b(necks?|heads?|brain|skull\w*|naso\w*|nasof\w*|rino\w*|rhino\w*|np|npc|cavum|hn|cervical\w*)\b"
    r"|\b(hals\w*|kopf|schadel\w*|cou|tete|cuello|cabeza|collo|testa|pescoco|cabeca|hoofd|szyj\w*)\b"
    r"|\b(boyun|nazofarin\w*|ше[яию]\w*|голов\w*|носоглот\w*)\b|鼻|咽|[头頭颈頸]|경부|두경부"
)
_ELSEWHERE = (
    r"\b(livers?|leber|foie|higado|fegato|figado|watrob\w*|karaciger|печен\w*|hepat\w*)\b"
    r"|\b(abdom\w*|pelv\w*|becken|bassin|bacino|miednic\w*|живот\w*|таз\w*|brzuch\w*|batin)\b"
    r"|\b(breasts?|brust|mamma\w*|mama|seno|sein|meme|piers\w*|chest|thorax|torace|torax)\b"
    r"|\b(knees?|knie|genou|rodilla|ginocchio|joelho|kolan\w*|diz|колен\w*|shoulders?|schulter)\b"
    r"|\b(epaule|hombro|spalla|ombro|bark|omuz|hips?|hufte|hanche|cadera|anca|ankle|wrist|elbow|hand)\b"
    r"|\b(foot|feet|fuss|pied|pie|piede|stopa|ayak|thigh|femur|cardiac|heart|herz|coeur|cuore)\b"
    r"|\b(corazon|coracao|serc\w*|kalp|сердц\w*|kidneys?|niere\w*|renal|rein|rene|nerk\w*|bobrek)\b"
    r"|\b(prostat\w*|rectum|rektum|uterus|utero|cervix|bladder|ovar\w*|lungs?|lunge|pulm\w*)\b"
    r"|\b(lumba[rl]\w*|lws|bws|[lt] ?-?spine|thoracic spine|wirbel\w*|rachis|columna|colonna)\b"
    r"|\b(kregosl\w*|omurga|позвон\w*|phantom|acr|qa)\b|(?<!\bc[ -])(?<!c)\bspine\b"
    r"|[肝腹膝肺肩胸胰脾肾腎]|腰椎|胸椎|脊柱|盆腔|骨盤|乳腺|前列腺|心脏|心臓|子宫|子宮|직장|복부|무릎|척추"
)
NAMES = {  # pattern -> kind, what it is
    r"\b(loc(?! adv)|lo[ck]ali[sz]\w*|lokal\w*|\w*scout\w*|survey|topogram\w*)\b"
    r"|\b((3|three|tri)[- ]?pl(ane)?|smartbrain|reperage|u(e?)bersicht\w*|vorschau)\b"
    r"|\b(pilot|surview|planer|centrage|centratore)\b"
    r"|\bplan(ning)?[- ]?scan\b|定位|位置決め|локал|스카우트|로컬라이저": (
        "localiser",
        "a localiser",
    ),
    r"\b(mp[rv]|reformat\w*|m(in?|n)?ips?|minips?|(subs?|sus)tr\w*|soustract\w*|sottraz\w*)\b"
    r"|\b(subs?(?!-[a-z])|vrt?|odejm\w*|cikar[mt]\w*|curved|processed|mean)\b"
    r"|(?<!dl )(?<!learning )\b(re[ck]onstr\w*|ricostru\w*|реконстр\w*)"
    r"|\b(differen(ce|z)[ -]?(image|bild)\w*|resta|вычит\w*|разност\w*|субтрак\w*)\b"
    r"|\bpost\w*( ?(gd|gad\w*|km|c|contrast))? ?(-|min|minus) ?(pre|nativ)\w*"
    r"|\bkm (-|minus) nativ\w*|\bminus (t1|pre|nati[vf]|plain|sans|ohne|without)|c\+ ?- ?(t1 )?c-"
    r"|\b(screen ?(save|shot)|(dose )?report|key[ -]?images?|fused|fusion|summen?bild\w*)\b"
    r"|\b(radial|parallel) ranges?\b|\bderived image\b"
    r"|\b(\w*u-?map|mrac|ute\d?|zte|sct|mrcat|attenuation|(synthetic|pseudo) ?ct)\b"
    r"|[减減剪]影|減算|差分|サブトラクション|投影|重建|再構成|재구성|감산": (
        "derived",
        "a reformatted or subtracted image",
    ),
    r"\b(t1|t2|t2\*|r2|r2\*)[ -]?map(s|ped|ping|it)?\b"
    r"|\b(relaxometry|fingerprint\w*|mrf|mp2rage|molli|magic|symri|synthetic|syn ?t[12]w?)\b"
    r"|\b(wash[ -]?(in|out)|time[ -]to[ -]peak|mean curve|(max|min)\w* slope|mtr)\b"
    r"|\b(fa|md|rd|mk)[ -]map\b|\bvfa\b|fat ?frac\w*|\b(ff|pdff|iauc\w*|auc|kep|ve|vp|aif|rbv)\b"
    r"|\b(time[ -]intensity|enhancement (integral|ratio|curve|rate|map))"
    r"|\b(positive|negative|relative|peak|max\w*) enhanc\w*|脂肪分数"
    r"|\b(mapa?|carte|karte) t[12]\b": (
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
    r"|\b(coil ?survey\w*|\w*shim\w*|sensitivity map|noise scan|grappa ref|speeder map)\b": (
        "other",
        "a calibration",
    ),
    r"\b(\w*dwi\w*|dw|diff|diffus\w+|dif+u[sz]\w+|dyfuz\w+|[de]?adc|trace\w?|muse|ivim|zoomit)\b"
    r"|(?<!deep )\bresolve\b|\b(dti|dki|tensor|average dc|iso(tropic)? image|fractional aniso\w*)\b"
    r"|\bep2d|\bb[ =-]*(0|50|\d{1,2}00)\b|弥散|扩散|擴散|拡散|확산|дифф|\bдви\b": (
        "other",
        "diffusion",
    ),
    r"\b(stir|tirm?|psir|(t[12]w?|[tf]?se)[ -]?ir|ir[ -]?[tf]?se)\b": (
        "other",
        "inversion recovery",
    ),
    r"flair|dark[- ]fluid": ("other", "fluid-attenuated inversion recovery"),
    r"\b(tof|angio\w*|mra|mrv|ce-?mra|pcmra|tricks|vessel[- ]?wall)\b|血管|혈관|ангио": (
        "other",
        "angiography",
    ),
    r"\b(care ?bolus|bolus ?tra[kc]\w*|smart ?prep|fluoro\w*|(test|timing) ?bolus)\b": (
        "other",
        "the timing of a bolus",
    ),
    r"\b(dce|dyn|dynami(?!t)\w*|dinami\w*|perf(us\w*)?|twist|disco|grasp|k[ -]?trans)\b"
    r"|\b(dsc|pwi|multi-?(phas|fas)\w*|4d[ -]?thrak|arterial|\d(st|nd|rd|th) phase)\b"
    r"|灌注|灌流|动态|動態|多期|ダイナミック|다이나믹|パーフュージョン|관류|перфуз|динам": (
        "other",
        "a dynamic study",
    ),
    r"\b([pc]*asl|r?cb[fv]|r?mtt|r?ttp)\b": ("other", "perfusion"),
    r"\b(bold|fmri|fcmri|epi|rest(ing)?[ -]state|rsfmri)\b": ("other", "functional imaging"),
    r"\b(swi|swan|swip|merge|medic|qsm|venobold|hemo)\b"
    r"|t2w? ?(\*|star\b)|\bt2w?\*?[ -]?(gre|ffe|fl[23]d)\b"
    r"|磁敏感|磁化率": ("other", "susceptibility-weighted"),
    r"\b(mrsi?|\w*spe[ck]tros[ck]\w*|spectro\w*|spettro\w*|svs|csi|press|probe-p)\b|波谱": (
        "other",
        "spectroscopy",
    ),
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
    r"^(?!.*t[12])(.*\b)?(pd(w|fs)?|dp|proton\w*[ -]?(dens|dich|gest)\w*)\b": (
        "other",
        "proton density",
    ),
    rf"^(?!.*({_HEAD_OR_NECK})).*({_ELSEWHERE})": ("other", "another region of the body"),
    r"\bother sequence\b": ("other", "another sequence"),
}
_ANATOMICAL = re.compile(  # what T1- and T2-weighted series are called; all may stay
    r"t[12](?!\d)|\b([tf]?se\d?d?|frfse|ssfse|haste|vibe\w*|lava|e?thrive|flash|f?spgr|fl[23]d|tfe|space)\b"
    r"|\b(spc|cube|vista|mprage|bravo|blade|propeller|multivane|jet|m?dixon|ideal|flex|water)\b"
)
_ODD = re.compile(  # part of a complex image, of a Dixon acquisition; another way to make contrast
    r"\b(real|imaginary|mt|ip|op|opp|opposed|out|in|f|b1|field|fm|fluid|inversion|recovery)\b"
    r"|\b(balanced|susceptibility|ssfp|ep|epse|epfid|gre2d|pca|inflow|ref|reference)\b"
    r"|\bph(a|ase)?\b(?! ?\d)"
)
_PHASE_OF_THE_AGENT = re.compile(
    r"\b(late|early|delay(ed)?|arterial|venous|portal)[ -]ph(a|ase)?\b|\bno phase wrap\b"
)
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


def odd_word(description: str) -> str:
    """Return the first word that may stand for another image than the plain one; "" without one.

    Such a word may stay when names are taken out, and does not tell enough to leave a series out.

    Examples
    --------
    >>> odd_word("T1 real +C"), odd_word("T1 phase gado"), odd_word("T1 late phase gado")
    ('real', 'phase', '')
    """
    match = _ODD.search(_PHASE_OF_THE_AGENT.sub(" ", plain_name(description)))
    return match[0] if match else ""


def is_named_anatomical(description: str) -> bool:
    """Tell whether a description names a weighting, or a sequence that shows anatomy.

    Whatever has the timing of a T2-weighted sequence would pass for one otherwise: a calibration
    in a language that `NAMES` does not know, a page of a report.

    Examples
    --------
    >>> is_named_anatomical("eT1W_TSE"), is_named_anatomical("LAVA-Flex +C")
    (True, True)
    >>> is_named_anatomical("Surview"), is_named_anatomical("")
    (False, False)
    """
    return bool(_ANATOMICAL.search(plain_name(description)))
