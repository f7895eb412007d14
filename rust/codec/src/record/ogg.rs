//! Ogg pages (RFC 3533) with Opus in them (RFC 7845).
//!
//! The two directions are two mono Opus streams in one (channel mapping family 1, two streams, none coupled: RFC 7845
//! 5.1.1.2), not one stereo stream: at the bit rates of speech a stereo encoder narrows the image and shares between
//! its channels, and a recording has to say who spoke.

use sealtone_codec_protocol::{CodecKind, CodecSpec};

use super::{Channels, RecordError};
use crate::codec::{Codec, CodecError, open};

/// Milliseconds of one packet.
const PACKET_MS: u64 = 20;
/// Packets a page: pages are what a reader finds whole, so they come often.
const PACKETS_A_PAGE: usize = 10;
/// Samples at 48 kHz in a packet: granule positions count at that rate, whatever the sound's (RFC 7845 4).
const GRANULES: u64 = 48 * PACKET_MS;
/// libopus's delay, in samples at 48 kHz, that a player leaves out at the beginning (RFC 7845 4.2).
const PRE_SKIP: u16 = 312;
/// Segments of a page, and octets of a segment (RFC 3533 6).
const MOST_SEGMENTS: usize = 255;
const FULL_SEGMENT: usize = 255;
const CONTINUED: u8 = 0;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// One logical stream of pages.
#[derive(Debug)]
struct Pages {
    serial: u32,
    number: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
    packets: usize,
}

impl Pages {
    fn new(serial: u32) -> Self {
        Self {
            serial,
            number: 0,
            lacing: Vec::with_capacity(MOST_SEGMENTS),
            body: Vec::new(),
            packets: 0,
        }
    }

    /// Whether a packet of that length fits on the page begun.
    fn fits(&self, octets: usize) -> bool {
        self.lacing.len() + octets / FULL_SEGMENT < MOST_SEGMENTS
    }

    fn put(&mut self, packet: &[u8]) {
        let full = packet.len() / FULL_SEGMENT;
        self.lacing
            .extend(std::iter::repeat_n(FULL_SEGMENT as u8, full));
        self.lacing.push((packet.len() % FULL_SEGMENT) as u8);
        self.body.extend_from_slice(packet);
        self.packets += 1;
    }

    /// Ends the page; `granule` is the position at its end.
    fn flush(&mut self, flags: u8, granule: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"OggS\0");
        out.push(flags);
        out.extend_from_slice(&granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(self.lacing.len() as u8);
        out.append(&mut self.lacing);
        out.append(&mut self.body);
        let crc = page_crc(&out[start..]);
        out[start + 22..start + 26].copy_from_slice(&crc.to_le_bytes());
        self.number = self.number.wrapping_add(1);
        self.packets = 0;
    }
}

