//! What a datagram is, by its first bytes (RFC 7983, RFC 5761, RFC 6189 section 5).

/// The kinds of packet that share one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
    /// STUN (RFC 8489).
    Stun,
    /// DTLS (RFC 6347, RFC 9147).
    Dtls,
    /// ZRTP (RFC 6189).
    Zrtp,
    /// Anything else; nobody wants it.
    Unknown,
}

/// The shortest RTP packet: a fixed header and no payload.
pub const RTP_MIN: usize = 12;
/// The shortest RTCP packet: a receiver report without blocks.
pub const RTCP_MIN: usize = 8;

const ZRTP_COOKIE: &[u8] = b"ZRTP";
const STUN_COOKIE: &[u8] = &[0x21, 0x12, 0xa4, 0x42];

/// Tells the kind of a datagram. Length is checked only as far as the kind's fixed part.
#[inline]
#[must_use]
pub fn classify(datagram: &[u8]) -> Kind {
    match datagram {
        [128..=191, second, ..] if datagram.len() >= RTCP_MIN => {
            if (192..=223).contains(second) {
                Kind::Rtcp
            } else if datagram.len() >= RTP_MIN {
                Kind::Rtp
            } else {
                Kind::Unknown
            }
        }
        [0..=3, ..] if datagram.len() >= 20 && &datagram[4..8] == STUN_COOKIE => Kind::Stun,
        // 0x11 as well as 0x10: fragments of post-quantum ZRTP begin with it. The cookie decides.
        [16..=19, ..] if datagram.len() >= 12 && &datagram[4..8] == ZRTP_COOKIE => Kind::Zrtp,
        [20..=63, ..] if datagram.len() >= 13 => Kind::Dtls,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(start: &[u8], length: usize) -> Vec<u8> {
        let mut bytes = start.to_vec();
        bytes.resize(length, 0);
        bytes
    }

    #[test]
    fn each_kind_is_known_by_its_first_bytes() {
        let stun = datagram(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], 20);
        let zrtp = datagram(b"\x10\x00\x00\x01ZRTP", 12);
        let fragment = datagram(b"\x11\x00\x00\x01ZRTP", 12);
        assert_eq!(classify(&datagram(&[0x80, 0], 172)), Kind::Rtp);
        assert_eq!(classify(&datagram(&[0xb2, 0x80 | 101], 172)), Kind::Rtp);
        assert_eq!(classify(&datagram(&[0x80, 200], 28)), Kind::Rtcp);
        assert_eq!(classify(&datagram(&[0x81, 207], 28)), Kind::Rtcp);
        assert_eq!(classify(&stun), Kind::Stun);
        assert_eq!(classify(&zrtp), Kind::Zrtp);
        assert_eq!(classify(&fragment), Kind::Zrtp);
        assert_eq!(classify(&datagram(&[22, 254, 253], 13)), Kind::Dtls);
    }

    #[test]
    fn what_is_short_or_foreign_is_unknown() {
        assert_eq!(classify(&[]), Kind::Unknown);
        assert_eq!(classify(&[0x80]), Kind::Unknown);
        assert_eq!(classify(&datagram(&[0x80, 0], 11)), Kind::Unknown);
        assert_eq!(classify(&datagram(&[0x80, 200], 7)), Kind::Unknown);
        assert_eq!(
            classify(&datagram(&[0x10], 40)),
            Kind::Unknown,
            "no ZRTP cookie"
        );
        assert_eq!(
            classify(&datagram(&[0, 1], 40)),
            Kind::Unknown,
            "no STUN cookie"
        );
        assert_eq!(classify(&datagram(&[22], 12)), Kind::Unknown);
        assert_eq!(
            classify(&datagram(&[70], 40)),
            Kind::Unknown,
            "TURN channel data"
        );
        assert_eq!(classify(&datagram(&[0xc0], 40)), Kind::Unknown);
    }
}
