"""Texts of the frame are complete in every language, with the right plural forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sealtone.web import navigation, problems
from sealtone.web.i18n import FOLDER, Translations
from sealtone.web.rendering import TEMPLATES

_CALL = re.compile(r"""(?<![\w.])_\(\s*"((?:[^"\\]|\\.)+)\"""")
_PLURAL = re.compile(r"""(?<!\w)ngettext\(\s*"((?:[^"\\]|\\.)+)\"""")
OWN = [
    TEMPLATES / "layout.html",
    TEMPLATES / "parts.html",
    *(TEMPLATES / "core").glob("*.html"),
    *(Path(module.__file__ or "") for module in (navigation, problems)),
]


@pytest.fixture(scope="module")
def translations() -> Translations:
    return Translations()


def test_every_text_of_the_frame_is_translated(translations: Translations) -> None:
    russian = translations.language("ru")
    texts = {text for path in OWN for text in _CALL.findall(path.read_text(encoding="utf-8"))}
    plurals = {text for path in OWN for text in _PLURAL.findall(path.read_text(encoding="utf-8"))}
    assert len(texts) > 60
    assert sorted(text for text in texts if russian(text) == text) == []
    assert sorted(text for text in plurals if text not in russian._texts) == []


def test_translations_keep_the_places_of_values() -> None:
    places = re.compile(r"%\(\w+\)s|\{\w*\}")
    wrong = []
    for code in (path.name for path in FOLDER.iterdir() if path.is_dir()):
        for text, said in Translations().language(code)._texts.items():
            # "One day" may be "%(number)s" days in a language whose first form serves 21 as well.
            free = set() if isinstance(said, str) else {"%(number)s"}
            for one in (said,) if isinstance(said, str) else said:
                if set(places.findall(one)) - free != set(places.findall(text)) - free:
                    wrong.append(text)
    assert wrong == []


@pytest.mark.parametrize(
    ("number", "said"), [(1, "1 звонок"), (2, "2 звонка"), (5, "5 звонков"), (11, "11 звонков"), (21, "21 звонок")]
)
def test_numbers_take_their_form(translations: Translations, number: int, said: str) -> None:
    assert translations.language("ru").plural("%(number)s call", "%(number)s calls", number) == said


def test_what_is_not_translated_is_english_with_its_own_plural(translations: Translations) -> None:
    english = translations.language("en")
    assert english.plural("%(number)s call", "%(number)s calls", 1) == "1 call"
    assert english.plural("%(number)s call", "%(number)s calls", 0) == "0 calls"
    assert translations.language("xx")("Save") == "Save"
