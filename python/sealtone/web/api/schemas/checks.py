"""What the check page shows, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sealtone.admin.codec_overlap import CodecOverlap
from sealtone.admin.phone_signs import Alg, Nat, PhoneSigns
from sealtone.web.api.schemas.base import Form, Shown, example
from sealtone.web.api.schemas.certificates import CERTIFICATE, CertificateOut, certificate_out
from sealtone.web.checked import Checked

_DOMAIN = {
    "name": "office.example",
    "status": "verified",
    "dns": "ok",
    "certificate": CERTIFICATE,
    "certificate_days_left": 65,
    "certificate_error": "",
}
_PHONE = {
    "aor": "1000@office.example",
    "user_agent": "Linphone/5.2",
    "transport": "tls",
    "says": "192.168.1.7:5061",
    "seen": "198.51.100.4:40122",
    "nat": "unknown",
    "sip_alg": "impossible",
}


class DomainChecked(Shown):
    """A domain: whether phones can find it and trust it."""

    name: str
    status: Literal["verified", "pending", "failed"]
    dns: Literal["ok", "needs-care", "not-checked"] = Field(description="By the last check of its DNS records.")
    certificate: CertificateOut | None
    certificate_days_left: int | None = Field(description="Negative once it has ended.")
    certificate_error: str = Field(description="Why it was not renewed; empty: nothing failed.")


class PhoneChecked(Shown):
    """A registered phone, and what its registration tells of the routers before it."""

    aor: str
    user_agent: str
    transport: str
    says: str = Field(description="Where it says that it is; empty where that is no address.")
    seen: str
    nat: Nat
    sip_alg: Alg


class PortChecked(Shown):
    """A port for TLS, asked from the server itself."""

    host: str
    port: int
    state: Literal["ok", "refused", "silent", "no-tls"]
    tls_version: str


class DiskChecked(Shown):
    """Room where the data is, in octets."""

    free: int
    total: int
    is_little: bool


class ChecksOut(Shown):
    """What can be seen from the server."""

    model_config = example(
        {
            "running": True,
            "domains": [_DOMAIN],
            "domains_left_out": 0,
            "phones": [_PHONE],
            "ports": [{"host": "198.51.100.1", "port": 5061, "state": "ok", "tls_version": "TLSv1.3"}],
            "codecs_missing": {"gsm": "libgsm.so.1 is not installed"},
            "disk": None,
        }
    )

    running: bool = Field(description="Whether the SIP server answers.")
    domains: list[DomainChecked] = Field(description="At most 30.")
    domains_left_out: int
    phones: list[PhoneChecked] = Field(description="At most 200, newest first.")
    ports: list[PortChecked] = Field(description="Empty where they were not asked.")
    codecs_missing: dict[str, str] = Field(description="Codecs that cannot be converted on this machine, and why.")
    disk: DiskChecked | None = Field(description="For whoever operates the service; null for others.")


class OverlapIn(Form):
    """Two SIP users."""

    model_config = example({"first": "1000@office.example", "second": "1000@office.example"})

    first: str = Field(max_length=400)
    second: str = Field(max_length=400)


class OverlapOut(Shown):
    """Which codecs two SIP users share."""

    model_config = example({"shared": ["opus", "G722"], "outcome": "shared"})

    shared: list[str] = Field(description="In the first one's order.")
    outcome: Literal["shared", "converted", "silent"] = Field(
        description="converted: by the server, which can listen therefore; silent: both want end-to-end calls, where "
        "the server cannot convert."
    )


def checks_out(found: Checked) -> ChecksOut:
    codecs: dict[str, str] = (found.status or {}).get("codecs") or {}
    return ChecksOut(
        running=found.status is not None,
        domains=[
            DomainChecked.model_validate(
                {
                    "name": one.name,
                    "status": one.status,
                    "dns": "not-checked" if one.checked_at is None else "needs-care" if one.needs_care else "ok",
                    "certificate": certificate_out(seen) if seen is not None else None,
                    "certificate_days_left": seen.days if seen is not None else None,
                    "certificate_error": one.certificate_error,
                }
            )
            for one, seen in found.domains
        ],
        domains_left_out=found.more,
        phones=[_phone(one) for one in found.phones],
        ports=[
            PortChecked.model_validate(
                {"host": one.host, "port": one.port, "state": one.state, "tls_version": one.version}
            )
            for one in found.ports
        ],
        codecs_missing={name: why for name, why in codecs.items() if why},
        disk=DiskChecked(free=found.disk.free, total=found.disk.total, is_little=found.disk.is_little)
        if found.disk is not None
        else None,
    )


def overlap_out(overlap: CodecOverlap) -> OverlapOut:
    outcome = "shared" if overlap.shared else "converted" if overlap.converted else "silent"
    return OverlapOut.model_validate({"shared": list(overlap.shared), "outcome": outcome})


def _phone(one: PhoneSigns) -> PhoneChecked:
    return PhoneChecked(
        aor=one.aor,
        user_agent=one.user_agent,
        transport=one.transport,
        says=one.says,
        seen=one.seen,
        nat=one.nat,
        sip_alg=one.alg,
    )
