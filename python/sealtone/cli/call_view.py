"""How a call is drawn: both legs, and its state as icon and word, never as colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sealtone.admin.call_facts import call_row as call_row
from sealtone.cli.output import duration, moment, printable
from sealtone.model import CallState

_STYLES: dict[CallState, str] = {
    CallState.OPEN: "yellow",
    CallState.PROTECTED_TO_SERVER: "green",
    CallState.PROTECTED_CHECKED: "green",
    CallState.END_TO_END: "bright_green",
}


def state_text(state: str) -> Text:
    """Icon and word, and a colour that adds nothing to them."""
    known = CallState(state)
    return Text(f"{known.icon} {known.words}", _STYLES[known])


def call_lines(row: Mapping[str, Any], now_wall: float) -> Text:
    """A call in two or three short lines that fit a narrow terminal; a live one has no end."""
    ended_at = row.get("ended_at")
    answered_at = row["answered_at"]
    text = Text(f"{moment(row['started_at'])}  ", "dim")
    text.append(printable(row["drawn"]), "bold")
    text.append("\n  ")
    text.append_text(state_text(row["state"]))
    if answered_at is not None:
        text.append(f" · {duration((ended_at or now_wall) - answered_at)}")
    if ended_at is None:
        text.append(f" · {row.get('stage', 'live')}", "cyan")
    else:
        text.append(f" · {printable(row['reason'])}" if row["reason"] else f" · {row['status']}")
    heard = [leg["mos_tx"] for leg in row["legs"] if leg.get("mos_tx")]
    if heard:
        text.append(f" · MOS {min(heard):.1f}")
    notes = {printable(leg["note"]) for leg in row["legs"] if leg.get("note")}
    for leg in row["legs"]:
        facts = leg.get("zrtp") or {}
        if facts.get("sas") and ended_at is None:
            compared = "compared" if leg.get("sas_verified") else "compare it with the phone's"
            text.append(f"\n  SAS of {printable(leg['aor'])}: ", "dim").append(facts["sas"], "bold")
            text.append(f" ({compared})", "dim")
        notes |= {printable(warning) for warning in facts.get("warnings", ())}
    if row.get("announced"):
        notes.add(printable(row["announced"]))
    for note in sorted(notes):
        text.append(f"\n  {note}", "dim")
    if row.get("recording_note"):
        ids = " ".join(row.get("recordings", ()))
        text.append(f"\n  {printable(row['recording_note'])}{f' ({ids})' if ids else ''}", "dim")
    return text


def call_details(row: Mapping[str, Any], now_wall: float) -> RenderableType:
    """Everything about one call, each leg as a short table of its own."""
    parts: list[RenderableType] = [call_lines(row, now_wall), Text(f"  id {row['id']}", "dim")]
    for leg in row["legs"]:
        parts.append(_leg_table(leg))
    return Group(*parts)


def _leg_table(leg: Mapping[str, Any]) -> Table:
    lost = "" if leg.get("chosen", True) else " (not chosen)"
    table = Table(title=f"{leg['role']} {printable(leg['aor'])}{lost}", title_justify="left", show_header=False)
    signalling = " ".join(filter(None, (leg["transport"].upper(), leg["tls_version"], leg["tls_cipher"])))
    suites = dict.fromkeys(filter(None, (leg["suite_rx"], leg["suite_tx"])))
    rows = (
        ("Signalling", " ".join(filter(None, (signalling, leg.get("signalling", ""))))),
        ("Media", _media_words(leg, " / ".join(suites))),
        *_zrtp_rows(leg),
        ("Codec", _codec_words(leg)),
        ("Quality", _quality_words(leg)),
        ("Packets", f"{leg['packets_rx']} received, {leg['packets_tx']} sent, {leg['lost']} lost"),
        ("Jitter", _milliseconds(leg["jitter_ms"])),
        ("The phone reports", _reported_words(leg)),
        ("Round trip", _milliseconds(leg["rtt_ms"])),
        ("Media address", leg.get("media", "")),
        ("Phone", leg.get("user_agent", "")),
        ("Call-ID", leg.get("sip_call_id", "")),
    )
    for name, value in rows:
        if value:
            table.add_row(name, Text(printable(value), overflow="fold"))
    return table


def _media_words(leg: Mapping[str, Any], suites: str) -> str:
    if leg["protection"] == "none":
        return "not encrypted"
    if leg.get("media_path") == "sealed":
        return "ZRTP seen passing through: the keys are with the two phones alone"
    if leg.get("media_path") == "direct":
        return "direct from phone to phone: both announced ZRTP, the server sees none of it"
    return f"{leg['protection'].upper()} {suites}"


def _zrtp_rows(leg: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = leg.get("zrtp")
    if not facts:
        return []
    rows = [
        ("ZRTP", " ".join(filter(None, (str(facts["stage"]), facts["key_agreement"], facts["hash"])))),
        ("Cipher, tag", " ".join(filter(None, (facts["cipher"], facts["auth_tag"])))),
    ]
    if facts["sas"]:
        compared = "compared with the phone's" if leg.get("sas_verified") else "not compared yet"
        rows.append(("SAS", f"{facts['sas']} ({compared})"))
        rows.append(("Known from before", facts["cache"]))
        trust = "yes, and was told the other leg's SAS" if facts["sas_relayed"] else "yes"
        rows.append(("Enrolled", trust if facts["enrolled"] else "no"))
    announced = {True: "as announced", False: "NOT as announced", None: "not announced"}[facts["hello_hash_matched"]]
    rows.append(("Its Hello", " ".join(filter(None, (facts["client"], f"({announced})" if facts["client"] else "")))))
    rows.extend(("Warning", warning) for warning in facts["warnings"])
    return rows


def _codec_words(leg: Mapping[str, Any]) -> str:
    codec, sent = leg["codec"], leg.get("codec_tx", "")
    if not codec:
        return ""
    both = codec if sent in ("", codec) else f"{codec} from the phone, {sent} to it"
    packets = f"{leg['ptime_ms']} ms" if leg.get("ptime_ms") else ""
    return ", ".join(filter(None, (both, packets, "transcoded" if leg.get("transcoded") else "")))


def _quality_words(leg: Mapping[str, Any]) -> str:
    """The estimated MOS each way (see docs/codecs.md)."""
    sent, heard = leg.get("mos_rx"), leg.get("mos_tx")
    parts = [f"{value:.1f} {what}" for value, what in ((sent, "from the phone"), (heard, "to the phone")) if value]
    return f"MOS {', '.join(parts)}" if parts else ""


def _reported_words(leg: Mapping[str, Any]) -> str:
    if leg.get("reported_lost") is None:
        return ""
    return f"{leg['reported_lost']} lost, jitter {_milliseconds(leg.get('reported_jitter_ms') or 0.0)}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"
