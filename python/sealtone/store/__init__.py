"""What must outlive the process: accounts, SIP users, bindings, call records, the change log."""

from sealtone.store.database import Database, Transaction
from sealtone.store.errors import KeyFileError, StoreBusy, StoreClosed, StoreError, StoreUnavailable
from sealtone.store.location import PostgresLocation
from sealtone.store.records import CallFilter, CallPage
from sealtone.store.store import Store

__all__ = [
    "CallFilter",
    "CallPage",
    "Database",
    "KeyFileError",
    "PostgresLocation",
    "Store",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreUnavailable",
    "Transaction",
]
