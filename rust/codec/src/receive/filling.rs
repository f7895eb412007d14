//! What fills the time where no packet does, and how the delay is brought to where it should be.

use super::{Filling, Receiver, State};
use crate::jitter::UNITS;
use sealtone_codec_protocol::CodecKind;

/// After so long without anything, speech is over, units.
const SPEECH_ENDS: i64 = UNITS / 4;
/// The delay is shortened only when it is too long by this much, units: one of the longest pitch periods.
const TOO_LONG: i64 = UNITS * 15 / 1_000;
/// The delay is lengthened when it is too short by this much, units.
const TOO_SHORT: i64 = UNITS * 2 / 1_000;
/// Concealment by a codec of its own is faded out from here on, units, and silent after as much again.
const FADE_FROM: i64 = UNITS / 8;

impl Receiver {
    /// Brings the delay to where it should be, by a pitch period at a time.
    pub(super) fn stretch(&mut self, at: usize, frame: &mut Vec<i16>, excess: i64) {
        let rate = self.voice.rate();
        let unit = UNITS / i64::from(rate);
        let since_ms = self.since_stretch * 1_000 / UNITS;
        // What is not there cannot be taken out, whatever timestamps say.
        let there = self.out_end() - self.given + self.jitter.len() as i64 * self.packet_length;
        let excess = excess.min(there);
        if excess >= TOO_LONG {
            let (pace_ms, least) = match excess * 1_000 / UNITS {
                ..40 => (200, 0.85),
                40..100 => (60, 0.6),
                _ => (0, 0.3),
            };
            if since_ms < pace_ms {
                return;
            }
            // Two pitch periods of a deep voice do not fit into one short packet.
            if (frame.len() as i64) * unit < UNITS * 30 / 1_000 {
                self.decode_next_too(at, frame);
            }
            let gone = self.voice.shorten(frame, (excess / unit) as usize, least);
            self.note_stretch(gone);
        } else if excess < -TOO_SHORT && since_ms >= 40 {
            let least = if excess < -2 * TOO_LONG { 0.4 } else { 0.65 };
            let more = self.voice.lengthen(frame, least);
            self.note_stretch(more);
        }
    }

    fn note_stretch(&mut self, samples: usize) {
        if samples > 0 {
            self.since_stretch = 0;
            self.stats.stretched += 1;
        }
    }

    fn decode_next_too(&mut self, at: usize, frame: &mut Vec<i16>) {
        let goes_on = self.jitter.first().is_some_and(|next| {
            next.payload_type == self.formats[at].payload_type
                && next.position == self.cursor
                && !next.fresh
        });
        if goes_on && let Some(next) = self.jitter.take() {
            let before = frame.len();
            if self.decode_into(at, &next, frame) {
                let unit = UNITS / i64::from(self.voice.rate());
                self.cursor += (frame.len() - before) as i64 * unit;
            } else {
                self.stats.discarded += 1;
            }
            self.jitter.recycle(next.payload);
        }
    }

    /// Nothing is there: in speech the time is filled, and does not count as gone.
    pub(super) fn fill_time(&mut self, length: i64) {
        if self.state == State::Pause {
            self.fill_pause(length);
            return;
        }
        let length = self.whole_frames(length);
        self.conceal(length);
        self.held += length;
        if self.held >= SPEECH_ENDS {
            self.state = State::Pause;
            self.filling = Filling::Silence;
        }
    }

    /// A codec's own concealment comes in whole frames: what was left over would be lost to it.
    fn whole_frames(&self, length: i64) -> i64 {
        let frame_ms = self.present.map_or(0, |at| {
            let spec = &self.formats[at].spec;
            match spec.kind {
                CodecKind::Opus | CodecKind::G729 => 10,
                CodecKind::Silk | CodecKind::Speex => 20,
                CodecKind::Ilbc => i64::from(spec.frame_ms),
                _ => 0,
            }
        });
        if frame_ms == 0 {
            return length;
        }
        let frame = frame_ms * UNITS / 1_000;
        (length + frame - 1) / frame * frame
    }

