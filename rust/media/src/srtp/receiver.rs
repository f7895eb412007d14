//! Checking and decrypting packets.

use super::kdf::{self, Master};
use super::sender::rtcp_ssrc;
use super::streams::{Stream, Streams, estimate};
use super::transform::{Keyed, Position, rtcp_index};
use super::{SrtpError, Suite};
use crate::rtp::RtpHeader;

/// Length in octets of the SRTCP tags that some phones send with `_32` suites, against RFC 4568.
const SHORT_RTCP_TAG: u8 = 4;

/// A stream first heard with a sequence number below this may have wrapped before we could hear it.
const EARLY_WRAP: u16 = 0x1000;

/// Checks and decrypts the packets of one direction of one leg under one master key.
///
/// Nothing in here changes, and no octet of the packet does, until the packet has been found authentic.
pub struct SrtpReceiver(Box<Keyed<Receiving>>);

/// What changes from packet to packet, and what RTCP needs.
struct Receiving {
    streams: Streams,
    rtcp_streams: Streams,
    /// Session keys of RTCP are derived for each packet, as in [`super::SrtpSender`].
    master: Master,
    rtp_tag_len: u8,
    /// Length of the SRTCP tags the peer has proven to send.
    rtcp_tag_len: Option<u8>,
    /// Streams of the previous key whose roll-over counters may go on.
    continued: Option<Box<Streams>>,
}

