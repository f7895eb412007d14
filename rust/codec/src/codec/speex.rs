//! Speex, narrow, wide and ultra-wide band (RFC 5574), by libspeex.
//!
//! The library complains about bad input on stderr, which a stranger could flood. So a packet is walked here first, by
//! the lengths of its frames, and only one without a fault is given to it.

use sealtone_codec_protocol::CodecSpec;

use super::ffi::speex::{Band, Decoder, Encoder, MOST_OCTETS, Setting};
use super::{Codec, CodecError};

/// How hard the encoder tries, 1 to 10.
const COMPLEXITY: i32 = 3;
/// Quality, 0 to 10, where no bit rate is asked for: 15 kbit/s in narrow band, 28 in wide band.
const QUALITY: i32 = 8;
/// Frames of 20 ms in a packet that is taken.
const MOST_FRAMES: usize = 6;

pub(super) struct Speex {
    band: Band,
    spec: CodecSpec,
    /// Whether frames of silence need not be sent.
    dtx: bool,
    encoder: Option<Encoder>,
    decoder: Option<Decoder>,
    ceiling: Ceiling,
}

impl Speex {
    pub fn new(spec: &CodecSpec) -> Result<Self, CodecError> {
        let band = match spec.sample_rate {
            8_000 => Band::Narrow,
            16_000 => Band::Wide,
            32_000 => Band::UltraWide,
            _ => return Err(CodecError::BadSpec("Speex speaks 8000, 16000 or 32000 Hz")),
        };
        Ok(Self {
            band,
            spec: *spec,
            dtx: spec.dtx,
            encoder: None,
            decoder: None,
            ceiling: Ceiling::default(),
        })
    }

    fn make_encoder(&self) -> Option<Encoder> {
        let mut encoder = Encoder::new(self.band)?;
        (encoder.set(Setting::Complexity, COMPLEXITY) && self.set_silence(&mut encoder))
            .then_some(encoder)
    }

    /// Whether silence is left out; and the rate, which comes last: where nobody looks for voice any more, the library
    /// goes on with the mode of the last frame, though that was silence.
    fn set_silence(&self, encoder: &mut Encoder) -> bool {
        let dtx = i32::from(self.dtx);
        let rate = match self.spec.bitrate {
            0 => (Setting::Quality, QUALITY),
            wished => (Setting::Bitrate, wished.min(64_000) as i32),
        };
        [(Setting::VoiceActivity, dtx), (Setting::Dtx, dtx), rate]
            .into_iter()
            .all(|(setting, value)| encoder.set(setting, value))
    }
}

impl Codec for Speex {
    fn encode(&mut self, sound: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        let samples = self.band.samples();
        let frames = sound.len() / samples;
        if !sound.len().is_multiple_of(samples) || !(1..=MOST_FRAMES).contains(&frames) {
            return Err(CodecError::Failed);
        }
        if self.encoder.is_none() {
            self.encoder = self.make_encoder();
        }
        let encoder = self.encoder.as_mut().ok_or(CodecError::Failed)?;
        encoder.begin();
        let mut to_send = false;
        let mut room = [0; Band::UltraWide.samples()];
        for frame in sound.chunks_exact(samples) {
            let scratch = &mut room[..samples];
            scratch.copy_from_slice(frame);
            to_send |= encoder.add(scratch);
        }
        if to_send {
            let mut packet = [0; MOST_OCTETS];
            let octets = encoder.finish(&mut packet);
            payload.extend_from_slice(&packet[..octets]);
        }
        Ok(())
    }

    fn leave_out_silence(&mut self, may: bool) {
        let dtx = self.spec.dtx && may;
        if self.dtx != dtx {
            self.dtx = dtx;
            if let Some(mut encoder) = self.encoder.take() {
                self.set_silence(&mut encoder);
                self.encoder = Some(encoder);
            }
        }
    }

    fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), CodecError> {
        let frames = count_frames(payload, self.band).ok_or(CodecError::BadPayload)?;
        if self.decoder.is_none() {
            self.decoder = Decoder::new(self.band);
        }
        let decoder = self.decoder.as_mut().ok_or(CodecError::Failed)?;
        let (before, samples) = (sound.len(), self.band.samples());
        sound.resize(before + frames * samples, 0);
        decoder.read(payload);
        for frame in sound[before..].chunks_exact_mut(samples) {
            if !decoder.next(frame) {
                sound.truncate(before);
                return Err(CodecError::BadPayload);
            }
            self.ceiling.set(frame);
        }
        Ok(())
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<i16>) -> bool {
        let frame = self.band.samples();
        let Some(decoder) = self.decoder.as_mut() else {
            return false;
        };
        if samples > MOST_FRAMES * frame {
            return false;
        }
        let before = sound.len();
        sound.resize(before + samples.div_ceil(frame) * frame, 0);
        let made = sound[before..].chunks_exact_mut(frame).all(|frame| {
            let made = decoder.conceal(frame);
            self.ceiling.hold(frame);
            made
        });
        sound.truncate(before + if made { samples } else { 0 });
        made
    }

    fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        count_frames(payload, self.band).map(|frames| frames * self.band.samples())
    }
}

/// How loud concealment may be: as the frame heard last. A tone whose period is a whole number of samples is all
/// prediction; once a loss has put the decoder out of step with its encoder, what the library goes on with can grow.
struct Ceiling {
    power: f32,
    /// What the last frame was multiplied by.
    gain: f32,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self {
            power: 0.0,
            gain: 1.0,
        }
    }
}

impl Ceiling {
    /// Takes a frame as heard. After one that was taken down it comes up within 2.5 ms.
    fn set(&mut self, frame: &mut [i16]) {
        self.power = power(frame);
        let from = std::mem::replace(&mut self.gain, 1.0);
        if from < 1.0 {
            let ramp = frame.len() / 8;
            for (index, sample) in frame[..ramp].iter_mut().enumerate() {
                let gain = from + (1.0 - from) * index as f32 / ramp as f32;
                *sample = (f32::from(*sample) * gain) as i16;
            }
        }
    }

    /// Takes a concealed frame down to what was heard, where it is louder.
    fn hold(&mut self, frame: &mut [i16]) {
        let power = power(frame);
        self.gain = 1.0;
        if power > self.power {
            self.gain = (self.power / power).sqrt();
            for sample in frame {
                *sample = (f32::from(*sample) * self.gain) as i16;
            }
        }
    }
}

/// Mean square of a frame's loudest quarter, 5 ms: of a voice that begins within it, the voice's own.
fn power(frame: &[i16]) -> f32 {
    let quarter = frame.len() / 4;
    let squares = |part: &[i16]| -> f32 { part.iter().map(|&one| f32::from(one).powi(2)).sum() };
    let loudest = frame.chunks_exact(quarter).map(squares);
    loudest.fold(0.0, f32::max) / quarter as f32
}

/// Bits of a narrow-band frame by its mode, the mode's own five included (the Speex manual, table 9.2).
const NARROW_BITS: [usize; 9] = [5, 43, 119, 160, 220, 300, 364, 492, 79];
/// Bits of a layer above it by its mode, the mode's own four included (table 10.1).
const LAYER_BITS: [usize; 5] = [4, 36, 112, 192, 352];
const TERMINATOR: usize = 15;
const REQUEST_IN_BAND: usize = 14;
const USER_IN_BAND: usize = 13;

