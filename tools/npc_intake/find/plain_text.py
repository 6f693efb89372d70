"""One way to write a text, so that words can be compared."""

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=4096)
def unaccented(text: str) -> str:
    """Return a text in lower case, Latin letters without accents.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> unaccented("Après INJECTION"), unaccented("造影剤")
    ('apres injection', '造影剤')
    """
    letters: list[str] = []
    for letter in unicodedata.normalize("NFD", text.casefold().replace("ı", "i")):
        if not (unicodedata.combining(letter) and letters and "a" <= letters[-1] <= "z"):
            letters.append(letter)
    return unicodedata.normalize("NFC", "".join(letters))
