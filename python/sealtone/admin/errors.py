"""Why a use case did not do what was asked, as sentences for the person who asked."""

from __future__ import annotations


class AdminError(Exception):
    """Base of every exception that this package raises on purpose. Nothing has been changed.

    `template` is the English sentence with places such as ``{name}`` for `values`, so that it can be translated;
    without values it is the sentence itself.
    """

    def __init__(self, template: str, /, **values: object) -> None:
        super().__init__(template.format(**values) if values else template)
        self.template = template
        self.values = values


class InvalidInput(AdminError):
    """A field cannot have this value."""

    def __init__(self, field: str, template: str, /, **values: object) -> None:
        super().__init__(template, **values)
        self.field = field


class NotFound(AdminError):
    """There is no such domain or SIP user, or it belongs to somebody else."""


class Conflict(AdminError):
    """It exists already, or something else still needs it."""


class Forbidden(AdminError):
    """The actor may not do this."""
