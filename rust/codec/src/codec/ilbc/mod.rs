//! iLBC (RFC 3951), and how RFC 3952 puts its frames into packets.
//!
//! A frame is 20 or 30 ms of speech at 8 kHz and stands alone: its residual is coded from its own loudest part (the
//! start state) outwards, so that a lost packet costs no more than itself. This is an implementation of our own in
//! floating point, after the text of the RFC and with the tables of its appendix A.8; it makes sound out of whatever
//! bits it gets.

mod codebook;
mod concealment;
mod decoder;
mod encoder;
mod enhancer;
mod filter;
mod frame;
mod lsf;
mod lsf_codebooks;
mod prediction;
mod search;
mod start_state;

use sealtone_codec_protocol::CodecSpec;

use crate::codec::linear_prediction::{Lpc, ORDER};
use crate::codec::{Codec, CodecError};
use decoder::Decoder;
use encoder::Encoder;

/// Samples of a sub-block.
const SUBBLOCK: usize = 40;
/// Samples of the two sub-blocks in which the start state lies.
const STATE: usize = 2 * SUBBLOCK;
/// Samples of the longest frame.
const LONGEST: usize = 240;
/// Sub-blocks of the longest frame.
const MOST_SUBBLOCKS: usize = LONGEST / SUBBLOCK;

/// Frames in a packet, at most; so many that no length could be of either mode.
const MOST_FRAMES: usize = 8;

/// Line spectral frequencies, radians, rising.
type Lsf = [f32; ORDER];
/// The filters of a frame's sub-blocks; 20 ms use the first four.
type Filters = [Lpc; MOST_SUBBLOCKS];

/// The two lengths of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Ms20,
    Ms30,
}

impl Mode {
    const BOTH: [Self; 2] = [Self::Ms20, Self::Ms30];

    fn milliseconds(self) -> u8 {
        match self {
            Self::Ms20 => 20,
            Self::Ms30 => 30,
        }
    }

    fn samples(self) -> usize {
        match self {
            Self::Ms20 => 160,
            Self::Ms30 => 240,
        }
    }

    /// Of one frame's payload.
    fn octets(self) -> usize {
        match self {
            Self::Ms20 => 38,
            Self::Ms30 => 50,
        }
    }

    fn subblocks(self) -> usize {
        self.samples() / SUBBLOCK
    }

    /// Samples of the start state that are quantised one by one; the rest of its two sub-blocks comes from the codebook.
    fn state_samples(self) -> usize {
        match self {
            Self::Ms20 => 57,
            Self::Ms30 => 58,
        }
    }

    /// Sets of line spectral frequencies in a frame.
    fn lsf_sets(self) -> usize {
        match self {
            Self::Ms20 => 1,
            Self::Ms30 => 2,
        }
    }
}

/// iLBC of one stream.
pub struct Ilbc {
    mode: Mode,
    encoder: Option<Box<Encoder>>,
    decoder: Option<Box<Decoder>>,
    /// What is left of a concealed frame of which only a part was asked for.
    concealed: Vec<i16>,
}

impl Ilbc {
    /// The codec of a spec: frames of its `frame_ms`, as many to a packet as fill its `packet_ms`.
    ///
    /// # Errors
    /// Frames are neither 20 nor 30 ms, packets not one to eight of them, or the rates not 8000 Hz.
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        if spec.clock_rate != 8_000 || spec.sample_rate != 8_000 {
            return Err(CodecError::BadSpec("iLBC's sound is at 8000 Hz"));
        }
        let mode = Mode::BOTH
            .into_iter()
            .find(|mode| mode.milliseconds() == spec.frame_ms)
            .ok_or(CodecError::BadSpec("iLBC's frames are 20 or 30 ms"))?;
        let frames = usize::from(spec.packet_ms / mode.milliseconds());
        let whole = spec.packet_ms.is_multiple_of(mode.milliseconds());
        if !whole || !(1..=MOST_FRAMES).contains(&frames) {
            return Err(CodecError::BadSpec(
                "packets of iLBC hold 1 to 8 whole frames",
            ));
        }
        Ok(Self {
            mode,
            encoder: None,
            decoder: None,
            concealed: Vec::new(),
        })
    }
}

/// Which frames a payload holds: its length tells.
fn mode_of(payload: &[u8]) -> Option<Mode> {
    Mode::BOTH.into_iter().find(|mode| {
        let frames = payload.len() / mode.octets();
        (1..=MOST_FRAMES).contains(&frames) && payload.len().is_multiple_of(mode.octets())
    })
}

impl Codec for Ilbc {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        if !sound.len().is_multiple_of(self.mode.samples()) {
            return Err(CodecError::Failed);
        }
        let mode = self.mode;
        let encoder = self
            .encoder
            .get_or_insert_with(|| Box::new(Encoder::new(mode)));
        for frame in sound.chunks_exact(mode.samples()) {
            encoder.encode(frame, payload);
        }
        Ok(())
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        let mode = mode_of(payload).ok_or(CodecError::BadPayload)?;
        self.concealed.clear();
        if self.decoder.as_ref().is_some_and(|it| it.mode() != mode) {
            self.decoder = None;
        }
        let decoder = self
            .decoder
            .get_or_insert_with(|| Box::new(Decoder::new(mode)));
        for frame in payload.chunks_exact(mode.octets()) {
            decoder.decode(frame, sound);
        }
        Ok(())
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<i16>) -> bool {
        let mode = self.mode;
        let decoder = self
            .decoder
            .get_or_insert_with(|| Box::new(Decoder::new(mode)));
        let mut missing = samples;
        while missing > 0 {
            if self.concealed.is_empty() {
                decoder.conceal(&mut self.concealed);
            }
            let part = missing.min(self.concealed.len());
            sound.extend(self.concealed.drain(..part));
            missing -= part;
        }
        true
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        let mode = mode_of(payload)?;
        Some(payload.len() / mode.octets() * mode.samples())
    }
}

#[cfg(test)]
mod tests;
