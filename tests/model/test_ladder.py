"""What is kept of a message holds no secret, whatever the message looks like."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from sealtone.model.ladder import shown_message

_SECRET = st.binary(min_size=16, max_size=46).map(lambda raw: base64.b64encode(b"S3cr3t" + raw).decode().rstrip("="))
_NAMES = st.sampled_from(["Authorization", "authorization", "Proxy-Authorization", "PROXY-AUTHORIZATION"])
_FOLD = st.sampled_from(["", "\r\n ", "\r\n\t"])
_SPACE = st.sampled_from(["", " ", "\t"])


@given(secret=_SECRET, name=_NAMES, fold=_FOLD, space=_SPACE, quoted=st.booleans())
def test_no_proof_of_a_password_is_kept(secret: str, name: str, fold: str, space: str, quoted: bool) -> None:
    proof = f'"{secret}"' if quoted else secret
    head = (
        "INVITE sip:1001@office.example SIP/2.0\r\n"
        f'{name}{space}: Digest username="1000",{fold} realm="office.example",{space}response{space}={space}{proof}\r\n'
        "Call-ID: c1\r\n\r\n"
    )
    text = shown_message(head.encode())
    assert secret not in text
    assert "Call-ID: c1" in text


@given(
    secret=_SECRET,
    line=st.sampled_from(
        [
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}|2^20|1:4",
            "A=CRYPTO:2 AES_256_CM_HMAC_SHA1_80 INLINE: {} UNENCRYPTED_SRTCP",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x|2^20;inline:{}|2^20",
            "k=base64:{}",
            "k=clear:{}",
            "a=key-mgmt:mikey {}",
            "a=ice-pwd:{}",
        ]
    ),
    ending=st.sampled_from(["\r\n", "\n"]),
    kind=st.sampled_from(["application/sdp", "APPLICATION/SDP; charset=utf-8", "text/plain", ""]),
)
def test_no_key_of_a_description_is_kept(secret: str, line: str, ending: str, kind: str) -> None:
    body = ending.join(["v=0", "m=audio 4000 RTP/SAVP 0", line.format(secret), "a=zrtp-hash:1.10 cafe", ""])
    message = f"SIP/2.0 200 OK\r\nContent-Type: {kind}\r\nCall-ID: c1\r\n\r\n{body}"
    text = shown_message(message.encode())
    assert secret not in text
    assert ("a=zrtp-hash:1.10 cafe" in text) is kind.lower().startswith("application/sdp")


@given(text=st.text(min_size=8, max_size=80).filter(lambda text: text.strip() and "octets" not in text))
def test_what_people_write_to_each_other_is_not_kept(text: str) -> None:
    said = f"<<{text}>>"
    for kind in ("text/plain", "application/dtmf-relay", "application/json", "multipart/mixed;boundary=x"):
        message = f"INFO sip:a SIP/2.0\r\nc: {kind}\r\n\r\nSignal={said}".encode("utf-8", "surrogatepass")
        shown = shown_message(message)
        assert "Signal=" not in shown
        assert "are not kept" in shown
