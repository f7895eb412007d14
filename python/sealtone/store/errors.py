"""What can go wrong with the database, split by whose fault it is."""


class StoreError(Exception):
    """Base of every exception that this package raises on purpose."""


class StoreBusy(StoreError):
    """More work waits to be written than the limit allows: refuse the request with 503 and a Retry-After."""


class StoreUnavailable(StoreError):
    """The database cannot be read or written now: disk full, locked for long, damaged. The message says which."""


class StoreClosed(StoreError):
    """The store has been closed."""


class KeyFileError(StoreError):
    """The key file is missing, damaged or does not fit the database; the message says what to do."""
