"""Why a use case did not do what was asked, as sentences for the person who asked."""


class AdminError(Exception):
    """Base of every exception that this package raises on purpose. Nothing has been changed."""


class InvalidInput(AdminError):
    """A field cannot have this value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotFound(AdminError):
    """There is no such domain or SIP user, or it belongs to somebody else."""


class Conflict(AdminError):
    """It exists already, or something else still needs it."""


class Forbidden(AdminError):
    """The actor may not do this."""