impl SrtpReceiver {
    /// Derives the session keys.
    ///
    /// # Errors
    /// [`SrtpError::BadKey`] when key or salt is not as long as the suite asks for.
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let master = Master::new(suite, key, salt)?;
        let state = Receiving {
            streams: Streams::default(),
            rtcp_streams: Streams::default(),
            master: master.clone(),
            rtp_tag_len: suite.rtp_tag_len() as u8,
            rtcp_tag_len: None,
            continued: None,
        };
        Keyed::new(&master, kdf::Stream::Rtp, state).map(Self)
    }

    /// Checks the SRTP packet `buffer[..len]` and decrypts it in place. Returns the length of the RTP packet.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], [`SrtpError::Replayed`], [`SrtpError::TooOld`], [`SrtpError::NotAuthentic`],
    /// [`SrtpError::KeyExhausted`], [`SrtpError::TooManyStreams`].
    #[inline]
    pub fn unprotect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get_mut(..len).ok_or(SrtpError::Malformed)?;
        let header = RtpHeader::parse(packet).map_err(|_| SrtpError::Malformed)?;
        let Keyed { state, transform } = &mut *self.0;
        let tag_len = usize::from(state.rtp_tag_len);
        let header_len = usize::from(header.header_len);
        if packet.len() < header_len + tag_len {
            return Err(SrtpError::Malformed);
        }
        let Some(mut stream) = state.streams.get(header.ssrc) else {
            return self.unprotect_first(&header, packet);
        };
        let index = stream.estimate(header.sequence)?;
        stream.check(index)?;
        let at = Position {
            ssrc: header.ssrc,
            index,
        };
        let opened = transform.open_rtp(at, header_len, packet, tag_len)?;
        stream.mark(index);
        state.streams.put(stream);
        Ok(opened)
    }

    /// The first packet of a stream: its roll-over counter is zero, or goes on from the previous key's, or is one
    /// when the start was not heard.
    #[cold]
    fn unprotect_first(
        &mut self,
        header: &RtpHeader,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let Keyed { state, transform } = &mut *self.0;
        state.streams.check_room()?;
        let sequence = u64::from(header.sequence);
        let before = state
            .continued
            .as_ref()
            .and_then(|streams| streams.get(header.ssrc));
        let candidates = [
            before.and_then(|stream| estimate(stream.highest(), header.sequence).ok()),
            Some(sequence),
            (header.sequence < EARLY_WRAP).then_some(sequence | 1 << 16),
        ];
        let (header_len, tag_len) = (header.header_len.into(), state.rtp_tag_len.into());
        for (place, index) in candidates.into_iter().enumerate() {
            let Some(index) = index.filter(|index| !candidates[..place].contains(&Some(*index)))
            else {
                continue;
            };
            let at = Position {
                ssrc: header.ssrc,
                index,
            };
            if let Ok(opened) = transform.open_rtp(at, header_len, packet, tag_len) {
                state.streams.put(Stream::first(header.ssrc, index));
                return Ok(opened);
            }
        }
        Err(SrtpError::NotAuthentic)
    }

    /// Checks the SRTCP packet `buffer[..len]` and decrypts it in place. Returns the length of the RTCP packet.
    ///
    /// With 32-bit HMAC tags on RTP, those on RTCP may have 80 bits, as the RFC has it, or 32, until the peer has
    /// shown which it sends. From then on a peer that sent 80 is not believed with 32; one that sent 32 may still
    /// turn to 80. Until the first authentic packet, and with a peer that sends 32 bits, a forged one passes once in
    /// 2^32 trials, as a forged RTP packet does with such a suite.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], [`SrtpError::Unencrypted`], [`SrtpError::Replayed`], [`SrtpError::TooOld`],
    /// [`SrtpError::NotAuthentic`], [`SrtpError::TooManyStreams`].
    pub fn unprotect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get_mut(..len).ok_or(SrtpError::Malformed)?;
        let ssrc = rtcp_ssrc(packet)?;
        let state = &mut self.0.state;
        let suite = state.master.suite();
        let full = suite.rtcp_tag_len() as u8;
        let (likely, other) = match state.rtcp_tag_len {
            _ if !suite.may_shorten_rtcp_tag() => (full, None),
            None => (full, Some(SHORT_RTCP_TAG)),
            Some(SHORT_RTCP_TAG) => (SHORT_RTCP_TAG, Some(full)),
            Some(_) => (full, None),
        };
        let result = state.unprotect_rtcp(ssrc, packet, usize::from(likely));
        let (opened, tag_len) = match (result, other) {
            (Ok(opened), _) => (opened, likely),
            (Err(error), None) => return Err(error),
            (Err(error), Some(other)) => {
                let opened = state
                    .unprotect_rtcp(ssrc, packet, usize::from(other))
                    .map_err(|_| error)?;
                (opened, other)
            }
        };
        state.rtcp_tag_len = Some(tag_len);
        Ok(opened)
    }

    /// The suite this receiver was made for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.0.state.master.suite()
    }

    /// Whether this receiver has that master key: keep it then, since a new one would accept replays.
    #[must_use]
    pub fn has_key(&self, suite: Suite, key: &[u8], salt: &[u8]) -> bool {
        self.0.state.master.is(suite, key, salt)
    }

    /// Under a new key, tries the roll-over counters of `previous`'s streams first (RFC 3711 section 3.3.1 lets
    /// them go on) and then zero, where many phones restart.
    pub fn continue_from(&mut self, previous: &Self) {
        let (heard, before) = (&previous.0.state.streams, &previous.0.state.continued);
        self.0.state.continued = if heard.is_empty() {
            before.clone() // no packet came under that key: what holds is what went before it
        } else {
            Some(Box::new(heard.clone()))
        };
    }

    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// The roll-over counter of a stream, once it was heard.
    #[must_use]
    pub fn roll_over_counter(&self, ssrc: u32) -> Option<u32> {
        let streams = &self.0.state.streams;
        streams
            .get(ssrc)
            .map(|stream| (stream.highest() >> 16) as u32)
    }

    /// Length in octets of the SRTCP tags the peer has proven to send.
    pub(super) fn rtcp_tag_len_seen(&self) -> Option<u8> {
        self.0.state.rtcp_tag_len
    }
}

impl Receiving {
    fn unprotect_rtcp(
        &mut self,
        ssrc: u32,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError> {
        let streams = &mut self.rtcp_streams;
        let index = rtcp_index(self.master.suite(), packet, tag_len)?;
        let stream = match streams.get(ssrc) {
            Some(mut stream) => {
                stream.check(index)?;
                stream.mark(index);
                stream
            }
            None => {
                streams.check_room()?;
                Stream::first(ssrc, index)
            }
        };
        let rtcp = Keyed::new(&self.master, kdf::Stream::Rtcp, ())?;
        let opened = rtcp
            .transform
            .open_rtcp(Position { ssrc, index }, packet, tag_len)?;
        streams.put(stream);
        Ok(opened)
    }
}

impl core::fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SrtpReceiver")
            .field("suite", &self.suite())
            .finish_non_exhaustive()
    }
}
