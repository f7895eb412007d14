//! Building compounds.

use super::{
    APP, BYE, HEADER_LEN, RECEIVER_REPORT, ReportBlock, RtcpError, SDES_CNAME, SENDER_REPORT,
    SOURCE_DESCRIPTION, SenderInfo,
};

/// Writes RTCP packets one after another into a buffer.
///
/// RFC 3550 section 6.1 wants a report first and an SDES with the CNAME in every compound; the order is the
/// caller's. A packet that does not fit leaves the compound as it was before it.
#[derive(Debug)]
pub struct CompoundBuilder<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> CompoundBuilder<'a> {
    /// An empty compound at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Octets written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a sender report with at most 31 blocks.
    ///
    /// # Errors
    /// [`RtcpError::NoRoom`].
    pub fn sender_report(
        &mut self,
        ssrc: u32,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<(), RtcpError> {
        let mut packet = self.begin(SENDER_REPORT, blocks.len())?;
        packet.word(ssrc)?;
        packet.word((info.ntp >> 32) as u32)?;
        packet.word(info.ntp as u32)?;
        packet.word(info.rtp_timestamp)?;
        packet.word(info.packets)?;
        packet.word(info.octets)?;
        packet.blocks(blocks)?;
        self.len = packet.end()?;
        Ok(())
    }

    /// Adds a receiver report with at most 31 blocks.
    ///
    /// # Errors
    /// [`RtcpError::NoRoom`].
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), RtcpError> {
        let mut packet = self.begin(RECEIVER_REPORT, blocks.len())?;
        packet.word(ssrc)?;
        packet.blocks(blocks)?;
        self.len = packet.end()?;
        Ok(())
    }

    /// Adds a source description with the canonical name of one source, at most 255 octets long.
    ///
    /// # Errors
    /// [`RtcpError::NoRoom`].
    pub fn cname(&mut self, ssrc: u32, cname: &[u8]) -> Result<(), RtcpError> {
        let len = u8::try_from(cname.len()).map_err(|_| RtcpError::NoRoom)?;
        let mut packet = self.begin(SOURCE_DESCRIPTION, 1)?;
        packet.word(ssrc)?;
        packet.octets(&[SDES_CNAME, len])?;
        packet.octets(cname)?;
        packet.octets(&[0])?;
        self.len = packet.end()?;
        Ok(())
    }

    /// Adds a goodbye of at most 31 sources, with a reason of at most 255 octets unless it is empty.
    ///
    /// # Errors
    /// [`RtcpError::NoRoom`].
    pub fn bye(&mut self, ssrcs: &[u32], reason: &[u8]) -> Result<(), RtcpError> {
        let len = u8::try_from(reason.len()).map_err(|_| RtcpError::NoRoom)?;
        let mut packet = self.begin(BYE, ssrcs.len())?;
        for ssrc in ssrcs {
            packet.word(*ssrc)?;
        }
        if len > 0 {
            packet.octets(&[len])?;
            packet.octets(reason)?;
        }
        self.len = packet.end()?;
        Ok(())
    }

    /// Adds an application-defined packet; `data` is filled with zeros to a multiple of 4 octets.
    ///
    /// # Errors
    /// [`RtcpError::NoRoom`].
    pub fn app(
        &mut self,
        ssrc: u32,
        subtype: u8,
        name: [u8; 4],
        data: &[u8],
    ) -> Result<(), RtcpError> {
        let mut packet = self.begin(APP, usize::from(subtype))?;
        packet.word(ssrc)?;
        packet.octets(&name)?;
        packet.octets(data)?;
        self.len = packet.end()?;
        Ok(())
    }

    /// Adds feedback (RFC 4585): `packet_type` is [`super::TRANSPORT_FEEDBACK`] or [`super::PAYLOAD_FEEDBACK`];
    /// `control` is filled with zeros to a multiple of 4 octets.
    ///
    /// # Errors
    /// [`RtcpError::NoRoom`].
    pub fn feedback(
        &mut self,
        packet_type: u8,
        format: u8,
        sender: u32,
        media: u32,
        control: &[u8],
    ) -> Result<(), RtcpError> {
        let mut packet = self.begin(packet_type, usize::from(format))?;
        packet.word(sender)?;
        packet.word(media)?;
        packet.octets(control)?;
        self.len = packet.end()?;
        Ok(())
    }

    fn begin(&mut self, packet_type: u8, count: usize) -> Result<PacketWriter<'_>, RtcpError> {
        let count = u8::try_from(count)
            .ok()
            .filter(|count| *count <= 31)
            .ok_or(RtcpError::NoRoom)?;
        let start = self.len;
        let mut writer = PacketWriter {
            buffer: self.buffer,
            start,
            at: start,
        };
        writer.octets(&[0x80 | count, packet_type, 0, 0])?;
        Ok(writer)
    }
}

/// Writes one packet; nothing counts until [`Self::end`].
struct PacketWriter<'a> {
    buffer: &'a mut [u8],
    start: usize,
    at: usize,
}

impl PacketWriter<'_> {
    fn octets(&mut self, octets: &[u8]) -> Result<(), RtcpError> {
        let end = self.at + octets.len();
        self.buffer
            .get_mut(self.at..end)
            .ok_or(RtcpError::NoRoom)?
            .copy_from_slice(octets);
        self.at = end;
        Ok(())
    }

    fn word(&mut self, word: u32) -> Result<(), RtcpError> {
        self.octets(&word.to_be_bytes())
    }

    fn blocks(&mut self, blocks: &[ReportBlock]) -> Result<(), RtcpError> {
        for block in blocks {
            self.word(block.ssrc)?;
            let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
            self.word(u32::from(block.fraction_lost) << 24 | lost)?;
            self.word(block.highest_sequence)?;
            self.word(block.jitter)?;
            self.word(block.last_sender_report)?;
            self.word(block.delay_since_last)?;
        }
        Ok(())
    }

    /// Fills up to a 32-bit boundary, writes the length and returns where the next packet begins.
    fn end(mut self) -> Result<usize, RtcpError> {
        while !(self.at - self.start).is_multiple_of(4) {
            self.octets(&[0])?;
        }
        let words = (self.at - self.start - HEADER_LEN) / 4;
        let words = u16::try_from(words).map_err(|_| RtcpError::NoRoom)?;
        self.buffer[self.start + 2..self.start + 4].copy_from_slice(&words.to_be_bytes());
        Ok(self.at)
    }
}
