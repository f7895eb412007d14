"""Attacks on a live server, each beside a call of two phones of our own that must lose nothing by it."""
