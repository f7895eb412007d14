"""That everything a person reads is marked for translation, and translated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import Environment

from sealtone.web.i18n import FOLDER, LANGUAGES, Translations

WEB = FOLDER.parent
TEMPLATES = WEB / "templates"
KEYWORDS = {"_": None, "gettext": None, "translate": None, "ngettext": (1, 2), "plural": (1, 2)}
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
OTHERS = [code for code in LANGUAGES if code != "en"]
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
SAME = re.compile(
    r"(Sealtone|SIP|TLS|SRTP|ZRTP|SAS|MOS|DNS|ACME|API|QR|CSV|YAML|ms|Linphone|CSipSimple|Zoiper|Groundwire|Yealink"
    r"|Call-ID|AGE-SECRET-KEY-1|wide|aria-[a-z]+=|-error|-hint|true|[^A-Za-z]|\b[A-Za-z]\b)+"
)
"""Names, signs and units that are the same in every language, and what a template captures for an attribute."""


def texts() -> dict[str, str]:
    """Each marked text, and where it stands."""
    found: dict[str, str] = {}
    for name, line, message, _, _ in extract_from_dir(WEB, METHODS, keywords=KEYWORDS):
        text = message if isinstance(message, str) else message[0]
        if text:
            found.setdefault(text, f"{name}:{line}")
    return found


def translated(code: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for path in sorted((FOLDER / code).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id and not message.fuzzy:
                    key = message.id if isinstance(message.id, str) else message.id[0]
                    found[key] = (message.string,) if isinstance(message.string, str) else tuple(message.string)
    return found


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_of_the_panel_is_translated(code: str) -> None:
    known = translated(code)
    missing = {text: where for text, where in texts().items() if not any(known.get(text, ("",)))}
    assert missing == {}


ENGLISH = TEMPLATES / "api" / "docs.html"
"""The reference of the API is English, as its descriptions and errors are, and says so (lang="en")."""


def unmarked(template: Path) -> Iterator[str]:
    """Words of a template that stand there as they are."""
    tokens = Environment().lex(template.read_text(encoding="utf-8"))
    source = " ".join(text for _, kind, text in tokens if kind == "data")
    source = re.sub(r"<(script|style|code|pre|svg)\b.*?</\1>", " ", source, flags=re.DOTALL)
    yield from re.findall(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"', source)
    yield from re.split(r"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""", source)


@pytest.mark.parametrize(
    "template", sorted({*TEMPLATES.rglob("*.html")} - {ENGLISH}), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_no_template_has_words_that_are_not_marked(template: Path) -> None:
    words = [re.sub(r"&\w+;", " ", piece).strip() for piece in unmarked(template)]
    assert [word for word in words if word and not SAME.fullmatch(word)] == []


def test_a_number_chooses_its_russian_form() -> None:
    russian = Translations().language("ru")
    one, forms = next((text, forms) for text, forms in translated("ru").items() if len(forms) == 3)
    values = dict.fromkeys(PLACEHOLDER.findall(" ".join(forms)), "")
    for number, index in ((1, 0), (2, 1), (5, 2), (11, 2), (21, 0), (22, 1), (112, 2)):
        said = russian.plural(one, one, number, **{name: value for name, value in values.items() if name != "number"})
        assert said == forms[index] % {**values, "number": number}
