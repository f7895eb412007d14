//! G.729 with the arithmetic of annex A and the silence of annex B (RFC 3551 section 4.5.6), by bcg729.

use sealtone_codec_protocol::CodecSpec;

use super::ffi::bcg729::{Decoder, Encoder, Frame, OCTETS, SAMPLES, SID_OCTETS};
use super::{Codec, CodecError, MOST_MS, frames_of};

/// Frames of 10 ms in a packet that is taken.
const MOST_FRAMES: usize = MOST_MS as usize / 10;

pub(super) struct G729 {
    dtx: bool,
    encoder: Option<Encoder>,
    decoder: Option<Decoder>,
}

impl G729 {
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        if spec.sample_rate != 8_000 {
            return Err(CodecError::BadSpec("G.729 speaks 8000 Hz"));
        }
        Ok(Self {
            dtx: spec.dtx,
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
        let frames = frames_of::<SAMPLES>(sound)?;
        if self.encoder.is_none() {
            self.encoder = Encoder::new(self.dtx);
        }
        let encoder = self.encoder.as_mut().ok_or(CodecError::Failed)?;
        let (mut voice, mut silence) = (Vec::with_capacity(OCTETS * MOST_FRAMES), None);
        for samples in frames {
            let mut frame = [0; OCTETS];
            match encoder.encode(samples, &mut frame) {
                OCTETS => {
                    voice.extend_from_slice(&frame);
                    silence = None;
                }
                SID_OCTETS => silence = Some([frame[0], frame[1]]),
                _ => {}
            }
        }
        payload.extend_from_slice(&voice);
        payload.extend(silence.into_iter().flatten());
        Ok(())
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        let (voice, silence) = split(payload).ok_or(CodecError::BadPayload)?;
        if self.decoder.is_none() {
            self.decoder = Decoder::new();
        }
        let decoder = self.decoder.as_mut().ok_or(CodecError::Failed)?;
        let frames = voice.iter().map(Frame::Voice);
        for frame in frames.chain(silence.map(Frame::Silence)) {
            let mut samples = [0; SAMPLES];
            decoder.decode(&frame, &mut samples);
            sound.extend_from_slice(&samples);
        }
        Ok(())
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<i16>) -> bool {
        let Some(decoder) = self.decoder.as_mut() else {
            return false;
        };
        if samples > MOST_FRAMES * SAMPLES {
            return false;
        }
        let end = sound.len() + samples;
        while sound.len() < end {
            let mut made = [0; SAMPLES];
            decoder.decode(&Frame::Lost, &mut made);
            sound.extend_from_slice(&made);
        }
        sound.truncate(end);
        true
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        let (voice, silence) = split(payload)?;
        Some((voice.len() + usize::from(silence.is_some())) * SAMPLES)
    }
}
