//! G.729 with the methods of annex A and the silence of annex B (ITU-T G.729), and how RFC 3551 section 4.5.6 puts its
//! frames into packets.
//!
//! A frame is 10 ms of speech at 8 kHz: a filter, and for each of two sub-frames an excitation of it, the one before
//! repeated a pitch lag later and four pulses. This is an implementation of our own in floating point, after the text of
//! the Recommendation and with its tables; it makes sound out of whatever bits it gets.

mod acelp;
mod analysis;
mod comfort;
mod decoder;
mod dtx;
mod encoder;
mod filter;
mod frame;
mod gain;
mod lsf;
mod lsf_codebooks;
mod lsf_quantiser;
mod pitch;
mod postfilter;
mod taming;
mod vad;

use sealtone_codec_protocol::CodecSpec;

use super::linear_prediction::{Lpc, ORDER};
use super::{Codec, CodecError, MOST_MS, frames_of};
use decoder::{Decoder, Received};
use encoder::{Encoded, Encoder};

/// Samples of a frame, 10 ms.
const FRAME: usize = 80;
/// Sub-frames of a frame.
const SUBFRAMES: usize = 2;
/// Samples of a sub-frame.
const SUBFRAME: usize = FRAME / SUBFRAMES;
/// Octets of a frame of voice.
const OCTETS: usize = 10;
/// Octets of a frame of silence.
const SID_OCTETS: usize = 2;
/// Bounds of the last pitch gain, which pulses are repeated with (equation 47).
const REPETITION: [f32; 2] = [0.2, 0.794_5];

/// Line spectral frequencies, radians, rising.
type Lsf = [f32; ORDER];

/// The cosines of the frequencies before a stream's first ones.
const FIRST_LSP: [f32; ORDER] = [
    0.915_5, 0.793_5, 0.640_9, 0.457_8, 0.244_1, 0.0, -0.244_1, -0.457_8, -0.640_9, -0.793_5,
];

/// Frames of 10 ms in a packet that is taken.
const MOST_FRAMES: usize = MOST_MS as usize / 10;

pub(super) struct G729 {
    dtx: bool,
    /// Whether a frame may be taken for silence now.
    leaves_out: bool,
    encoder: Option<Box<Encoder>>,
    decoder: Option<Box<Decoder>>,
}

impl G729 {
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        if spec.sample_rate != 8_000 {
            return Err(CodecError::BadSpec("G.729 speaks 8000 Hz"));
        }
        Ok(Self {
            dtx: spec.dtx,
            leaves_out: true,
            encoder: None,
            decoder: None,
        })
    }
}

/// A packet's voice frames, and the description of silence that may end it.
type Packet<'a> = (&'a [[u8; OCTETS]], Option<&'a [u8; SID_OCTETS]>);

fn split(payload: &[u8]) -> Option<Packet<'_>> {
    let (voice, rest) = payload.as_chunks::<OCTETS>();
    let silence = if rest.is_empty() {
        None
    } else {
        Some(rest.try_into().ok()?)
    };
    let frames = voice.len() + usize::from(silence.is_some());
    (1..=MOST_FRAMES)
        .contains(&frames)
        .then_some((voice, silence))
}

impl Codec for G729 {
    /// A packet is voice frames, then at most one of silence. Where the encoder begins to speak within a packet, what
    /// was silent before it is left out, since silence cannot come first.
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        let frames = frames_of::<FRAME>(sound)?;
        let encoder = self
            .encoder
            .get_or_insert_with(|| Box::new(Encoder::new(self.dtx)));
        let (mut voice, mut silence) = (Vec::with_capacity(OCTETS * MOST_FRAMES), None);
        for samples in frames {
            match encoder.encode(samples, self.leaves_out) {
                Encoded::Voice(octets) => {
                    voice.extend_from_slice(&octets);
                    silence = None;
                }
                Encoded::Silence(octets) => silence = Some(octets),
                Encoded::Nothing => {}
            }
        }
        payload.extend_from_slice(&voice);
        payload.extend(silence.into_iter().flatten());
        Ok(())
    }

    fn leave_out_silence(&mut self, may: bool) {
        self.leaves_out = may;
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        let (voice, silence) = split(payload).ok_or(CodecError::BadPayload)?;
        let decoder = self.decoder.get_or_insert_with(|| Box::new(Decoder::new()));
        let voice = voice.iter().map(Received::Voice);
        for received in voice.chain(silence.map(Received::Silence)) {
            sound.extend(decoder.decode(received));
        }
        Ok(())
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<i16>) -> bool {
        let Some(decoder) = self.decoder.as_mut() else {
            return false;
        };
        if samples > MOST_FRAMES * FRAME {
            return false;
        }
        let end = sound.len() + samples;
        while sound.len() < end {
            sound.extend(decoder.decode(Received::Nothing));
        }
        sound.truncate(end);
        true
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        let (voice, silence) = split(payload)?;
        Some((voice.len() + usize::from(silence.is_some())) * FRAME)
    }
}

#[cfg(test)]
mod tests;