/// The frames of a packet, or None where it is none of Speex, or one that the library would complain about.
fn count_frames(payload: &[u8], band: Band) -> Option<usize> {
    if payload.len() > MOST_OCTETS {
        return None;
    }
    let mut bits = Bits {
        octets: payload,
        position: 0,
    };
    let mut frames = 0;
    let mut layers = 0;
    let own_layers = band as usize;
    // What is left after the last frame is a terminator, or the first bits of one, or a layer that is empty.
    while bits.left() >= 5 || (bits.left() == 4 && layers < own_layers) {
        if bits.take(1)? == 1 {
            layers += 1;
            let mode = bits.take(3)?;
            if frames == 0 {
                return None;
            }
            if layers > own_layers && (layers > 2 || mode == 0 || mode >= LAYER_BITS.len()) {
                // The library skips layers of wider bands, but goes back at one that is empty. It is not asked to.
                break;
            }
            // Ultra-wide band's own layer, the second one of a frame, has two modes only.
            let known = if layers == 2 && own_layers == 2 {
                2
            } else {
                LAYER_BITS.len()
            };
            if mode >= known {
                return None;
            }
            bits.skip(LAYER_BITS[mode] - 4)?;
            continue;
        }
        if bits.left() < 4 {
            break;
        }
        match bits.take(4)? {
            TERMINATOR => break,
            REQUEST_IN_BAND => {
                layers = layers.max(own_layers); // those after it belong to no frame
                let message = bits.take(4)?;
                bits.skip([1, 1, 4, 4, 4, 4, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64][message])?;
            }
            USER_IN_BAND => {
                layers = layers.max(own_layers);
                let octets = bits.take(4)?;
                bits.skip(5 + 8 * octets)?;
            }
            mode => {
                bits.skip(NARROW_BITS.get(mode)? - 5)?;
                layers = 0;
                frames += 1;
                if frames > MOST_FRAMES {
                    return None;
                }
            }
        }
    }
    (frames > 0).then_some(frames)
}

/// A cursor over bits, the highest of each octet first.
struct Bits<'a> {
    octets: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn left(&self) -> usize {
        self.octets.len() * 8 - self.position
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.position += Some(count).filter(|count| *count <= self.left())?;
        Some(())
    }

    fn take(&mut self, count: usize) -> Option<usize> {
        let start = self.position;
        self.skip(count)?;
        Some((start..start + count).fold(0, |value, at| {
            value << 1 | usize::from(self.octets[at / 8] >> (7 - at % 8) & 1)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets of bits, given as numbers and how many bits each has, padded as RFC 5574 section 3.3 has it.
    fn packed(fields: &[(u32, usize)]) -> Vec<u8> {
        let mut bits: String = fields
            .iter()
            .map(|(value, count)| format!("{value:0count$b}"))
            .collect();
        let padding = "01111111";
        bits.push_str(&padding[..bits.len().next_multiple_of(8) - bits.len()]);
        let octets = bits.as_bytes().chunks(8);
        octets
            .map(|octet| {
                let text = std::str::from_utf8(octet).unwrap();
                u8::from_str_radix(text, 2).unwrap()
            })
            .collect()
    }

    /// A narrow-band frame of mode 1.
    const FRAME: [(u32, usize); 4] = [(0, 1), (1, 4), (0, 30), (0, 8)];

    #[test]
    fn what_the_library_would_complain_about_is_not_given_to_it() {
        let with = |rest: &[(u32, usize)]| packed(&[&FRAME[..], rest].concat());
        let next = [(1, 1), (0, 3), (0, 1), (0, 4)];
        for (band, payload, frames) in [
            (Band::Narrow, with(&[]), Some(1)),
            (Band::Narrow, with(&[(15, 5)]), Some(1)),
            // an empty layer of a wider band, and a frame after it
            (Band::Narrow, with(&next), Some(1)),
            (Band::Wide, with(&next), Some(2)),
            // layers of modes there are none of
            (Band::Wide, with(&[(15, 4)]), None),
            (Band::UltraWide, with(&[(8, 4), (10, 4), (0, 32)]), None),
            // a frame that does not begin with its narrow band, one of no mode, one cut short
            (Band::Wide, packed(&[(8, 4), (0, 20)]), None),
            (Band::Narrow, packed(&[(9, 5), (0, 20)]), None),
            (Band::Narrow, packed(&[(1, 5), (0, 20)]), None),
            // messages within the band, to the decoder and to its user
            (
                Band::Narrow,
                packed(&[&[(14, 5), (8, 4), (0, 8)], &FRAME[..]].concat()),
                Some(1),
            ),
            (
                Band::Narrow,
                packed(&[&[(13, 5), (1, 4), (0, 13)], &FRAME[..]].concat()),
                Some(1),
            ),
        ] {
            assert_eq!(
                count_frames(&payload, band),
                frames,
                "{band:?} {payload:x?}"
            );
        }
    }
}
