//! Sound in, RTP payloads out.
//!
//! The media clock is our own: it goes on by one packet for each packet's worth of sound that comes in, whether a packet
//! is sent for it or not. Sequence number, SSRC and the random start of the timestamp are the business of who sends.

use std::collections::VecDeque;

use crate::codec::{Codec, CodecError, g722, open};
use crate::conceal::{Concealment, HISTORY_MS};
use crate::event::code_of;
use crate::noise::{VoiceActivity, describe};
use crate::resample::Resampler;
use crate::stretch::{join, loudness, samples};
use crate::tone::Tone;
use sealtone_codec_protocol::{CodecKind, CodecSpec, TelephoneEvent};

/// Digits that wait to be sent; more are dropped.
const MOST_DIGITS: usize = 64;
/// Packets that wait to be taken; then the oldest are dropped.
const MOST_OUTGOING: usize = 64;
/// The shortest and the longest digit that is sent, milliseconds (ITU-T Q.24: 40 ms are recognised).
const DIGIT_MS: std::ops::RangeInclusive<u32> = 50..=8_000;
/// Silence between two digits that are sent as tones, milliseconds.
const BETWEEN_TONES_MS: u32 = 60;
/// Loudness of events, minus dBm0.
const EVENT_VOLUME: u8 = 10;
/// How often the last packet of an event is sent (RFC 4733 section 2.5.1.4).
const ENDS: u8 = 3;
/// Comfort noise is described again after so long, milliseconds, or when it has become so much louder or quieter.
const NOISE_EVERY_MS: u32 = 400;
const NOISE_CHANGE: f32 = 1.6;
/// How long one source of sound passes into another, milliseconds.
const JOIN_MS: u32 = 8;
/// More than filters are late, milliseconds.
const RATE_CHANGE_MS: u32 = 15;

/// What a leg is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct TransmitterConfig {
    /// Payload type of the voice.
    pub payload_type: u8,
    /// Its codec. `dtx` is also what permits comfort noise.
    pub spec: CodecSpec,
    /// Payload type of telephone-event and its clock rate, Hz. Without it digits are sent as tones.
    pub telephone_event: Option<(u8, u32)>,
    /// Payload type of comfort noise.
    pub comfort_noise: Option<u8>,
}

/// A packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// RTP's payload type.
    pub payload_type: u8,
    /// Whether a talk spurt or an event begins.
    pub marker: bool,
    /// RTP's timestamp, counted from 0.
    pub timestamp: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A packet on its way, and the sound that it still has to be made of.
struct Queued {
    packet: Outgoing,
    sound: Option<Vec<i16>>,
}

/// A digit on its way.
enum Sending {
    Event {
        payload_type: u8,
        /// The event's own clock, Hz.
        clock_rate: u32,
        code: u8,
        /// Where its present segment began, on the voice's clock.
        timestamp: u32,
        /// Units of the event's clock that have passed, of the present segment and before it.
        passed: u32,
        before: u32,
        total: u32,
        ends: u8,
        marker: bool,
    },
    Tone {
        tone: Tone,
        silence: usize,
    },
}

/// One stream's sending. Pure.
pub struct Transmitter {
    config: TransmitterConfig,
    encoder: Box<dyn Codec>,
    pending: Vec<i16>,
    history: Vec<i16>,
    source_changes: bool,
    timestamp: u32,
    marker: bool,
    digits: VecDeque<(char, u32)>,
    sending: Option<Sending>,
    activity: VoiceActivity,
    plays: bool,
    /// A sound of ours is in what waits for the rest of its packet.
    played: bool,
    noise: Option<(f32, u32)>,
    outgoing: VecDeque<Queued>,
    expected_loss: u8,
}

impl Transmitter {
    /// Begins with a talk spurt.
    ///
    /// # Errors
    /// The codec is missing here, or is none.
    pub fn new(config: TransmitterConfig) -> Result<Self, CodecError> {
        let encoder = open_encoder(&config)?;
        Ok(Self {
            config,
            encoder,
            pending: Vec::new(),
            history: Vec::new(),
            source_changes: false,
            timestamp: 0,
            marker: true,
            digits: VecDeque::new(),
            sending: None,
            activity: VoiceActivity::default(),
            plays: false,
            played: false,
            noise: None,
            outgoing: VecDeque::new(),
            expected_loss: 0,
        })
    }

