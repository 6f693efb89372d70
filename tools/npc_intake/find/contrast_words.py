"""Words for contrast agents, and for with and without them, as hospitals write them.

Lower case, no accents on Latin letters. A star stands for any ending. The words of all languages
are used at once: descriptions mix them. The same words may stay when names are taken out of a
description (`npc_intake.identity.words`), but no free ending: ``gado*`` fits names of people.
"""

import re
from collections.abc import Mapping

AGENT = {
    "names": "gd gad gado* gada* dotarem magnevist prohance multihance omniscan primovist eovist "
    "clariscan vueway elucirem artirem dotagraf pixxoscan cyclolux gbca dtpa dota bopta",
    "en": "contrast* ce ce1 ce2 ce3 ce4 ce5 enh enhanc* injection injected",
    "de": "km ivkm kontrast* kontrastmittel*",
    "fr": "pdc inj injecte* injection",
    "es, pt": "contraste* contrastad* civ realce inyeccion injecao injetad*",
    "it": "mdc contrasto iniezione",
    "nl": "contrast* injectie",
    "pl, cs, tr, sv": "kontrasc* srodek",
    "id, ms": "kontras",
    "hu, el, fi": "kontraszt* σκιαγραφ* tehoste*",
    "ru": "контраст* ку контр усилени* гадо* гади* магневист* введени* кв гд",
    "zh": "增强 增強 造影 造影剂 造影劑 对比剂 對比劑 显影剂 顯影劑 强化 強化 打药 "
    "打造影剂 注药 注射 给药",
    "ja": "造影剤 ガドリニウム ガド 投与 エンハンス",
    "ko": "조영 조영제 조영증강 투여",
}
WITHOUT = {  # before the agent; those that also end a description stand in ALONE
    "en": "no non not none without wo minus un less zero notgiven",
    "de": "ohne kein keine keinem keinen nicht",
    "fr": "sans pas aucun non",
    "es": "sin no",
    "it": "senza no non",
    "nl": "zonder geen",
    "pt": "sem nao",
    "pl, cs, sl, hr": "bez brez nema",
    "sv, da, nb": "utan uden uten ingen ikke inte",
    "id, ms": "tanpa",
    "ro, el, fi": "fara χωρισ χωρίσ ilman",
    "ru": "без не нет",
    "zh": "未 无 無 非 不 没 没有 沒 沒有 未做 未行 没做 不用",
    "ja": "未 非 無 ノン",
    "ko": "비 무",
}
NOT_GIVEN = (  # after the agent
    "no none nein non nee not notgiven free frei fri vrij omitted declined refused contraindicated "
    "kontraindiziert verweigert abgelehnt contrindique refuse controindicato rifiutato rechazado "
    "contraindicado recusado geweigerd naive neg negative los yok нет отказ nelkul "
    "なし 無し ナシ 無 未 せず 없음 없이 안 미"
)
ALONE = "without wo ohne sans sin senza zonder sem bez без"  # at the end of a description
BEFORE = {
    "en": "pre before prior precon",
    "de": "vor prae pra",
    "fr": "avant av",
    "es, pt": "antes previo previa",
    "it": "prima",
    "nl": "voor",
    "pl, cs, hr, sv, da": "przed pred prije fore før innan",
    "ro, el": "inainte πριν",
    "id, ms": "sebelum",
    "ru, bg": "до перед преди",
}
AFTER = {
    "en": "post after",
    "de": "nach",
    "fr": "apres",
    "es, pt": "pos tras despues apos depois",
    "it": "dopo",
    "nl": "na",
    "pl, hr, sv, nb": "po nakon efter etter",
    "ro, el": "dupa μετα μετά",
    "id, ms": "setelah",
    "ru, bg, uk": "после след після",
}
WITH = "with w mit avec con com met z med cu με с dengan"
BEFORE_IT = "前 以前 之前 전 oncesi elott"  # after the agent
AFTER_IT = "后 後 之后 以后 後 あり 후"  # after the agent, which says the same alone
AND = "and und et y e en i och og ja si και и or oder & + / , 和 及 加"
BETWEEN = (
    "iv intraven* the any to of a de d del da do di la le les el il l der den dem produit medium "
    "media substance mezzo moyen medio agente material το "
    "administration admin gabe podani* podaniem somministra* sr 静脉 靜脈 静注 使用"
)
# Stands beside an agent, and says nothing of whether it was given: amounts, ways, makers.
BESIDE = "ml cc mmol mg agent bolus manual hand power bayer schering bracco guerbet ge"
PLAIN = {  # means "without" by itself
    "en": "plain noncon nce woc unenh unenhanced contrastless contrastfree",
    "de": "nativ* kontrastlos* kontrastfrei* kontrastmittelfrei* praekontrast* prakontrast* "
    "unkontrast*",
    "fr": "natif native",
    "es": "simple",
    "it": "basale smdc diretta",
    "nl": "blanco blank contrastvrij*",
    "pl, cs, tr, sv": "natywn* kontrastsiz prekontrast* bezkontrast* kontrastfri*",
    "fi, et": "kontrastita* kontrastitta*",
    "ru": "натив* доконтраст* бесконтраст* преконтраст* неконтраст*",
    "zh": "平扫 平掃 普扫 普通扫描",
    "ja": "単純 プレーン ノンコン",
    "zh (plain)": "单纯 單純",
}
# Makes the agent it stands at a question: was it given, and did it reach the patient?
DOUBT = (
    "optional* possible possibl* maybe perhaps unknown unsure evtl event* ggf falls if yesno "
    "tbd allerg* fail* extravas* paravas* abort* abgebroch* аллерг* отказ"
)
BOTH = "± 前后 前後 전후"  # with and without: the description of an examination, not a series
# What may follow "pre" and "post" where they speak of the agent: technique, plane, region.
TECHNIQUE = (
    "t1 t1w t2 t2w ax axial tra trans* transv* cor coronal sag sagittal obl* fs fatsat fat dixon "
    "mdixon ideal flex tse fse se gre ffe vibe lava thrive 3d 2d spc space cube vista mprage bravo "
    "w water neck head brain np nasopharynx npx skull base iso propeller blade dyn* delay* "
    "spair spir ir min eg"
)
# Letters that say so before an agent only (with a slash, where one follows), and before which.
LETTERS = (
    ("m", "WITH", ""),
    ("n p ap", "AFTER", ""),
    ("o", "WITHOUT", ""),
    ("v", "BEFORE", ""),
    ("s sa so з", "WITH", "[ck]ontrast|контраст|kl"),
    ("s", "WITHOUT", "(?![ck]ontrast|kl|km)"),
    ("ss s/ ss/", "WITHOUT", ""),
    ("c/", "WITH", ""),
    ("z", "WITHOUT", "contrast"),
)
SHORT_AGENTS = "c kl cm con cont contr kontr ctr cte"  # an agent right after a preposition only
WITH_SIGN = ("cm", "iv")  # an agent beside a plus only
ABBREVIATIONS = {  # what is read -> how it is written
    " ± ": r"\+ ?/ ?-|- ?/ ?\+|\+ ?- ?(?=(?:gd|gad\w*|km|[ck]ontr\w*|ce?)\b)"
    r"|\bwwo\b|\bw ?[/&,+]? ?[/&,+]? ?(?:wo\b|w/ ?o\b)"
    r"|\bc ?/ ?s\b|\bs ?/ ?c ?y ?c ?/ ?c\b|前[・/、, ]?[後后]|あり[・/、]?なし|有[無无]",
    "- ": r" ?\( ?- ?\)",
    "+ ": r"\( ?\+ ?\)",
    " without ": r"\bw ?[/.\\-]? ?o(?:ut)?\b\.?(?= |$)(?! ?-)",
    " sin contraste ": r"\bs/ ?c\b(?! ?ontr)",
    " con contraste ": r"\bc/ ?c\b(?! ?ontr)",
    " iv ": r"\bв/в\b|\biv-(?=\w)",
    " unknown ": r"\bn ?/ ?a ?\?",
    " yesno ": r"\byes ?/ ?no\b|\bno ?/ ?yes\b|\by ?/ ?n\b|\bja ?/ ?nein\b",
    " notgiven ": r"\b0+(?:[.,]0+)? ?(?:ml|cc|mmol)\b(?! ?/)"
    r"|\bnot (?:given|used|administered|applied|injected)\b",
}
# Words that hold one of the above and speak of something else.
ELSEWHERE = (
    r"\bphase[- ]?contrast\w*|phasenkontrast\w*|\bcontrast\w* (?:de|di) (?:phase|fase)\b"
    r"|\b(?:multi|dual|high|low|soft tissue|tissue|bold|image|blood|susceptibility|transfer)"
    r"[- ]contrasts?\b"
    r"|\b(?:edge|vessel|detail|signal|resolution|image|flow|inflow|fluid|deep|dlr?)[- ]?enhanc\w*"
    r"|\benhancer\b"
    r"|\benhanced[- ](?:mr|dicom|multi\w*)\b|\bmulti-?contrast\b"
    r"|\bcontrast[- ](?:optimi\w*|weight\w*|resolution|ratio|to noise|noise|transfer)\b"
    r"|\bc[- ]?(?:spine|sp|sense|wirbels\w*)\b|\b(?:pre|post)[- ]?sat\w*"
    r"|\bc ?\+ ?(?:t|l|th|ls)(?:[- ]?(?:spine|sp|ws))?(?!\w)|\+ ?c[- ]?(?:spine|sp)\b"
    r"|\bpost[- ]?injection site\b"
)
# What the tag of the agent says where there was none; where nobody knows.
NO_AGENT = (
    "no none n nil n/a na - -- false nein non nee geen kein keine keiner keines ohne sans sin sem "
    "senza zonder without not нет без 无 無 没有 なし 無し 없음 nao ninguno nessuno nenhum aucun "
    "nie nej nei nem brak nicht absent nativ native plain fara ingen bez"
)
NO_ANSWER = "unknown ? ?? unspecified other unbekannt inconnu"
# Words of the stems above and what `SPELLINGS` reads, as they are written in full.
WRITTEN_OUT = """
contrast contrasts contrasted contraste contrastes contrastado contrastada contrastato kontrast
kontrastmittel kontrastmitteln kontrastu kontrastem kontrastni kontrastlos enhanced enhancement
enhancing injecte injectee injetado injetada gado gadolinium gadolinio gadovist gadavist gadoterate
gadoteric gadobutrol gadopentetate gadobenate gadoteridol gadodiamide gadoversetamide gadopiclenol
gadoxetate optimark agent nonenhanced noncontrast nonce nongd postcontrast precontrast intravenous
iv okm vkm mkm smc wwo nativ nativo nativa yes unknown keiner plus to etter ou ss
postgad postgd postcon pregad nongad postcontraste precontraste postkontrast kontrastmittelgabe
contrastmiddel kontrascie kontrastli kontrasztos kontrasztanyag kontrastom kontrasta tehosteella
tehostetta σκιαγραφικό praekontrast prakontrast prekontrast unkontrastiert natywna natywne nativni
notgiven oncesi elott optional possible
c cm n o s d de of
натив гадолинием гадолиния преконтраст контрастированная
контраст контраста контрастом контрастное контрастным контрастирование контрастирования
контрастированием усиление усиления усилением введение введения гадовист магневист нативная нативно
нативное вв
contrastvrij contrastfree kontrastfrei kontrastmittelfrei bezkontrastowe uncontrasted nie enhance
gadolinie wout контрасту contrasttoediening kontr contr gadovistom kontrastmedel postcontr postkm
preinjection noncontr prakm pkm nkm kontrasztanyaggal неконтрастное бесконтрастная
"""
SPOKEN = (AGENT, PLAIN, WITHOUT, NOT_GIVEN, ALONE, BEFORE, AFTER, WITH, AND, BOTH, WRITTEN_OUT)
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_LONE_HANGUL = re.compile(r"[\uac00-\ud7af]")  # two of those that say "not" are common names


def all_of(*tables: Mapping[str, str] | str) -> list[str]:
    """Return the words of one or more of these tables."""
    texts = [table.values() if isinstance(table, Mapping) else [table] for table in tables]
    return [word for of_table in texts for text in of_table for word in text.split()]


def whole_words() -> list[str]:
    """Return every word of contrast and of with or without it that is written in full."""
    return [word for word in all_of(*SPOKEN) if word.isalnum() and not _is_short_east_asian(word)]


def _is_short_east_asian(word: str) -> bool:
    return len(word) == 1 and bool(_EAST_ASIAN.match(word))


def east_asian() -> tuple[list[str], list[str], list[str]]:
    """Return what may stand before the agent without a blank, the agents, and what after."""
    tables = ((WITHOUT, BETWEEN), (AGENT,), (BEFORE_IT, AFTER_IT, NOT_GIVEN, BOTH))
    before, agents, after = ([w for w in all_of(*t) if _EAST_ASIAN.match(w)] for t in tables)
    refused = {word for word in all_of(NOT_GIVEN) if _LONE_HANGUL.fullmatch(word)}
    return before, agents, [word for word in after if word not in refused]
