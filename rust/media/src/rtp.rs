//! RTP packets as views over a buffer (RFC 3550 section 5).
//!
//! [`RtpHeader`] is the fixed header with every length checked; it holds for plain and for SRTP packets, since
//! SRTP leaves the header readable. Padding lies inside the encrypted part of an SRTP packet, so it is looked at
//! only by [`RtpHeader::payload`], on a packet that has been decrypted.

use core::ops::Range;

/// Length in octets of an RTP header without CSRCs and extension.
pub const FIXED_HEADER_LEN: usize = 12;

/// Why a datagram is not a usable RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtpError {
    /// Shorter than its header says it is.
    Truncated,
    /// The version field is not 2.
    Version,
    /// The padding count is zero, or reaches into the header.
    Padding,
    /// The buffer given for building has no room for the packet, or there are more than 15 CSRCs.
    NoRoom,
}

impl core::fmt::Display for RtpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "RTP packet shorter than its header says",
            Self::Version => "RTP version is not 2",
            Self::Padding => "RTP padding count is impossible",
            Self::NoRoom => "no room to build the RTP packet",
        })
    }
}

impl core::error::Error for RtpError {}

/// The header of an RTP packet, read once; positions refer to the packet it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Timestamp, in units of the payload's clock rate.
    pub timestamp: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Octets before the payload: fixed header, CSRCs and extension.
    pub header_len: u16,
    /// Payload type, 0-127.
    pub payload_type: u8,
    /// Number of contributing sources, 0-15.
    pub csrc_count: u8,
    /// Marker bit.
    pub marker: bool,
    /// Padding bit; the count stands in the last octet of the decrypted payload.
    pub padding: bool,
    /// Extension bit.
    pub extension: bool,
}

impl RtpHeader {
    /// Reads the header of `packet`, which may be encrypted past it. The header's own lengths are checked against
    /// the packet; the padding is not.
    ///
    /// # Errors
    /// [`RtpError::Truncated`] and [`RtpError::Version`].
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        let Some(fixed) = packet.first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(RtpError::Truncated);
        };
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let csrc_count = fixed[0] & 0x0f;
        let extension = fixed[0] & 0x10 != 0;
        let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(csrc_count);
        if extension {
            let Some(words) = packet.get(header_len + 2..header_len + 4) else {
                return Err(RtpError::Truncated);
            };
            header_len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        if header_len > packet.len() {
            return Err(RtpError::Truncated);
        }
        let Ok(header_len) = u16::try_from(header_len) else {
            return Err(RtpError::Truncated);
        };
        Ok(Self {
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            header_len,
            payload_type: fixed[1] & 0x7f,
            csrc_count,
            marker: fixed[1] & 0x80 != 0,
            padding: fixed[0] & 0x20 != 0,
            extension,
        })
    }

    /// Where the payload lies in the (decrypted) `packet` this header was parsed from, without its padding.
    ///
    /// # Errors
    /// [`RtpError::Padding`] when the padding count is zero or larger than what follows the header;
    /// [`RtpError::Truncated`] when `packet` is shorter than the header, so not the one that was parsed.
    #[inline]
    pub fn payload(&self, packet: &[u8]) -> Result<Range<usize>, RtpError> {
        let start = usize::from(self.header_len);
        if packet.len() < start {
            return Err(RtpError::Truncated);
        }
        let mut end = packet.len();
        if self.padding {
            let count = usize::from(packet[end - 1]);
            if count == 0 || count > end - start {
                return Err(RtpError::Padding);
            }
            end -= count;
        }
        Ok(start..end)
    }

    /// The contributing sources, in order.
    pub fn csrcs<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        let end = FIXED_HEADER_LEN + 4 * usize::from(self.csrc_count);
        packet
            .get(FIXED_HEADER_LEN..end)
            .unwrap_or_default()
            .chunks_exact(4)
            .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    }

    /// The header extension as (profile-defined 16 bits, data), when there is one.
    #[must_use]
    pub fn extension_data<'a>(&self, packet: &'a [u8]) -> Option<(u16, &'a [u8])> {
        if !self.extension {
            return None;
        }
        let start = FIXED_HEADER_LEN + 4 * usize::from(self.csrc_count);
        let whole = packet.get(start..usize::from(self.header_len))?;
        let (head, data) = whole.split_at_checked(4)?;
        Some((u16::from_be_bytes([head[0], head[1]]), data))
    }
}