/// CRC-32 with generator 0x04c11db7, not reflected, from zero (RFC 3533 6).
fn page_crc(page: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = (index as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 0x8000_0000 == 0 {
                    value << 1
                } else {
                    (value << 1) ^ 0x04c1_1db7
                };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    page.iter().fold(0, |crc, &octet| {
        (crc << 8) ^ TABLE[usize::from((crc >> 24) as u8 ^ octet)]
    })
}

/// An Ogg Opus file, made as it goes.
pub struct OggOpus {
    pages: Pages,
    encoders: Channels<Box<dyn Codec>>,
    packet_samples: usize,
    sample_rate: u32,
    /// The last packet encoded, kept back: the last of the file carries the end's flag and position.
    kept: Option<Vec<u8>>,
    encoded: u64,
    samples: u64,
}

impl OggOpus {
    /// `sample_rate` is one that Opus has; `serial` is the stream's, a random number.
    ///
    /// # Errors
    /// Opus is not on this machine.
    pub fn new(sample_rate: u32, serial: u32) -> Result<Self, RecordError> {
        let spec = CodecSpec {
            sample_rate,
            packet_ms: PACKET_MS as u8,
            bitrate: bitrate(sample_rate),
            ..CodecSpec::new(CodecKind::Opus, 48_000)
        };
        Ok(Self {
            pages: Pages::new(serial),
            encoders: Channels(open(&spec)?, open(&spec)?),
            packet_samples: spec.packet_samples(),
            sample_rate,
            kept: None,
            encoded: 0,
            samples: 0,
        })
    }

    pub fn packet_samples(&self) -> usize {
        self.packet_samples
    }

    /// The two header pages (RFC 7845 5).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend_from_slice(&PRE_SKIP.to_le_bytes());
        head.extend_from_slice(&self.sample_rate.to_le_bytes());
        head.extend_from_slice(&[0, 0]); // output gain
        head.extend_from_slice(&[1, 2, 0, 0, 1]); // family 1: two streams, none coupled, left and right
        self.pages.put(&head);
        self.pages.flush(FIRST, 0, out);
        let vendor = b"Sealtone";
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&(vendor.len() as u32).to_le_bytes());
        tags.extend_from_slice(vendor);
        tags.extend_from_slice(&0_u32.to_le_bytes());
        self.pages.put(&tags);
        self.pages.flush(CONTINUED, 0, out);
    }

    /// One packet's sound of each channel.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn write(
        &mut self,
        left: &[i16],
        right: &[i16],
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        self.samples += left.len() as u64;
        self.encode(left, right, out)
    }

    fn encode(
        &mut self,
        left: &[i16],
        right: &[i16],
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        let mut first = Vec::with_capacity(320);
        self.encoders.0.encode(left, &mut first)?;
        let mut second = Vec::with_capacity(320);
        self.encoders.1.encode(right, &mut second)?;
        let mut packet = self_delimited(&first)?;
        packet.extend_from_slice(&second);
        if let Some(before) = self.kept.replace(packet) {
            self.page(&before, out);
        }
        Ok(())
    }

    fn page(&mut self, packet: &[u8], out: &mut Vec<u8>) {
        if self.pages.packets == PACKETS_A_PAGE || !self.pages.fits(packet.len()) {
            self.pages.flush(CONTINUED, self.encoded * GRANULES, out);
        }
        self.pages.put(packet);
        self.encoded += 1;
        if self.pages.packets == PACKETS_A_PAGE {
            self.pages.flush(CONTINUED, self.encoded * GRANULES, out);
        }
    }

    /// The end: what the encoders still hold back, and a last position that leaves out what was never said
    /// (RFC 7845 4.4).
    ///
    /// # Errors
    /// The encoder failed.
    pub fn finish(
        &mut self,
        left: &[i16],
        right: &[i16],
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        self.samples += left.len() as u64;
        let end = self.samples * 48_000 / u64::from(self.sample_rate) + u64::from(PRE_SKIP);
        let (mut left, mut right) = (left.to_vec(), right.to_vec());
        left.resize(self.packet_samples, 0);
        right.resize(self.packet_samples, 0);
        self.encode(&left, &right, out)?;
        let silence = vec![0; self.packet_samples];
        while (self.encoded + 1) * GRANULES < end {
            self.encode(&silence, &silence, out)?;
        }
        if let Some(last) = self.kept.take() {
            if !self.pages.fits(last.len()) {
                self.pages.flush(CONTINUED, self.encoded * GRANULES, out);
            }
            self.pages.put(&last);
            self.pages.flush(LAST, end, out);
        }
        Ok(())
    }
}

/// Bits a second of one channel.
fn bitrate(sample_rate: u32) -> u32 {
    match sample_rate {
        0..=8_000 => 16_000,
        8_001..=16_000 => 24_000,
        _ => 40_000,
    }
}

/// A packet with its length in it, as all but the last of several streams have (RFC 6716 appendix B). What our encoder
/// makes of 20 ms is one frame (code 0).
fn self_delimited(packet: &[u8]) -> Result<Vec<u8>, RecordError> {
    let Some((&toc, frame)) = packet.split_first() else {
        return Err(RecordError::Codec(CodecError::Failed));
    };
    if toc & 3 != 0 || frame.len() > 1_275 {
        return Err(RecordError::Codec(CodecError::Failed));
    }
    let mut out = Vec::with_capacity(packet.len() + 2);
    out.push(toc);
    if frame.len() < 252 {
        out.push(frame.len() as u8);
    } else {
        // RFC 6716 3.2.1: 252 + (length & 3), then the rest in fours.
        let first = 252 + (frame.len() & 3);
        out.push(first as u8);
        out.push(((frame.len() - first) / 4) as u8);
    }
    out.extend_from_slice(frame);
    Ok(out)
}
