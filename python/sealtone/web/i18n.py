"""Languages of the panel. English is in the sources and is the key; the others are in ``translations/<code>/*.po``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from babel.core import Locale
from babel.messages.pofile import read_po
from starlette.requests import Request

FOLDER = Path(__file__).with_name("translations")
LANGUAGES = {"en": "English", "ru": "Русский"}
LANGUAGE_COOKIE = "__Host-language"

Text = str | tuple[str, ...]


class Language:
    """Texts of one language. What has no translation stays English."""

    def __init__(self, code: str, texts: Mapping[str, Text]) -> None:
        self.code = code
        self._texts = texts
        self._form: Callable[[int], str] = Locale(code).plural_form
        self._forms = [
            tag for tag in ("one", "few", "many", "other") if tag in {*Locale(code).plural_form.tags, "other"}
        ]

    def __call__(self, text: str, /, **values: Any) -> str:
        """`text` in this language, with ``%(name)s`` replaced where values are given."""
        found = self._texts.get(text, text)
        said = found if isinstance(found, str) else found[0]
        return said % values if values else said

    def plural(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """The form that fits `number`, which is ``%(number)s`` in the text, as the other values are."""
        found = self._texts.get(one)
        if isinstance(found, tuple):
            said = found[min(self._index(number), len(found) - 1)]
        else:
            said = one if number == 1 else many
        return said % {"number": number, **values}

    def _index(self, number: int) -> int:
        """Which msgstr[n] of a .po file: for Russian one, few, many, as gettext counts them."""
        tag = self._form(number)
        return self._forms.index(tag) if tag in self._forms else len(self._forms) - 1


class Translations:
    """All languages."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Reads every .po file in `folder`."""
        self._languages = {code: Language(code, _texts(folder / code)) for code in LANGUAGES}

    def language(self, code: str) -> Language:
        """The language of a code; English where there is no such."""
        return self._languages.get(code) or self._languages["en"]

    def chosen(self, request: Request, own: str = "") -> Language:
        """What somebody reads: their own choice, else this browser's cookie, else what it prefers."""
        for code in (own, request.cookies.get(LANGUAGE_COOKIE, ""), *_preferred(request)):
            if code in self._languages:
                return self._languages[code]
        return self._languages["en"]


def _texts(folder: Path) -> dict[str, Text]:
    texts: dict[str, Text] = {}
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                key = message.id if isinstance(message.id, str) else message.id[0]
                if not key or message.fuzzy:
                    continue
                if isinstance(message.string, str):
                    if message.string:
                        texts[key] = message.string
                elif message.string and all(message.string):
                    texts[key] = tuple(message.string)
    return texts


def _preferred(request: Request) -> list[str]:
    weighed = []
    for part in request.headers.get("accept-language", "")[:200].split(","):
        name, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), name.strip()[:2].lower()))
        except ValueError:
            continue
    return [code for _, code in sorted(weighed, key=lambda one: one[0])]
