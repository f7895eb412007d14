"""How phones are set up for a SIP user: the settings, and the files that phones read them from. Pure."""

from sealtone.provisioning.linphone import linphone_codecs, linphone_settings
from sealtone.provisioning.own_phone import own_phone_settings, read_own_phone_settings
from sealtone.provisioning.settings import PhoneSettings, ServerPlace, UnreadableSettings
from sealtone.provisioning.yealink import yealink_codecs, yealink_settings

__all__ = [
    "PhoneSettings",
    "ServerPlace",
    "UnreadableSettings",
    "linphone_codecs",
    "linphone_settings",
    "own_phone_settings",
    "read_own_phone_settings",
    "yealink_codecs",
    "yealink_settings",
]
