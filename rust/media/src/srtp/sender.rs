//! Protecting packets.

use super::kdf::{self, Master};
use super::streams::{Stream, Streams, estimate};
use super::transform::{Keyed, Position, RTCP_CLEAR};
use super::{SrtpError, SrtpReceiver, Suite};
use crate::rtp::RtpHeader;

/// RTP packets that one key may protect (RFC 3711 section 9.2).
const MAX_RTP_PACKETS: u64 = 1 << 48;

/// SRTCP indices that one key has (RFC 3711 section 9.2).
const MAX_RTCP_PACKETS: u32 = 1 << 31;

/// Protects the packets of one direction of one leg under one master key.
///
/// RTP sequence numbers may come out of order, and the roll-over counter follows them, but a number that was sent
/// before is refused: what leaves under one key never uses an (SSRC, index) twice. SRTCP indices are counted here,
/// over all SSRCs.
pub struct SrtpSender(Box<Keyed<Sending>>);

/// What changes from packet to packet, and what RTCP needs.
struct Sending {
    streams: Streams,
    packets: u64,
    /// Session keys of RTCP are derived for each packet: they are few.
    master: Master,
    rtp_tag_len: u8,
    rtcp_tag_len: u8,
    rtcp_next: u32,
    /// Streams of the previous key whose roll-over counters go on.
    continued: Option<Box<Streams>>,
}

impl SrtpSender {
    /// Derives the session keys.
    ///
    /// # Errors
    /// [`SrtpError::BadKey`] when key or salt is not as long as the suite asks for.
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let master = Master::new(suite, key, salt)?;
        let state = Sending {
            streams: Streams::default(),
            packets: 0,
            master: master.clone(),
            rtp_tag_len: suite.rtp_tag_len() as u8,
            rtcp_tag_len: suite.rtcp_tag_len() as u8,
            rtcp_next: 0,
            continued: None,
        };
        Keyed::new(&master, kdf::Stream::Rtp, state).map(Self)
    }

    /// Protects the RTP packet `buffer[..len]` in place. Give [`super::MAX_RTP_TRAILER`] octets of tailroom.
    /// Returns the length of the SRTP packet.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], [`SrtpError::NoRoom`], [`SrtpError::IndexReused`] (sent before, or more than
    /// [`super::REPLAY_WINDOW`] behind), [`SrtpError::KeyExhausted`], [`SrtpError::TooManyStreams`]; the buffer is as
    /// it was.
    #[inline]
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..len).ok_or(SrtpError::Malformed)?;
        let header = RtpHeader::parse(packet).map_err(|_| SrtpError::Malformed)?;
        let Keyed { state, transform } = &mut *self.0;
        let tag_len = usize::from(state.rtp_tag_len);
        if buffer.len() - len < tag_len {
            return Err(SrtpError::NoRoom);
        }
        if state.packets >= MAX_RTP_PACKETS {
            return Err(SrtpError::KeyExhausted);
        }
        let (stream, index) = match state.streams.get(header.ssrc) {
            Some(mut stream) => {
                let index = stream.estimate(header.sequence).map_err(reused)?;
                stream.check(index).map_err(reused)?;
                stream.mark(index);
                (stream, index)
            }
            None => state.first_index(&header)?,
        };
        let at = Position {
            ssrc: header.ssrc,
            index,
        };
        let protected =
            transform.seal_rtp(at, usize::from(header.header_len), buffer, len, tag_len);
        state.streams.put(stream);
        state.packets += 1;
        Ok(protected)
    }

    /// Protects the compound RTCP packet `buffer[..len]` in place. Give [`super::MAX_RTCP_TRAILER`] octets of
    /// tailroom. Returns the length of the SRTCP packet.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], [`SrtpError::NoRoom`], [`SrtpError::KeyExhausted`]; the buffer is as it was.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..len).ok_or(SrtpError::Malformed)?;
        let ssrc = rtcp_ssrc(packet)?;
        let state = &mut self.0.state;
        let tag_len = usize::from(state.rtcp_tag_len);
        if buffer.len() - len < 4 + tag_len {
            return Err(SrtpError::NoRoom);
        }
        if state.rtcp_next >= MAX_RTCP_PACKETS {
            return Err(SrtpError::KeyExhausted);
        }
        let at = Position {
            ssrc,
            index: u64::from(state.rtcp_next),
        };
        let rtcp = Keyed::new(&state.master, kdf::Stream::Rtcp, ())?;
        let protected = rtcp.transform.seal_rtcp(at, buffer, len, tag_len);
        state.rtcp_next += 1;
        Ok(protected)
    }

    /// The suite this sender was made for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.0.state.master.suite()
    }

    /// Whether this sender has that master key: keying it anew would then repeat indices, so keep it instead.
    #[must_use]
    pub fn has_key(&self, suite: Suite, key: &[u8], salt: &[u8]) -> bool {
        self.0.state.master.is(suite, key, salt)
    }

    /// Lets the roll-over counters of `previous`'s streams go on under this new key, as RFC 3711 section 3.3.1 asks
    /// after a change of master keys. Without it each stream starts at zero, as it does after a fresh negotiation
    /// with most phones; a stream with a new SSRC is understood by both kinds.
    pub fn continue_from(&mut self, previous: &Self) {
        self.0.state.continued = Some(Box::new(previous.0.state.streams.clone()));
    }

    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// The roll-over counter of a stream, once it has sent.
    #[must_use]
    pub fn roll_over_counter(&self, ssrc: u32) -> Option<u32> {
        let streams = &self.0.state.streams;
        streams
            .get(ssrc)
            .map(|stream| (stream.highest() >> 16) as u32)
    }

    /// With a `_32` suite, sends SRTCP tags as long as those that came from the peer; by RFC 4568 they have 80 bits
    /// all the same, but several phones send, and expect, 32.
    pub fn match_rtcp_tags(&mut self, peer: &SrtpReceiver) {
        if let Some(tag_len) = peer.rtcp_tag_len_seen()
            && self.suite().may_shorten_rtcp_tag()
        {
            self.0.state.rtcp_tag_len = tag_len;
        }
    }
}

