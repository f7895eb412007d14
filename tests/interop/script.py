"""SIPp scenarios written in Python, for calls whose files would repeat each other: one side of a call, step by step.

The fields are those of `Sipp.start`: user, header with credentials, domain, number called. The caller's steps name its
dialog by SIPp's own means; the callee's by what `rings` has kept of the INVITE.
"""

from __future__ import annotations

import re

_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch{}];rport"
_CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>"
_CALLER = ("From: <sip:[field0]@[field2]>;tag=[pid]f[call_number]", "To: <sip:[field3]@[field2]>[peer_tag_param]")
_CALLEE = ("From: [$to];tag=[pid]t[call_number]", "To: [$from]")
_KEPT = {"via": "Via:", "from": "From:", "to": "To:", "seq": "CSeq:"}


def scenario(*steps: str) -> str:
    """The whole scenario as XML."""
    body = "\n".join(steps)
    used = sorted(set(re.findall('assign_to="([a-z_]+)"', body)))
    reference = f'<Reference variables="{",".join(used)}"/>' if used else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="written in Python">\n{body}\n{reference}\n</scenario>\n'


def description(direction: str = "sendrecv", version: int = 1) -> tuple[str, ...]:
    return (
        "v=0", f"o=- 1 {version} IN IP[local_ip_type] [local_ip]", "s=-", "c=IN IP[media_ip_type] [media_ip]", "t=0 0",
        "m=audio [media_port] RTP/AVP 0", "a=rtpmap:0 PCMU/8000", f"a={direction}",
    )  # fmt: skip


def _sent(start: str, headers: tuple[str, ...], sdp: tuple[str, ...], repeats: bool) -> str:
    lines = [start, *headers]
    if sdp:
        lines += ["Content-Type: application/sdp", "Content-Length: [len]", "", *sdp]
    else:
        lines += ["Content-Length: 0", ""]
    repeated = ' retrans="500"' if repeats else ""
    return f"<send{repeated}><![CDATA[\n" + "\n".join(lines) + "\n\n]]></send>"


def calls(*headers: str) -> str:
    """The caller's INVITE."""
    return _sent(
        "INVITE sip:[field3]@[field2] SIP/2.0",
        (_VIA.format(""), _CALLER[0], "To: <sip:[field3]@[field2]>", "Call-ID: [call_id]", "CSeq: 1 INVITE",
         "Max-Forwards: 70", _CONTACT, "[field1]", *headers),
        description(),
        repeats=True,
    )  # fmt: skip


def asks(method: str, seq: int, *headers: str, sdp: tuple[str, ...] = (), callee: bool = False) -> str:
    """A request within the dialog."""
    return _sent(
        f"{method} [next_url] SIP/2.0",
        (_VIA.format(""), "[routes]", *(_CALLEE if callee else _CALLER), "Call-ID: [call_id]", f"CSeq: {seq} {method}",
         "Max-Forwards: 70", _CONTACT, *headers),
        sdp,
        repeats=method != "ACK",
    )  # fmt: skip


def acknowledges_refusal(seq: int, *, callee: bool = False) -> str:
    """The ACK of a refusal, in the branch of the INVITE sent just before it was received."""
    names = _CALLEE if callee else _CALLER
    return _sent(
        "ACK [next_url] SIP/2.0",
        (_VIA.format("-2"), "[routes]", *names, "Call-ID: [call_id]", f"CSeq: {seq} ACK", "Max-Forwards: 70"),
        (),
        repeats=False,
    )


def hears(status: int, *, wants: str = "", first: bool = False) -> str:
    """A final response; `wants` is a regular expression that it has to hold."""
    rrs = ' rrs="true"' if first else ""
    provisional = "".join(f'<recv response="{each}" optional="true"/>\n' for each in (100, 180, 183))
    return f'{provisional}<recv response="{status}"{rrs}>{_holding(wants)}</recv>'


def gets(method: str, *, wants: str = "", keep: str = "", within_s: float = 0, first: bool = False) -> str:
    """A request of the server. `keep` "again_": its Via and CSeq are kept, for `refuses_kept`."""
    limit = f' timeout="{int(within_s * 1000)}"' if within_s else ""
    kept = {f"{keep}{name}": header for name, header in _KEPT.items() if keep or first}
    if keep:
        kept = {name: header for name, header in kept.items() if name.endswith(("via", "seq"))}
    actions = "".join(
        f'<ereg regexp="[^ ].*" search_in="hdr" header="{header}" check_it="true" assign_to="{name}"/>'
        for name, header in kept.items()
    )
    rrs = ' rrs="true"' if first else ""
    return f'<recv request="{method}"{limit}{rrs} crlf="true">{_holding(wants, actions)}</recv>'


def _holding(wants: str, actions: str = "") -> str:
    if wants:
        actions += f'<ereg regexp="{wants}" search_in="msg" check_it="true" assign_to="seen"/>'
    return f"<action>{actions}</action>" if actions else ""


def answers(status: str, *headers: str, sdp: tuple[str, ...] = (), tagged: bool = False) -> str:
    """The response to the request received last; `tagged`: with our tag, as the first responses need it."""
    to = "[last_To:];tag=[pid]t[call_number]" if tagged else "[last_To:]"
    return _sent(
        f"SIP/2.0 {status}",
        ("[last_Via:]", "[last_From:]", to, "[last_Call-ID:]", "[last_CSeq:]", _CONTACT, *headers),
        sdp,
        repeats=bool(sdp),
    )


def refuses_kept(status: str, *, callee: bool = False) -> str:
    """The refusal of the re-INVITE that `gets(keep="again_")` kept."""
    names = (
        ("From: [$from]", "To: [$to];tag=[pid]t[call_number]")
        if callee
        else ("From: <sip:[field3]@[field2]>[peer_tag_param]", "To: <sip:[field0]@[field2]>;tag=[pid]f[call_number]")
    )
    headers = ("Via: [$again_via]", *names, "Call-ID: [call_id]", "CSeq: [$again_seq]")
    return _sent(f"SIP/2.0 {status}", headers, (), repeats=False)


def waits(seconds: float) -> str:
    return f'<pause milliseconds="{int(seconds * 1000)}"/>'


def rings(*headers: str) -> tuple[str, ...]:
    """The callee's first steps, up to the 180. `headers` are regular expressions that the INVITE has to hold."""
    return (gets("INVITE", first=True, wants=headers[0] if headers else ""), answers("180 Ringing", tagged=True))


def hangs_up(seq: int, *, callee: bool = False) -> tuple[str, ...]:
    return (asks("BYE", seq, callee=callee), hears(200))
