"""Which of a few languages a text is in, by its script and its commonest words: no library, and no more than that."""

from __future__ import annotations

import re

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
SCRIPTS = {
    "Russian": re.compile("[\u0400-\u04ff]"),
    "Japanese": re.compile("[\u3040-\u30ff]"),
    "Chinese": re.compile("[\u4e00-\u9fff]"),
    "Greek": re.compile("[\u0370-\u03ff]"),
}
LANGUAGES = (*WORDS, *SCRIPTS)
MOSTLY = 0.5
"""The share of its letters that must be in a script for a text to be in it."""


def language(text: str) -> str:
    """The language a text is likeliest in; empty where nothing speaks for one. Kana tells Japanese from Chinese."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return ""
    kana, han = (sum(bool(SCRIPTS[name].match(each)) for each in letters) for name in ("Japanese", "Chinese"))
    if (kana + han) / len(letters) > MOSTLY:
        return "Japanese" if kana else "Chinese"
    for name in ("Russian", "Greek"):
        if sum(bool(SCRIPTS[name].match(each)) for each in letters) / len(letters) > MOSTLY:
            return name
    words = re.findall(r"[^\W\d_]+", text.lower())
    said = {name: sum(word in known.split() for word in words) for name, known in WORDS.items()}
    best = max(said, key=lambda name: said[name])
    return best if said[best] else ""
