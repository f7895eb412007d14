"""Sending events to the endpoints of accounts: signed, tried again, and never into this machine's own network."""

from sealtone.web.webhooks.courier import Courier
from sealtone.web.webhooks.sending import Answer, Sender, SendingFailed
from sealtone.web.webhooks.signature import sign

__all__ = ["Answer", "Courier", "Sender", "SendingFailed", "sign"]