    /// Goes on with another codec or other payload types. The timestamp goes on; digits on their way are sent as they
    /// were begun.
    ///
    /// # Errors
    /// As `new`; nothing was changed then.
    pub fn reconfigure(&mut self, config: TransmitterConfig) -> Result<(), CodecError> {
        if config.spec != self.config.spec {
            let (from, to) = (self.config.spec.sample_rate, config.spec.sample_rate);
            let goes_on = config.spec.is_like(&self.config.spec);
            if goes_on && self.encoder.as_g722().is_some() {
                // What is sent is later than its sound by as much as its filters are long.
                let earlier_us = g722::delay_us(from) as i64 - g722::delay_us(to) as i64;
                self.encode_all();
                let before = self.resample(to, earlier_us);
                if let Some(encoder) = self.encoder.as_g722() {
                    encoder.set_rate(to, &before);
                }
                self.source_changes = true;
            } else {
                let encoder = open_encoder(&config)?;
                self.encode_all();
                self.encoder = encoder;
                self.encoder.expect_loss(self.expected_loss);
                self.resample(to, 0);
                self.marker = true;
            }
            if from != to && matches!(self.sending, Some(Sending::Tone { .. })) {
                self.sending = None;
            }
            self.noise = None;
        }
        self.config = config;
        Ok(())
    }

    /// Brings what waits, and what was before it, to the rate `to`, where it ends by `earlier_us` before its time. Returns
    /// what was encoded last.
    fn resample(&mut self, to: u32, earlier_us: i64) -> Vec<i16> {
        let from = self.config.spec.sample_rate;
        let mut sound = std::mem::take(&mut self.history);
        let waiting = std::mem::take(&mut self.pending);
        if sound.len() < waiting.len() {
            sound.clone_from(&waiting);
        }
        let at_new_rate = |count: usize| count as i64 * i64::from(to) / i64::from(from);
        let (all, waiting) = (at_new_rate(sound.len()), at_new_rate(waiting.len()));
        // The filter gives the end of it only after some more.
        let more = samples(from, RATE_CHANGE_MS);
        Concealment::new(&sound, from).extend(more, &mut sound);
        let mut resampler = Resampler::new(from, to);
        resampler.process(&sound, &mut self.history);
        let late_us = resampler.delay_us(from) as i64 - earlier_us;
        let end = (all + late_us * i64::from(to) / 1_000_000).max(waiting) as usize;
        self.history.truncate(end);
        let before = end.saturating_sub(waiting as usize).min(self.history.len());
        self.pending = self.history.split_off(before);
        let encoded = self.history.clone();
        self.history.extend_from_slice(&self.pending);
        encoded
    }

    /// What it sends, and how.
    #[must_use]
    pub fn config(&self) -> &TransmitterConfig {
        &self.config
    }

    /// How much of what is sent gets lost, percent, as RTCP says.
    pub fn expect_loss(&mut self, percent: u8) {
        if percent != self.expected_loss {
            self.expected_loss = percent;
            self.encoder.expect_loss(percent);
        }
    }

    /// What is pushed next comes from somewhere else; it is joined without a click.
    pub fn source_changes(&mut self) {
        self.source_changes = true;
    }

    /// Whether what is pushed next is a sound of ours, music for example, of which nothing is taken for silence.
    pub fn plays(&mut self, plays: bool) {
        self.plays = plays;
    }

    /// So many samples' time passes without any sound, and without anything being sent.
    pub fn skip(&mut self, count: usize) {
        let all = self.pending.len() + count;
        let length = self.config.spec.packet_samples().max(1);
        self.pending.clear();
        self.pending.resize(all % length, 0);
        let passed = (all / length) as u64 * u64::from(self.packet_units());
        self.timestamp = self.timestamp.wrapping_add(passed as u32);
        self.marker = true;
        self.source_changes = true;
    }

    /// Takes sound, of any length, at the spec's `sample_rate`.
    pub fn push(&mut self, sound: &[i16]) {
        let from = self.pending.len();
        self.pending.extend_from_slice(sound);
        if self.source_changes && !sound.is_empty() {
            self.source_changes = false;
            let rate = self.config.spec.sample_rate;
            let mut tail = Vec::new();
            Concealment::new(&self.history, rate).extend(samples(rate, JOIN_MS), &mut tail);
            join(&tail, &mut self.pending[from..]);
        }
        let kept = samples(self.config.spec.sample_rate, HISTORY_MS);
        self.history.extend_from_slice(&self.pending[from..]);
        if self.history.len() > 2 * kept {
            self.history.drain(..self.history.len() - kept);
        }
        let length = self.config.spec.packet_samples().max(1);
        let mut pending = std::mem::take(&mut self.pending);
        let whole = pending.len() / length * length;
        self.played |= self.plays;
        for packet in pending[..whole].chunks_exact_mut(length) {
            let plays = std::mem::replace(&mut self.played, self.plays);
            self.send_packet(packet, plays);
            self.timestamp = self.timestamp.wrapping_add(self.packet_units());
        }
        pending.drain(..whole);
        self.played &= !pending.is_empty();
        self.pending = pending;
    }

