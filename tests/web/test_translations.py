"""That everything a person reads is marked for translation, and translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import Environment

from sealtone.web.i18n import FOLDER, LANGUAGES, Translations
from sealtone.web.reasons import reason_said
from sealtone.web.user_words import FIELD_NAMES

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


ERRORS = {
    "InvalidInput": 1,
    "NotFound": 0,
    "Conflict": 0,
    "Forbidden": 0,
    "ConfigurationError": 0,
    "BackupError": 0,
    "_at": 1,
}
"""What makes a sentence for a person, and which argument is its template."""
COMMAND_LINE = {"recording_seal.py"}
"""What is read on the command line, in files that are brought; the panel shows nothing of theirs."""
ADMIN = WEB.parent / "admin"


def called(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "id", "") or getattr(node.func, "attr", ""), node


@pytest.mark.parametrize(
    "source",
    [
        path
        for folder in (ADMIN, WEB / "pages")
        for path in sorted(folder.glob("*.py"))
        if path.name not in COMMAND_LINE
    ],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_every_error_for_a_person_is_a_sentence_with_places_that_is_translated(source: Path) -> None:
    russian = translated("ru")
    for name, call in called(ast.parse(source.read_text(encoding="utf-8"))):
        if name not in ERRORS or len(call.args) <= ERRORS[name]:
            continue
        template = call.args[ERRORS[name]]
        where = f"{source.name}:{call.lineno}"
        if isinstance(template, ast.JoinedStr):
            # Only what is a constant sentence, and lacks nothing but its end.
            (value,) = (part for part in template.values if isinstance(part, ast.FormattedValue))
            assert isinstance(value.value, ast.Name), where
            assert value.value.id.isupper(), f"{where}: give the values by name, so that the sentence can be translated"
        elif isinstance(template, ast.Constant):
            assert template.value in russian, f"{where}: {template.value}"


LOGGING = {"log", "_log", "log_change", "log_person", "Change"}


def test_what_the_change_log_names_is_translated_and_so_are_its_fields() -> None:
    language = Translations().language("ru")
    subjects, fields = set(), set()
    for source in sorted(ADMIN.glob("*.py")):
        tree = ast.parse(source.read_text(encoding="utf-8"))
        for name, call in called(tree):
            if name not in LOGGING:
                continue
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                if isinstance(argument, ast.JoinedStr):
                    subjects.add(
                        "".join(part.value if isinstance(part, ast.Constant) else "X" for part in argument.values)
                    )
                elif isinstance(argument, ast.Dict):
                    fields |= {key.value for key in argument.keys if isinstance(key, ast.Constant)}
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name.startswith(("_shown", "shown")):
                shown = [node for node in ast.walk(function) if isinstance(node, ast.Dict)]
                fields |= {key.value for node in shown for key in node.keys if isinstance(key, ast.Constant)}
    subjects = {subject for subject in subjects if not subject.startswith("X")}  # those are values
    assert len(subjects) >= 8
    assert {subject for subject in subjects if not re.search("[а-я]", reason_said(language, subject))} == set()
    assert len(fields) > 40
    assert fields - set(FIELD_NAMES) == set()


def test_a_number_chooses_its_russian_form() -> None:
    russian = Translations().language("ru")
    one, forms = next((text, forms) for text, forms in translated("ru").items() if len(forms) == 3)
    values = dict.fromkeys(PLACEHOLDER.findall(" ".join(forms)), "")
    for number, index in ((1, 0), (2, 1), (5, 2), (11, 2), (21, 0), (22, 1), (112, 2)):
        said = russian.plural(one, one, number, **{name: value for name, value in values.items() if name != "number"})
        assert said == forms[index] % {**values, "number": number}