/// Writes another payload type, leaving the marker as it is. Packets shorter than a header are left alone, as in
/// the other `set_` functions here.
#[inline]
pub fn set_payload_type(packet: &mut [u8], payload_type: u8) {
    if let Some(octet) = packet.get_mut(1) {
        *octet = (*octet & 0x80) | (payload_type & 0x7f);
    }
}

/// Writes the marker bit.
#[inline]
pub fn set_marker(packet: &mut [u8], marker: bool) {
    if let Some(octet) = packet.get_mut(1) {
        *octet = (*octet & 0x7f) | (u8::from(marker) << 7);
    }
}

/// Writes another sequence number.
#[inline]
pub fn set_sequence(packet: &mut [u8], sequence: u16) {
    if let Some(field) = packet.get_mut(2..4) {
        field.copy_from_slice(&sequence.to_be_bytes());
    }
}

/// Writes another timestamp.
#[inline]
pub fn set_timestamp(packet: &mut [u8], timestamp: u32) {
    if let Some(field) = packet.get_mut(4..8) {
        field.copy_from_slice(&timestamp.to_be_bytes());
    }
}

/// Writes another SSRC.
#[inline]
pub fn set_ssrc(packet: &mut [u8], ssrc: u32) {
    if let Some(field) = packet.get_mut(8..12) {
        field.copy_from_slice(&ssrc.to_be_bytes());
    }
}

/// What goes into the header of a packet built from scratch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpFields<'a> {
    /// Payload type, 0-127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in units of the payload's clock rate.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources, at most 15.
    pub csrcs: &'a [u32],
    /// Header extension: profile-defined 16 bits and data, whose length is a multiple of 4 octets.
    pub extension: Option<(u16, &'a [u8])>,
}

impl RtpFields<'_> {
    /// Writes header and `payload` at the start of `buffer`; returns the length of the packet in octets.
    ///
    /// # Errors
    /// [`RtpError::NoRoom`] when `buffer` is too short, there are more than 15 CSRCs, or the extension's length is
    /// not a multiple of 4 octets that its length field can tell.
    pub fn build(&self, payload: &[u8], buffer: &mut [u8]) -> Result<usize, RtpError> {
        let extension_words = match self.extension {
            Some((_, data)) if data.len() % 4 == 0 => {
                u16::try_from(data.len() / 4).map_err(|_| RtpError::NoRoom)?
            }
            Some(_) => return Err(RtpError::NoRoom),
            None => 0,
        };
        let csrc_count = u8::try_from(self.csrcs.len()).map_err(|_| RtpError::NoRoom)?;
        let extension_len = self.extension.map_or(0, |(_, data)| 4 + data.len());
        let header_len = FIXED_HEADER_LEN + 4 * self.csrcs.len() + extension_len;
        let len = header_len + payload.len();
        if csrc_count > 15 || len > buffer.len() {
            return Err(RtpError::NoRoom);
        }
        buffer[0] = 0x80 | (u8::from(self.extension.is_some()) << 4) | csrc_count;
        buffer[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        set_sequence(buffer, self.sequence);
        set_timestamp(buffer, self.timestamp);
        set_ssrc(buffer, self.ssrc);
        let mut at = FIXED_HEADER_LEN;
        for csrc in self.csrcs {
            buffer[at..at + 4].copy_from_slice(&csrc.to_be_bytes());
            at += 4;
        }
        if let Some((profile, data)) = self.extension {
            buffer[at..at + 2].copy_from_slice(&profile.to_be_bytes());
            buffer[at + 2..at + 4].copy_from_slice(&extension_words.to_be_bytes());
            buffer[at + 4..at + 4 + data.len()].copy_from_slice(data);
        }
        buffer[header_len..len].copy_from_slice(payload);
        Ok(len)
    }
}
