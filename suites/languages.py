"""The script a text is in, and which of some languages, by their commonest words: no library, and no more than that."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

WORDS = {
    "English": "the and of to is in that it you for are with not this have was can will there be they do does what a i",
    "German": "der die das und ist nicht ein eine ich sie es zu den mit von für auf im dem wir auch sind ja nein heute "
    "heißt aus hat wird in",
    "French": "le la les et est un une je vous il elle de des du en que pas pour dans sur ce qui nous sont mais au "
    "avec",
    "Spanish": "el la los las y es un una yo de en que no por para con se del su está al como pero muy más son hay",
    "Italian": "il la gli e è un una io di che non per con del si lo della sono ma anche più in al le i nel",
    "Portuguese": "o a os as e é um uma eu de que não para com do da em no na se por mas são mais está ao",
    "Dutch": "de het een en is van ik niet dat je op te in met voor zijn maar er aan ook wij hij naar om die",
    "Polish": "i w nie na się z jest to że do jak co ale o po od za przez są czy dla ma tak był",
}
"""By language what it says most often. A word of several languages speaks for each of them."""
OF_SCRIPT = {"Cyrillic": "Russian", "Japanese": "Japanese", "Han": "Chinese", "Greek": "Greek"}
"""What a text in a script is taken for where one of these languages is asked for."""
LANGUAGES = (*WORDS, *OF_SCRIPT.values())
LATIN = "Latin"


def script(text: str) -> str:
    """The script that most letters are in, `Japanese` for kana with or without Han signs; empty without letters."""
    scripts = Counter(_script(sign) for sign in text if sign.isalpha())
    if scripts["Japanese"]:
        scripts["Japanese"] += scripts.pop("Han", 0)
    return scripts.most_common(1)[0][0] if scripts else ""


def likeliest(text: str) -> list[str]:
    """The languages of `WORDS` whose commonest words stand most often in a text, one or several; none where none do."""
    said = re.findall(r"[^\W\d_]+", text.casefold())
    counts = {name: sum(word in common.split() for word in said) for name, common in WORDS.items()}
    most = max(counts.values())
    return [name for name, count in counts.items() if count == most] if most else []


def language(text: str) -> str:
    """The language of `LANGUAGES` that a text is likeliest in, the first of several; empty where nothing tells."""
    letters = script(text)
    if letters != LATIN:
        return OF_SCRIPT.get(letters, "")
    return next(iter(likeliest(text)), "")


def _script(sign: str) -> str:
    name = unicodedata.name(sign, "").partition(" ")[0]
    return {"CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese"}.get(name, name.capitalize())
