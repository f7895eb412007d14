"""The command line: start the server, administer it, and see what it does, with or without a running server."""

from sealtone.cli.main import main

__all__ = ["main"]
