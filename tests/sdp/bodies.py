"""Session descriptions as real phones write them, for the tests of this folder."""

import base64

KEY = base64.b64encode(bytes(range(1, 31))).decode()
KEY_46 = base64.b64encode(bytes(range(1, 47))).decode()


def lines(*values: str, end: str = "\r\n") -> bytes:
    return "".join(value + end for value in values).encode()


def offer(*section: str, session: tuple[str, ...] = ("c=IN IP4 192.0.2.7",), end: str = "\r\n") -> bytes:
    """A description with these session lines, then these section lines."""
    return lines("v=0", "o=- 1 1 IN IP4 192.0.2.7", "s=-", *session, "t=0 0", *section, end=end)


LINPHONE = lines(
    "v=0",
    "o=1000 3456 1234 IN IP4 192.0.2.20",
    "s=Talk",
    "c=IN IP4 192.0.2.20",
    "t=0 0",
    "a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics",
    "a=record:off",
    "m=audio 7078 RTP/SAVP 96 97 98 0 8 18 101 99 100",
    "a=rtpmap:96 opus/48000/2",
    "a=fmtp:96 useinbandfec=1",
    "a=rtpmap:97 speex/16000",
    "a=fmtp:97 vbr=on",
    "a=rtpmap:98 speex/8000",
    "a=fmtp:98 vbr=on",
    "a=fmtp:18 annexb=yes",
    "a=rtpmap:101 telephone-event/48000",
    "a=rtpmap:99 telephone-event/16000",
    "a=rtpmap:100 telephone-event/8000",
    "a=rtcp:7079",
    "a=rtcp-fb:* trr-int 5000",
    "a=rtcp-fb:* ccm tmmbr",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
    f"a=crypto:2 AES_CM_256_HMAC_SHA1_80 inline:{KEY_46}",
    f"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTCP",
    "m=video 9078 RTP/SAVP 96",
    "a=rtpmap:96 VP8/90000",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
)

BROWSER_LIKE = offer(
    "m=audio 9 RTP/AVPF 111 0",
    "c=IN IP4 0.0.0.0",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtcp-fb:111 transport-cc",
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=ice-ufrag:LeAk",
    "a=ice-pwd:LeAkLeAkLeAk",
    "a=candidate:1 1 udp 2113937151 198.51.100.77 54400 typ host",
    "a=fingerprint:sha-256 AA:BB",
    "a=ssrc:1001 cname:LeAk",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=rtcp-mux",
    "b=AS:64",
    session=(),
)