    /// Packets are missing before the next one, which is `gap` later than what is there.
    pub(super) fn fill_gap(&mut self, gap: i64) {
        let length = gap.min(self.packet_length.max(UNITS / 200));
        self.cursor += self.held + length;
        self.held = 0;
        // What the next packet carries of the one before it fits only right before it.
        if gap <= self.packet_length * 3 / 2 && self.restore(gap) {
            self.cursor += gap - length;
            return;
        }
        self.conceal(length);
    }

    fn restore(&mut self, gap: i64) -> bool {
        let Some(at) = self.present else {
            return false;
        };
        let format = &mut self.formats[at];
        let Some(next) = self.jitter.first() else {
            return false;
        };
        let Some(decoder) = &mut format.decoder else {
            return false;
        };
        if next.payload_type != format.payload_type {
            return false;
        }
        let count = (gap / (UNITS / i64::from(format.spec.sample_rate))) as usize;
        self.frame.clear();
        if !decoder.decode_fec(&next.payload, count, &mut self.frame) {
            format.fec_tries = format.fec_tries.saturating_add(1);
            return false;
        }
        format.fec_tries = 0;
        self.stats.fec_used += 1;
        self.concealed = 0;
        self.voice.give(&mut self.frame, &mut self.out);
        true
    }

    /// Makes up `length` of sound, by the codec if it can.
    pub(super) fn conceal(&mut self, length: i64) {
        self.stats.concealed_ms += (length * 1_000 / UNITS) as u64;
        let rate = self.voice.rate();
        let unit = UNITS / i64::from(rate);
        let count = ((length + unit - 1) / unit).max(1) as usize;
        self.frame.clear();
        let by_codec = self.present.is_some_and(|at| {
            self.formats[at]
                .decoder
                .as_mut()
                .is_some_and(|decoder| decoder.conceal(count, &mut self.frame))
        });
        if by_codec {
            for (index, sample) in self.frame.iter_mut().enumerate() {
                let since = self.concealed + index as i64 * unit - FADE_FROM;
                if since > 0 {
                    let gain = 1.0 - (since as f32 / FADE_FROM as f32).min(1.0);
                    *sample = (f32::from(*sample) * gain) as i16;
                }
            }
            self.voice.give(&mut self.frame, &mut self.out);
        } else {
            self.voice.conceal(count, &mut self.out);
        }
        self.concealed += length;
    }

    /// A pause goes on for `length`.
    pub(super) fn fill_pause(&mut self, length: i64) {
        let unit = UNITS / i64::from(self.voice.rate());
        let length = if self.filling == Filling::Decoder {
            self.whole_frames(length)
        } else {
            length
        };
        let count = ((length + unit - 1) / unit).max(1) as usize;
        self.frame.clear();
        match self.filling {
            Filling::Noise => self.noise.extend(count, &mut self.frame),
            Filling::Decoder => {
                let decoder = self
                    .present
                    .and_then(|at| self.formats[at].decoder.as_mut());
                if !decoder.is_some_and(|decoder| decoder.conceal(count, &mut self.frame)) {
                    self.filling = Filling::Silence;
                }
            }
            Filling::Silence => {}
        }
        if self.filling == Filling::Silence {
            self.voice.conceal(count, &mut self.out);
        } else {
            self.voice.give(&mut self.frame, &mut self.out);
        }
    }

    /// While a key is told of by events, its tones are not heard too.
    pub(super) fn mute_events(&mut self, sound: &mut [i16]) {
        let wanted = if self.events.is_active() { 0.0 } else { 1.0 };
        if wanted > 0.0 && self.event_gain >= 1.0 {
            return;
        }
        let ramp = 500.0 / self.sample_rate as f32;
        for sample in sound {
            self.event_gain =
                (self.event_gain + (wanted - self.event_gain).clamp(-ramp, ramp)).clamp(0.0, 1.0);
            *sample = (f32::from(*sample) * self.event_gain) as i16;
        }
    }
}
