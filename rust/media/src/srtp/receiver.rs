//! Checking and decrypting packets.

use zeroize::Zeroizing;

use super::kdf::{self, Master, SessionKeys};
use super::sender::{rtcp_ssrc, same_master};
use super::streams::{Stream, Streams, estimate};
use super::transform::{Position, Transform, rtcp_index};
use super::{SrtpError, Suite};
use crate::rtp::RtpHeader;

/// Length in octets of the SRTCP tags that some phones send with `_32` suites, against RFC 4568.
const SHORT_RTCP_TAG: u8 = 4;

/// A stream first heard with a sequence number below this may have wrapped before we could hear it.
const EARLY_WRAP: u16 = 0x1000;

/// Checks and decrypts the packets of one direction of one leg under one master key.
///
/// Nothing in here changes, and no octet of the packet does, until the packet has been found authentic.
pub struct SrtpReceiver {
    rtp: Transform,
    streams: Streams,
    suite: Suite,
    rtp_tag_len: u8,
    /// Length of the SRTCP tags the peer has proven to send.
    rtcp_tag_len: Option<u8>,
    rtcp: RtcpReceiver,
    /// Streams of the previous key whose roll-over counters may go on.
    continued: Vec<Stream>,
    fingerprint: Zeroizing<[u8; 16]>,
}

struct RtcpReceiver {
    suite: Suite,
    /// Set up anew for each RTCP packet, as in [`super::SrtpSender`].
    keys: SessionKeys,
    streams: Streams,
}

impl SrtpReceiver {
    /// Derives the session keys.
    ///
    /// # Errors
    /// [`SrtpError::BadKey`] when key or salt is not as long as the suite asks for.
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let master = Master::new(suite, key, salt)?;
        Ok(Self {
            rtp: Transform::new(suite, &master.session_keys(kdf::Stream::Rtp))?,
            rtp_tag_len: suite.rtp_tag_len() as u8,
            rtcp: RtcpReceiver {
                suite,
                keys: master.session_keys(kdf::Stream::Rtcp),
                streams: Streams::default(),
            },
            streams: Streams::default(),
            suite,
            rtcp_tag_len: None,
            continued: Vec::new(),
            fingerprint: master.fingerprint(),
        })
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
        let tag_len = usize::from(self.rtp_tag_len);
        let header_len = usize::from(header.header_len);
        if packet.len() < header_len + tag_len {
            return Err(SrtpError::Malformed);
        }
        let Some(mut stream) = self.streams.get(header.ssrc) else {
            return self.unprotect_first(&header, packet);
        };
        let index = stream.estimate(header.sequence)?;
        stream.check(index)?;
        let at = Position {
            ssrc: header.ssrc,
            index,
        };
        let opened = self.rtp.open_rtp(at, header_len, packet, tag_len)?;
        stream.mark(index);
        self.streams.put(stream);
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
        self.streams.check_room()?;
        let sequence = u64::from(header.sequence);
        let before = self
            .continued
            .iter()
            .find(|stream| stream.ssrc() == header.ssrc);
        let candidates = [
            before.and_then(|stream| estimate(stream.highest(), header.sequence).ok()),
            Some(sequence),
            (header.sequence < EARLY_WRAP).then_some(sequence | 1 << 16),
        ];
        let header_len = usize::from(header.header_len);
        for (place, index) in candidates.into_iter().enumerate() {
            let Some(index) = index.filter(|index| !candidates[..place].contains(&Some(*index)))
            else {
                continue;
            };
            let at = Position {
                ssrc: header.ssrc,
                index,
            };
            if let Ok(opened) =
                self.rtp
                    .open_rtp(at, header_len, packet, usize::from(self.rtp_tag_len))
            {
                self.streams.put(Stream::first(header.ssrc, index));
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
        let full = self.suite.rtcp_tag_len() as u8;
        let (likely, other) = match self.rtcp_tag_len {
            _ if !self.suite.may_shorten_rtcp_tag() => (full, None),
            None => (full, Some(SHORT_RTCP_TAG)),
            Some(SHORT_RTCP_TAG) => (SHORT_RTCP_TAG, Some(full)),
            Some(_) => (full, None),
        };
        let result = self.rtcp.unprotect(ssrc, packet, usize::from(likely));
        let (opened, tag_len) = match (result, other) {
            (Ok(opened), _) => (opened, likely),
            (Err(error), None) => return Err(error),
            (Err(error), Some(other)) => {
                let opened = self
                    .rtcp
                    .unprotect(ssrc, packet, usize::from(other))
                    .map_err(|_| error)?;
                (opened, other)
            }
        };
        self.rtcp_tag_len = Some(tag_len);
        Ok(opened)
    }

    /// The suite this receiver was made for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Whether this receiver has that master key: keep it then, since a new one would accept replays.
    #[must_use]
    pub fn has_key(&self, suite: Suite, key: &[u8], salt: &[u8]) -> bool {
        same_master(self.suite, &self.fingerprint, suite, key, salt)
    }

    /// Under a new key, tries the roll-over counters of `previous`'s streams first (RFC 3711 section 3.3.1 lets
    /// them go on) and then zero, where many phones restart.
    pub fn continue_from(&mut self, previous: &Self) {
        self.continued = previous.streams.iter().copied().collect();
    }

    /// The roll-over counter of a stream, once it was heard.
    #[must_use]
    pub fn roll_over_counter(&self, ssrc: u32) -> Option<u32> {
        self.streams
            .get(ssrc)
            .map(|stream| (stream.highest() >> 16) as u32)
    }

    /// Length in octets of the SRTCP tags the peer has proven to send.
    pub(super) fn rtcp_tag_len_seen(&self) -> Option<u8> {
        self.rtcp_tag_len
    }
}

impl RtcpReceiver {
    fn unprotect(
        &mut self,
        ssrc: u32,
        packet: &mut [u8],
        tag_len: usize,
    ) -> Result<usize, SrtpError> {
        let index = rtcp_index(self.suite, packet, tag_len)?;
        let stream = match self.streams.get(ssrc) {
            Some(mut stream) => {
                stream.check(index)?;
                stream.mark(index);
                stream
            }
            None => {
                self.streams.check_room()?;
                Stream::first(ssrc, index)
            }
        };
        let transform = Transform::new(self.suite, &self.keys)?;
        let opened = transform.open_rtcp(Position { ssrc, index }, packet, tag_len)?;
        self.streams.put(stream);
        Ok(opened)
    }
}

impl core::fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SrtpReceiver")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}
