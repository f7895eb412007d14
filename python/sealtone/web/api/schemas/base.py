"""What every schema has in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

Item = TypeVar("Item")
_DEEPEST = 8


def _no_nul(value: Any, depth: int = 0) -> Any:
    """NUL is text to JSON and to Python, and to PostgreSQL it is not."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError("Text cannot hold a NUL character")
    if depth < _DEEPEST:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for part in parts:
            _no_nul(part, depth + 1)
    return value


class Form(BaseModel):
    """The base of what is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        return _no_nul(value)


class Shown(BaseModel):
    """The base of what is answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example(value: object) -> ConfigDict:
    """The configuration of a schema with an example."""
    return ConfigDict(json_schema_extra={"examples": [cast("Any", value)]})


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_written, return_type=str), Field(description="RFC 3339, in UTC.")]


def moment(wall: float) -> datetime:
    """Unix seconds as a time, to the millisecond."""
    return datetime.fromtimestamp(round(wall, 3), UTC)


def moment_or_none(wall: float | None) -> datetime | None:
    return None if wall is None else moment(wall)


def _days(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("Write a number of days, or “forever”")
    return value


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(
        title="Problem",
        json_schema_extra={
            "examples": [
                {
                    "type": "/api/docs#problem-invalid",
                    "title": "A value cannot be used",
                    "status": 422,
                    "detail": "The codec opus is named twice.",
                    "errors": [{"field": "codecs", "message": "The codec opus is named twice."}],
                    "field": "codecs",
                }
            ]
        },
    )

    type: str = Field(description="Which kind of problem, as a URI reference; compare this, not the words.")
    title: str
    status: int
    detail: str = Field(description="A sentence for a person.")
    field: str | None = Field(None, description="Which field, where it is one.")
    errors: list[FieldProblem] | None = Field(None, description="Which fields, where it is about fields.")


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Page(Shown, Generic[Item]):
    """Some of a list, and where the rest begins."""

    items: list[Item]
    next: str | None = Field(None, description="Send it as `cursor` for the next page; null at the end.")


Days = Annotated[
    int | str,
    BeforeValidator(_days),
    Field(description="Days, or “forever”.", examples=[90]),
]