    /// Sends a digit in place of the sound that comes next, once those before it are sent: as an event (RFC 4733), or as
    /// tones where the far side knows no events.
    pub fn send_digit(&mut self, digit: char, duration_ms: u32) {
        if code_of(digit).is_some() && self.digits.len() < MOST_DIGITS {
            let duration_ms = duration_ms.clamp(*DIGIT_MS.start(), *DIGIT_MS.end());
            self.digits.push_back((digit, duration_ms));
        }
    }

    /// The next packet to send, if there is one.
    pub fn take(&mut self) -> Option<Outgoing> {
        let Queued { mut packet, sound } = self.outgoing.pop_front()?;
        if let Some(sound) = sound {
            encode(&mut *self.encoder, &sound, &mut packet);
        }
        Some(packet)
    }

    /// Whether the next packet is still to be encoded, and can be with others': [`Transmitter::encode_together`].
    #[must_use]
    pub fn can_wait(&self) -> bool {
        self.outgoing
            .front()
            .is_some_and(|next| next.sound.is_some())
    }

    /// Encodes the next packet of each that can wait, which costs less than one after the other.
    pub fn encode_together(transmitters: &mut [&mut Self]) {
        let mut packets: Vec<g722::Encoding<'_>> = transmitters
            .iter_mut()
            .filter_map(|one| {
                let Queued { packet, sound } = one.outgoing.front_mut()?;
                let sound = sound.as_deref()?;
                Some((one.encoder.as_g722()?, sound, &mut packet.payload))
            })
            .collect();
        g722::encode_together(&mut packets);
        for one in transmitters {
            if let Some(next) = one.outgoing.front_mut() {
                next.sound = None;
            }
        }
    }

    /// Encodes what waits.
    fn encode_all(&mut self) {
        for Queued { packet, sound } in &mut self.outgoing {
            if let Some(sound) = sound.take() {
                encode(&mut *self.encoder, &sound, packet);
            }
        }
    }

    /// Timestamp units of a packet.
    fn packet_units(&self) -> u32 {
        let spec = &self.config.spec;
        (spec.packet_samples() as u64 * u64::from(spec.clock_rate)
            / u64::from(spec.sample_rate.max(1))) as u32
    }

    /// `plays`: something in it is a sound of ours.
    fn send_packet(&mut self, sound: &mut [i16], plays: bool) {
        if self.sending.is_none() {
            self.begin_digit();
        }
        match &mut self.sending {
            None => {}
            Some(Sending::Event { .. }) => {
                self.go_on_with_event();
                return;
            }
            Some(Sending::Tone { tone, silence }) => {
                let mut made = Vec::with_capacity(sound.len());
                tone.extend(sound.len(), &mut made);
                let quiet = (sound.len() - made.len()).min(*silence);
                *silence -= quiet;
                let replaced = made.len() + quiet;
                made.resize(replaced, 0);
                sound[..replaced].copy_from_slice(&made);
                if *silence == 0 {
                    self.sending = None;
                    // Of the voice, the rest of this packet would begin with a click.
                    sound[replaced..].fill(0);
                    self.history.clear();
                    self.source_changes = true;
                }
                self.send_voice(sound, true);
                return;
            }
        }
        if plays || !self.send_noise_instead(sound) {
            self.send_voice(sound, plays);
        }
    }

    fn send_voice(&mut self, sound: &[i16], plays: bool) {
        self.noise = None;
        self.encoder.leave_out_silence(!plays);
        if self.encoder.as_g722().is_some() {
            let marker = std::mem::take(&mut self.marker);
            self.send(self.config.payload_type, marker, self.timestamp, Vec::new());
            if let Some(last) = self.outgoing.back_mut() {
                last.sound = Some(sound.to_vec());
            }
            return;
        }
        let mut payload = Vec::with_capacity(sound.len());
        if self.encoder.encode(sound, &mut payload).is_err() || payload.is_empty() {
            // Nothing to be sent; what comes after is a new talk spurt.
            self.marker = true;
            return;
        }
        let marker = std::mem::take(&mut self.marker);
        // G.729 leaves out what is silent before a voice that begins within a packet (RFC 3551 section 4.5.6).
        let spec = &self.config.spec;
        let is_voice_alone = spec.kind == CodecKind::G729 && payload.len() % 10 == 0;
        let silent = match self.encoder.samples_in(&payload) {
            Some(samples) if is_voice_alone => spec.packet_samples().saturating_sub(samples),
            _ => 0,
        };
        let timestamp = self.timestamp.wrapping_add(silent as u32);
        self.send(self.config.payload_type, marker, timestamp, payload);
    }

