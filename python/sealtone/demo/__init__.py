"""`sealtone demo`: calls between two phones of our own, while a wiretap shows what it can see."""

from sealtone.demo.run import main, run

__all__ = ["main", "run"]
