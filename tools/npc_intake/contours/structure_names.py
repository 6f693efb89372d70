"""Names of contoured structures: which of them are meant, and which may stay in a public file."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

STRUCTURES = ("GTV*", "NPC*", "LN*", "lymph*", "node*", "tumour*", "tumor*")
"""What is taken where nobody says otherwise: tumour and lymph nodes, no target volumes (CTV, PTV)
and no organs at risk."""

_PARTS = set(  # words that planning systems and AAPM TG-263 put together; none names a person
    """
    gtv gtvp gtvn gtvt gtvnx gtvnd gtvrpn ctv ctvp ctvn ctvnx ptv ptvp ptvn ptvnx npc ln lns rpn
    node nodes lymph tumour tumor primary metastasis neck nasopharynx level body external skin brain
    brainstem cord spinal spinalcord parotid parotids gland eye eyes lens cochlea optic nerve
    opticnerve chiasm opticchiasm lobe temporal temporallobe pituitary mandible larynx oral cavity
    oralcavity thyroid submandibular tongue bone clivus edema residual background label segment
    structure left right l r p n t nx nd of the and pre post high low intermediate risk mr ct t1 t2
    """.split()
)
_NUMBER = re.compile(r"\d{1,2}[ab]?|\d{2}(\.\d)?gy|[ivx]{1,3}[ab]?")  # of a level, or a dose


def chosen(names: Iterable[str], patterns: Sequence[str] = STRUCTURES) -> list[str]:
    """Return the names that fit one of some patterns, in their order.

    Parameters
    ----------
    names : iterable of str
    patterns : sequence of str
        ``*`` stands for anything, ``?`` for one character. Capitals, blanks, hyphens, points and
        underscores make no difference: ``GTVp*`` fits ``gtv-p 1``.

    Examples
    --------
    >>> chosen(["GTV-p", "PTV 70", "LN_left", "Brainstem"])
    ['GTV-p', 'LN_left']
    """
    plain = [_plain(pattern) for pattern in patterns]
    return [name for name in names if any(fnmatchcase(_plain(name), p) for p in plain)]


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).casefold()


def harmless(name: str) -> bool:
    """Tell whether a name is put together from known words and small numbers alone.

    Examples
    --------
    >>> harmless("GTVp_1"), harmless("LN left, level II"), harmless("GTV Zhang San")
    (True, True, False)
    """
    parts = [part for part in re.split(r"[\s_,;:()+/-]+", name.casefold()) if part]
    words = [re.sub(r"(?<=[a-z])\d{1,2}$", "", part) for part in parts]  # GTVp1, PTV70
    return bool(words) and all(word in _PARTS or _NUMBER.fullmatch(word) for word in words)