    /// Says what silence sounds like, for codecs that cannot say it in their own way. Returns whether this is silence.
    fn send_noise_instead(&mut self, sound: &[i16]) -> bool {
        let spec = self.config.spec;
        let by_itself = matches!(
            spec.kind,
            CodecKind::Opus | CodecKind::G729 | CodecKind::Speex | CodecKind::Silk
        );
        let Some(payload_type) = self.config.comfort_noise else {
            return false;
        };
        if !spec.dtx || by_itself {
            return false;
        }
        let ms = u32::from(spec.packet_ms);
        if self.activity.is_voice(sound, ms) {
            return false;
        }
        let loud = loudness(sound);
        let again = self.noise.is_none_or(|(told, since_ms)| {
            let change = (loud + 1.0) / (told + 1.0);
            since_ms >= NOISE_EVERY_MS || !(1.0 / NOISE_CHANGE..NOISE_CHANGE).contains(&change)
        });
        if again {
            let mut payload = Vec::new();
            describe(sound, &mut payload);
            self.send(payload_type, false, self.timestamp, payload);
            self.noise = Some((loud, ms));
        } else if let Some((_, since_ms)) = &mut self.noise {
            *since_ms += ms;
        }
        self.marker = true;
        true
    }

    fn begin_digit(&mut self) {
        let Some((digit, duration_ms)) = self.digits.pop_front() else {
            return;
        };
        self.sending = match (self.config.telephone_event, code_of(digit)) {
            (Some((payload_type, clock_rate)), Some(code)) => Some(Sending::Event {
                payload_type,
                clock_rate,
                code,
                timestamp: self.timestamp,
                passed: 0,
                before: 0,
                total: (u64::from(duration_ms) * u64::from(clock_rate) / 1_000) as u32,
                ends: ENDS,
                marker: true,
            }),
            _ => {
                let rate = self.config.spec.sample_rate;
                Tone::new(digit, duration_ms, rate).map(|tone| Sending::Tone {
                    tone,
                    silence: samples(rate, BETWEEN_TONES_MS),
                })
            }
        };
    }

    fn go_on_with_event(&mut self) {
        let spec = self.config.spec;
        let Some(Sending::Event {
            payload_type,
            clock_rate: event_clock,
            code,
            timestamp,
            passed,
            before,
            total,
            ends,
            marker,
        }) = &mut self.sending
        else {
            return;
        };
        let step = u32::from(spec.packet_ms) * (*event_clock / 1_000);
        *passed = (*passed + step.max(1)).min(*total);
        let mut packets = Vec::new();
        let event = |duration, end| TelephoneEvent {
            code: *code,
            end,
            volume: EVENT_VOLUME,
            duration,
        };
        if *passed - *before > u32::from(u16::MAX) {
            // Another segment begins (RFC 4733 section 2.5.1.3).
            packets.push((*timestamp, event(u16::MAX, false)));
            *before += u32::from(u16::MAX);
            let units =
                u64::from(u16::MAX) * u64::from(spec.clock_rate) / u64::from((*event_clock).max(1));
            *timestamp = timestamp.wrapping_add(units as u32);
        }
        let end = *passed == *total;
        packets.push((*timestamp, event((*passed - *before) as u16, end)));
        let (payload_type, mut first) = (*payload_type, std::mem::take(marker));
        if end {
            *ends -= 1;
        }
        if *ends == 0 {
            self.sending = None;
            self.marker = true;
            self.history.clear();
            self.source_changes = true;
        }
        for (timestamp, event) in packets {
            let marker = std::mem::take(&mut first);
            self.send(payload_type, marker, timestamp, event.octets().to_vec());
        }
    }

    fn send(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: Vec<u8>) {
        if self.outgoing.len() == MOST_OUTGOING {
            self.outgoing.pop_front();
        }
        self.outgoing.push_back(Queued {
            packet: Outgoing {
                payload_type,
                marker,
                timestamp,
                payload,
            },
            sound: None,
        });
    }
}

/// For codecs that encode every sound of a packet's length.
fn encode(encoder: &mut dyn Codec, sound: &[i16], packet: &mut Outgoing) {
    let encoded = encoder.encode(sound, &mut packet.payload);
    debug_assert!(encoded.is_ok(), "a whole packet");
}

fn open_encoder(config: &TransmitterConfig) -> Result<Box<dyn Codec>, CodecError> {
    if config.spec.packet_samples() == 0 {
        return Err(CodecError::BadSpec("a packet without sound"));
    }
    open(&config.spec)
}
