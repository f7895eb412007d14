"""Jinja as the templates have it: escaping always on, and the few functions that every template may use."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sealtone.admin.errors import AdminError, InvalidInput
from sealtone.web.assets import Assets
from sealtone.web.i18n import Language
from sealtone.web.icons import icon
from sealtone.web.reasons import reason_said

TEMPLATES = Path(__file__).with_name("templates")


class Rendering(NamedTuple):
    """For whom a template is being rendered now."""

    language: Language
    csrf_token: str


_now: ContextVar[Rendering] = ContextVar("rendering")


def environment(assets: Assets, cache: Path | None = None) -> Environment:
    """What templates are rendered by. `cache`: a folder for their compiled form."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=FileSystemBytecodeCache(str(cache)) if cache is not None else None,
    )
    made.globals |= {
        "_": _translate,
        "ngettext": _plural,
        "asset": assets.url,
        "csrf": _csrf,
        "error_at": error_at,
        "icon": icon,
        "local_time": local_time,
        "reason": _reason,
    }
    return made


def render(templates: Environment, name: str, rendering: Rendering, context: dict[str, Any]) -> str:
    """A page as text."""
    token = _now.set(rendering)
    try:
        return templates.get_template(name).render(context)
    finally:
        _now.reset(token)


def said(language: Language, error: AdminError) -> str:
    """An error of a use case in the reader's language, and so the errors that it tells of within it."""
    sentence = language(error.template)
    values = {
        name: said(language, value)
        if isinstance(value, AdminError)
        else reason_said(language, value)
        if name == "subject" and isinstance(value, str)
        else value
        for name, value in error.values.items()
    }
    return sentence.format(**values) if values else sentence


def error_at(error: object, name: str) -> str:
    """What is wrong with the field `name`, or nothing. `error`: an `InvalidInput`, texts by field, or None."""
    if isinstance(error, InvalidInput):
        return said(_now.get().language, error) if error.field == name else ""
    if isinstance(error, dict):
        found = error.get(name, "")
        return said(_now.get().language, found) if isinstance(found, AdminError) else str(found)
    return ""


def local_time(at: float | None, style: str = "time") -> Markup:
    """A moment (Unix seconds), which the browser shows in its own zone; `style`: "time", "second" or "date"."""
    if at is None:
        return Markup("–")
    moment = datetime.fromtimestamp(at, UTC)
    written = moment.strftime({"date": "%Y-%m-%d", "second": "%Y-%m-%d %H:%M:%S UTC"}.get(style, "%Y-%m-%d %H:%M UTC"))
    return Markup('<time datetime="{}" data-local="{}">{}</time>').format(
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"), style, written
    )


def _translate(text: str, /, **values: Any) -> str:
    return _now.get().language(text, **values)


def _plural(one: str, many: str, number: int, /, **values: Any) -> str:
    return _now.get().language.plural(one, many, number, **values)


def _reason(text: str) -> str:
    return reason_said(_now.get().language, text)


def _csrf() -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(_now.get().csrf_token)
