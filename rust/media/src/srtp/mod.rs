//! SRTP and SRTCP (RFC 3711) with the suites of RFC 4568, RFC 6188 and RFC 7714 and those of ZRTP (RFC 6189).
//!
//! One [`SrtpSender`] or [`SrtpReceiver`] holds one master key for one direction of one leg. Both work in place in
//! the buffer of the packet. For RTP, key schedules and the hash states of MACs are made once, when the key arrives,
//! and nothing is allocated for a packet of a known stream. RTCP is so rare that only the master key is kept for it, in
//! an eighth of the space, and all else made for each packet.
//!
//! What holds at all times:
//! - A packet that does not authenticate changes nothing: not the roll-over counter, the replay window, the table of
//!   streams, nor the bytes of the packet.
//! - A sender never uses one (SSRC, packet index) twice under its key: it refuses instead.
//! - A receiver accepts each (SSRC, packet index) once. Streams are never forgotten while the key lives, because a
//!   forgotten stream could be replayed from its start; a key admits [`MAX_STREAMS`] of them.
//! - Keys are wiped on drop and `Debug` does not show them.
//!
//! Not supported, and refused in SDP before it comes here: MKI, a key derivation rate other than zero, the
//! UNENCRYPTED and UNAUTHENTICATED session parameters.

mod cipher;
mod gcm;
mod kdf;
mod mac;
mod receiver;
mod sender;
mod streams;
mod suite;
mod transform;
#[cfg(test)]
mod vectors;

pub use receiver::SrtpReceiver;
pub use sender::SrtpSender;
pub use streams::{MAX_STREAMS, REPLAY_WINDOW};
pub use suite::{Suite, ZrtpCipher, ZrtpTag};

/// The most octets that protection adds to an RTP packet: the tailroom to give to [`SrtpSender::protect`].
pub const MAX_RTP_TRAILER: usize = 16;

/// The most octets that protection adds to an RTCP packet: tag, E flag and index.
pub const MAX_RTCP_TRAILER: usize = 20;

/// Why a packet was not protected or not let through. Nothing changed when one of these is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpError {
    /// Key or salt is not of the length the suite asks for, or the suite's name is unknown.
    BadKey,
    /// Not RTP or RTCP, or too short to carry what the suite adds.
    Malformed,
    /// The buffer has no room for the trailer.
    NoRoom,
    /// The tag is wrong: forged, damaged, or made with another key or roll-over counter.
    NotAuthentic,
    /// This packet index was received before.
    Replayed,
    /// The packet index lies before the replay window, so whether it is a replay cannot be told.
    TooOld,
    /// SRTCP without encryption (E flag 0).
    Unencrypted,
    /// Sending it would use an (SSRC, packet index) a second time under this key.
    IndexReused,
    /// The key has protected as many packets as RFC 3711 section 9.2 allows; a new key is needed.
    KeyExhausted,
    /// The key already serves [`MAX_STREAMS`] streams.
    TooManyStreams,
}

impl core::fmt::Display for SrtpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BadKey => "SRTP key or salt does not fit the suite",
            Self::Malformed => "not an RTP or RTCP packet of this suite",
            Self::NoRoom => "no room for the SRTP trailer",
            Self::NotAuthentic => "SRTP authentication failed",
            Self::Replayed => "SRTP packet received before",
            Self::TooOld => "SRTP packet older than the replay window",
            Self::Unencrypted => "SRTCP packet is not encrypted",
            Self::IndexReused => "SRTP packet index was already sent",
            Self::KeyExhausted => "SRTP key lifetime is over",
            Self::TooManyStreams => "too many streams under one SRTP key",
        })
    }
}

impl core::error::Error for SrtpError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every call has two of each, in the suites that phones have, so a large one shows in the memory of a call.
    #[test]
    fn the_keys_of_a_direction_stay_small() {
        for (suite, sender_octets, receiver_octets) in [
            (Suite::AesCm128HmacSha1_80, 368, 400),
            (Suite::AesCm256HmacSha1_80, 432, 464),
            (Suite::AeadAes128Gcm, 464, 496),
            (Suite::AeadAes256Gcm, 528, 560),
        ] {
            let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
            let sender = SrtpSender::new(suite, &key, &salt).unwrap();
            let receiver = SrtpReceiver::new(suite, &key, &salt).unwrap();
            assert_eq!(sender.octets(), sender_octets, "sender, {}", suite.name());
            assert_eq!(
                receiver.octets(),
                receiver_octets,
                "receiver, {}",
                suite.name()
            );
        }
    }
}
