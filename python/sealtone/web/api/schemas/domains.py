"""Domains as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sealtone.admin.domain_checks import Standing
from sealtone.model import (
    CertificateSource,
    ConsentNotice,
    Domain,
    DomainKind,
    Language,
    NoticeTo,
    OpenNotice,
    RecordingFormat,
    RecordingPolicy,
)
from sealtone.store.domains import Finding
from sealtone.web.api.schemas.base import Days, Form, Moment, Shown, example, moment, moment_or_none

RECORDING = {"policy": "on-demand", "notice": "tone", "format": "opus", "keep_days": 90}
SETTINGS = {
    "enabled": True,
    "language": "en",
    "music_on_hold": True,
    "open_notice": "notice",
    "open_notice_to": "caller",
    "certificate_source": "own",
    "recording": RECORDING,
}
DOMAIN = {
    "name": "office.example",
    "kind": "parked",
    "status": "verified",
    "created_at": "2026-11-26T09:30:00.000Z",
    "settings": SETTINGS,
}
RECORD = {
    "type": "TXT",
    "name": "_sealtone.office.example",
    "expected": "sealtone-domain=0c2f9a51b6d84e7790aa13f4c5d2e688",
    "found": [],
    "state": "missing",
    "purpose": "ownership",
    "required": True,
}
DNS = {"name": "office.example", "status": "pending", "checked_at": "2026-11-26T09:31:00.000Z", "records": [RECORD]}


class DomainRecordingOut(Shown):
    """What is recorded where SIP users do not say."""

    model_config = example(RECORDING)

    policy: RecordingPolicy
    notice: ConsentNotice = Field(description="How the two are told that they are recorded.")
    format: RecordingFormat
    keep_days: Days


class DomainSettings(Shown):
    """What holds in a domain."""

    model_config = example(SETTINGS)

    enabled: bool = Field(description="Off, nobody registers or calls in it.")
    language: Language = Field(description="Of what the server says.")
    music_on_hold: bool
    open_notice: OpenNotice = Field(description="What is played before a side that is not encrypted is connected.")
    open_notice_to: NoticeTo
    certificate_source: CertificateSource
    recording: DomainRecordingOut


class DomainOut(Shown):
    """A SIP domain, or a name that is still to be proven."""

    model_config = example(DOMAIN)

    name: str = Field(description="In lower case; internationalised names in their ASCII form.")
    kind: DomainKind
    status: Literal["verified", "pending", "failed"] = Field(
        description="pending: its ownership record has not been seen in DNS yet."
    )
    created_at: Moment
    settings: DomainSettings | None = Field(description="Null until the name is proven.")


class RecordOut(Shown):
    """A DNS record as it should be and as it was found."""

    model_config = example(RECORD)

    type: str
    name: str
    expected: str
    found: list[str]
    state: Literal["ok", "missing", "differs", "unknown"] = Field(description="unknown: DNS did not answer.")
    purpose: str
    required: bool


class DomainDns(Shown):
    """The DNS records of a domain."""

    model_config = example(DNS)

    name: str
    status: Literal["verified", "pending", "failed"]
    checked_at: Moment | None
    records: list[RecordOut]


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

    model_config = example({"kind": "parked", "name": "office.example"})

    kind: DomainKind = Field(
        DomainKind.PARKED,
        description="parked: a name of your own, to be proven by a DNS record. subdomain: a label of the service's "
        "zone, usable at once. operator: any name, for whoever operates the service.",
    )
    name: str = Field(max_length=300, description="A DNS name; of a subdomain its label alone.")


def domain_out(standing: Standing) -> DomainOut:
    return DomainOut(
        name=standing.name,
        kind=standing.kind,
        status=_status(standing.status),
        created_at=moment(standing.created_at),
        settings=_settings(standing.domain) if standing.domain is not None else None,
    )


def domain_dns(standing: Standing) -> DomainDns:
    return DomainDns(
        name=standing.name,
        status=_status(standing.status),
        checked_at=moment_or_none(standing.checked_at),
        records=[_record(finding) for finding in standing.findings],
    )


def _status(text: str) -> Literal["verified", "pending", "failed"]:
    return "verified" if text == "verified" else "failed" if text == "failed" else "pending"


def _record(finding: Finding) -> RecordOut:
    known = {name: value for name, value in finding._asdict().items() if name in RecordOut.model_fields}
    return RecordOut.model_validate(known | {"type": finding.kind, "found": list(finding.found)})


def _settings(domain: Domain) -> DomainSettings:
    wishes, recording = domain.announcements, domain.recording
    return DomainSettings(
        enabled=domain.enabled,
        language=wishes.language,
        music_on_hold=wishes.music_on_hold,
        open_notice=wishes.open_notice,
        open_notice_to=wishes.open_notice_to,
        certificate_source=domain.certificate_source,
        recording=DomainRecordingOut(
            policy=recording.policy,
            notice=recording.notice,
            format=recording.format,
            keep_days="forever" if recording.keep_days is None else recording.keep_days,
        ),
    )
