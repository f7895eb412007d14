"""Sealtone: self-hosted SIP telephony that can say, for every call, who could have listened."""

__version__ = "0.1.0"
