"""Domains as JSON."""

from __future__ import annotations

from pydantic import Field

from sealtone.model import ConsentNotice, Domain, Language, NoticeTo, OpenNotice, RecordingFormat, RecordingPolicy
from sealtone.web.api.schemas.base import Days, Form, Shown, example

RECORDING = {"policy": "on-demand", "notice": "tone", "format": "opus", "keep_days": 90}
DOMAIN = {
    "name": "office.example",
    "enabled": True,
    "language": "en",
    "music_on_hold": True,
    "open_notice": "notice",
    "open_notice_to": "caller",
    "recording": RECORDING,
}


class DomainRecordingOut(Shown):
    """What is recorded where SIP users do not say."""

    model_config = example(RECORDING)

    policy: RecordingPolicy
    notice: ConsentNotice = Field(description="How the two are told that they are recorded.")
    format: RecordingFormat
    keep_days: Days


class DomainOut(Shown):
    """A SIP domain."""

    model_config = example(DOMAIN)

    name: str = Field(description="In lower case; internationalised names in their ASCII form.")
    enabled: bool = Field(description="Off, nobody registers or calls in it.")
    language: Language = Field(description="Of what the server says.")
    music_on_hold: bool
    open_notice: OpenNotice = Field(description="What is played before a side that is not encrypted is connected.")
    open_notice_to: NoticeTo
    recording: DomainRecordingOut


class DomainRecordingIn(Form):
    """What is left out stays as it is."""

    model_config = example({"policy": "never"})

    policy: RecordingPolicy | None = None
    notice: ConsentNotice | None = None
    format: RecordingFormat | None = None
    keep_days: Days | None = None


class DomainPatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"language": "ru", "open_notice": "notice"})

    enabled: bool | None = None
    language: Language | None = None
    music_on_hold: bool | None = None
    open_notice: OpenNotice | None = None
    open_notice_to: NoticeTo | None = None
    recording: DomainRecordingIn | None = None


class NewDomain(Form):
    """A domain to be made."""

    model_config = example({"name": "office.example"})

    name: str = Field(max_length=300, description="A DNS name.")


def domain_out(domain: Domain) -> DomainOut:
    wishes, recording = domain.announcements, domain.recording
    return DomainOut(
        name=domain.name,
        enabled=domain.enabled,
        language=wishes.language,
        music_on_hold=wishes.music_on_hold,
        open_notice=wishes.open_notice,
        open_notice_to=wishes.open_notice_to,
        recording=DomainRecordingOut(
            policy=recording.policy,
            notice=recording.notice,
            format=recording.format,
            keep_days="forever" if recording.keep_days is None else recording.keep_days,
        ),
    )