impl Sending {
    #[cold]
    fn first_index(&self, header: &RtpHeader) -> Result<(Stream, u64), SrtpError> {
        self.streams.check_room()?;
        let before = self
            .continued
            .as_ref()
            .and_then(|streams| streams.get(header.ssrc));
        let index = match before {
            Some(before) => estimate(before.highest(), header.sequence).map_err(reused)?,
            None => u64::from(header.sequence),
        };
        Ok((Stream::first(header.ssrc, index), index))
    }
}

impl core::fmt::Debug for SrtpSender {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SrtpSender")
            .field("suite", &self.suite())
            .field("packets", &self.0.state.packets)
            .field("rtcp_next", &self.0.state.rtcp_next)
            .finish_non_exhaustive()
    }
}

/// An index that cannot be used any more is, for a sender, one that was used.
fn reused(error: SrtpError) -> SrtpError {
    match error {
        SrtpError::KeyExhausted => SrtpError::KeyExhausted,
        _ => SrtpError::IndexReused,
    }
}

/// The SSRC of the first packet in a compound.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    match packet.first_chunk::<RTCP_CLEAR>() {
        Some(head) if head[0] >> 6 == 2 => {
            Ok(u32::from_be_bytes([head[4], head[5], head[6], head[7]]))
        }
        _ => Err(SrtpError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(suite: Suite) -> SrtpSender {
        SrtpSender::new(suite, &vec![1; suite.key_len()], &vec![2; suite.salt_len()]).unwrap()
    }

    #[test]
    fn a_key_ends_with_its_last_rtcp_index() {
        let mut sender = sender(Suite::AesCm128HmacSha1_80);
        sender.0.state.rtcp_next = MAX_RTCP_PACKETS - 1;
        let mut packet = [0; 28];
        packet[..2].copy_from_slice(&[0x80, 201]);
        assert_eq!(sender.protect_rtcp(&mut packet, 8), Ok(22));
        assert_eq!(packet[8..12], [0xff; 4]);
        packet[0] = 0x80;
        let before = packet;
        assert_eq!(
            sender.protect_rtcp(&mut packet, 8),
            Err(SrtpError::KeyExhausted)
        );
        assert_eq!(packet, before);
    }

    #[test]
    fn a_key_ends_with_its_last_rtp_packet() {
        let mut sender = sender(Suite::AeadAes128Gcm);
        sender.0.state.packets = MAX_RTP_PACKETS;
        let mut packet = [0; 40];
        packet[0] = 0x80;
        assert_eq!(
            sender.protect(&mut packet, 20),
            Err(SrtpError::KeyExhausted)
        );
    }

    #[test]
    fn a_stream_ends_with_the_last_roll_over_counter() {
        let mut sender = sender(Suite::AesCm256HmacSha1_80);
        let mut packet = [0; 40];
        packet[0] = 0x80;
        sender.0.state.streams.put(Stream::first(0, (1 << 48) - 2));
        packet[2..4].copy_from_slice(&0xffff_u16.to_be_bytes());
        assert_eq!(sender.protect(&mut packet, 20), Ok(30));
        packet[2..4].copy_from_slice(&0_u16.to_be_bytes());
        assert_eq!(
            sender.protect(&mut packet, 20),
            Err(SrtpError::KeyExhausted)
        );
    }
}
