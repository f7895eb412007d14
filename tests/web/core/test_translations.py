"""Translations keep what is put into their texts, and numbers take the right form."""

from __future__ import annotations

import re

import pytest

from sealtone.web.i18n import FOLDER, Translations


@pytest.fixture(scope="module")
def translations() -> Translations:
    return Translations()


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
