"""Descriptions of series as hospitals write them, by what they say of a contrast agent."""

YES = {
    "en": "Ax T1 +C|AX T1 C+|T1 post gd|CE-T1 W|CE4 T1|T1CE|t1c|T1_C|T1W+C|T1 Gd|Ax T1 POST|"
    "AxT1PostGad|T1 POST FS|T1 with contrast|AX T1 W/ CONTRAST|T1 postcontrast|T1 ENH|"
    "T1 contrast enhanced|T1 Dotarem|T1 C+ 3min|T1 post 5min|T1 GAD no FS|"
    "T1 post Gd without fat sat|T1 - C+",
    "de": "t1_tse_tra_km_W|T1 mit KM|T1 nach KM|T1 KM+|T1 n. KM|T1 mKM|T1 tra post KM|T1 - KM|"
    "T1 Kontrastmittel|t1 nach Gd-DTPA|T1-KM|T1 mit CM",
    "fr": "T1 avec gado|T1 apres injection|T1 après gado|T1 injecté|T1 AX +gado|T1 avec PDC",
    "es": "T1 con contraste|T1 c/c|T1 CIV|T1 post contraste|T1 tras contraste|T1 contrastada",
    "it": "T1 con mdc|T1 dopo mdc|T1 m.d.c.|T1 con contrasto",
    "nl": "T1 met contrast|T1 na contrast|T1 na gd",
    "pt": "T1 com contraste|T1 após contraste|T1 pós-contraste|T1 c/ contraste|T1 com gadolínio",
    "ru": "T1 с контрастом|T1 после контраста|T1 с КУ|T1 с контрастированием|T1 после введения",
    "zh": "T1 增强|T1 增强后|横断位T1增强|T1 造影",
    "ja": "造影後T1|T1 造影あり|Gd造影|T1 Gd投与後",
    "ko, pl": "T1 조영증강|T1 z kontrastem",
}
NO = {
    "en": "Ax T1 no contrast|T1 no gad|T1 NON-GD|T1 non-contrast|T1 noncontrast|T1 unenhanced|"
    "T1 nonenhanced|T1 pre contrast|T1 pre|Ax T1 PRE FS|T1 without contrast|T1 w/o|AX T1 WO|"
    "T1 w/o gd|T1 wo contrast|T1 minus contrast|CE- T1|T1 -C|T1 C-|contrast: no|"
    "T1 contrast none|T1 Gd free|T1 plain|T1 preGd|T1 w/o iv contrast|T1 before Gd|T1 without",
    "de": "T1 KM-|T1 -KM|T1 ohne KM|T1 o. KM|T1 oKM|T1 vor KM|T1 nativ|t1_tra_nativ|T1 kein KM|"
    "T1 ohne Kontrastmittel|KM: nein|T1 vor der KM-Gabe",
    "fr": "T1 sans gado|T1 sans injection|T1 avant gado|T1 av gado|T1 av. gado|T1 non injecté|"
    "T1 pas de gado|T1 sans PDC|T1 avant l'injection",
    "es": "T1 sin contraste|T1 s/c|T1 SIN CIV|T1 s/contraste|T1 SIN|T1 simple|"
    "T1 antes del contraste",
    "it": "T1 senza mdc|T1 smdc|T1 s/mdc|T1 prima del mdc|T1 senza contrasto",
    "nl": "T1 zonder contrast|T1 zonder|T1 voor contrast|T1 geen contrast|T1 blanco",
    "pt": "T1 sem contraste|T1 antes do contraste|T1 pré-contraste|T1 s/ contraste",
    "ru": "T1 без контраста|T1 до контраста|T1 без КУ|T1 нативная|T1 до введения",
    "zh": "T1 平扫|T1 未增强|T1 增强前|T1 无造影剂|T1 非增强",
    "ja": "T1 造影前|T1 造影なし|T1 単純|非造影T1|T1 未造影",
    "ko, pl, sv": "T1 조영 전|T1 비조영|T1 bez kontrastu|T1 utan kontrast",
}
BOTH = (
    "T1 w/wo contrast|T1 with and without contrast|T1 mit und ohne KM|T1 pre/post gd|T1-C|"
    "T1 pre and post contrast|T1 +/-C|T1 ± Gd|T1 avec et sans gado|T1 con y sin contraste|"
    "平扫+增强|T1 造影前後|T1 contrast?|T1 с и без контраста|AX T1 wwo|T1 sans et avec gado|"
    "T1 ohne und mit KM|T1 vor und nach KM|T1 avant et après gado"
)
NOTHING = (
    "Ax T1|T1 post-ictal|T1 post biopsy|T1 post RT|T1 post op|T1 pre RT|T1 pre-op|C+T spine|"
    "T1 pre treatment|Phase contrast|T1 multi-contrast|Ax T1 FSE|epiRT IntAsc GD33|T1 W|"
    "t1 tse dixon W|t1 tra no fs|MRI C-spine|T1 ohne FS|T1 post chemo|T1_FFE_Sno_CS4|T1 5 cm|"
    "postictal T1|T1 vor OP|Ax T1 after RT|T1 pos tratamiento|edge enhanced T1|T1 compared|"
    "T1W_TSE_Sno_CSno_CSAI2|Phasenkontrast|"
)


def cases(answer, texts):
    texts = texts.values() if isinstance(texts, dict) else [texts]
    return [(answer, text) for line in texts for text in line.split("|")]
