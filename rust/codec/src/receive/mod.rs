//! RTP packets in, sound out.
//!
//! Packets wait in the [`JitterBuffer`] until their sound is due. Whoever takes sound takes it in blocks of any length,
//! at its own pace, and always gets what it asked for. Each time something is lacking, one step is made ([`Receiver::step`]):
//! the next packet is decoded, or the gap before it is filled, out of the redundancy it carries or by concealment, or
//! there is a pause, filled with the noise that the sender described, or silence.
//!
//! Two states: in *speech* each packet goes on from the one before. Where nothing has come in time, concealment fills
//! the time, and what comes late is still played (the delay has become longer, and is shortened again when it can be).
//! Where a packet is missing and a later one is there, the gap is filled. In a *pause* the next packet waits until it is
//! due by the delay that [`Delay`] wants, which so is set anew without anybody hearing it.

mod filling;
mod stats;

pub use stats::ReceiverStats;

use crate::codec::{Codec, g722, open};
use crate::event::Digit;
use crate::jitter::{Arrival, Delay, GUARD_US, JitterBuffer, Packet, Pushed, UNITS};
use crate::noise::ComfortNoise;
use crate::tone::ToneDetector;
use crate::voice::Voice;
use sealtone_codec_protocol::{CodecKind, CodecSpec, EventReader, Press};

/// So much time is filled at once where nothing is there, units.
const FILL: i64 = UNITS / 50;
/// A gap longer than this is a pause and not a loss, units.
const LONGEST_GAP: i64 = UNITS;
/// What is further behind its time than this is given up, units.
const LONGEST_BEHIND: i64 = UNITS / 2;
/// Looks at FEC without finding any, after which it is no longer waited for.
const FEC_TRIES: u32 = 6;
/// Arrivals between two blocks that count for the delay; a burst of more says nothing new.
const MOST_ARRIVALS: usize = 64;
/// Digits that wait to be fetched; more are dropped.
const MOST_PRESSED: usize = 64;
/// Nobody has taken sound for this long: what is here is old.
const STANDSTILL: i64 = UNITS / 5;

/// What a leg's payload types stand for, and what is to become of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceiverConfig {
    /// Payload types and what they stand for; telephone-event and cn among them.
    pub formats: Vec<(u8, CodecSpec)>,
    /// The rate of the sound that is given out, Hz: 8000, 12000, 16000, 24000, 32000 or 48000.
    pub sample_rate: u32,
    /// Whether DTMF is looked for in the sound, told as digits and taken out of it: where the other leg gets events.
    pub detect_tones: bool,
}

struct Format {
    payload_type: u8,
    spec: CodecSpec,
    /// From the first packet on that it is needed for.
    decoder: Option<Box<dyn Codec>>,
    /// FEC was looked for so many times since it was last found.
    fec_tries: u32,
}

impl Format {
    /// The decoder, opened where there is none yet; None where the codec is not here.
    fn opened(&mut self) -> Option<&mut dyn Codec> {
        if self.decoder.is_none() {
            self.decoder = open(&self.spec).ok();
        }
        match &mut self.decoder {
            Some(decoder) => Some(&mut **decoder),
            None => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Speech,
    Pause,
}

/// What is heard in a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    /// The end of what was before, then silence.
    Silence,
    /// Noise as a comfort-noise packet described it.
    Noise,
    /// What the decoder makes of it: its sender says silence in the codec's own way.
    Decoder,
}

/// A packet that was decoded before its turn came.
#[derive(Default)]
struct Ahead {
    sequence: Option<u64>,
    sound: Vec<i16>,
}

/// One stream's reception. Pure: the time is an argument.
pub struct Receiver {
    sample_rate: u32,
    formats: Vec<Format>,
    jitter: JitterBuffer,
    delay: Delay,
    arrivals: Vec<(i64, u64)>,
    events: EventReader,
    pressed: Vec<Digit>,
    tones: Option<ToneDetector>,
    noise: ComfortNoise,
    voice: Voice,
    /// The format that was decoded last.
    present: Option<usize>,
    state: State,
    filling: Filling,
    out: Vec<i16>,
    /// Media time given out until the present block.
    given: i64,
    last_pull_us: Option<u64>,
    /// Where the next packet begins if it goes on from the last.
    cursor: i64,
    /// Time that was filled at the cursor, without the cursor going on.
    held: i64,
    /// Time that was filled since the last packet that was decoded.
    concealed: i64,
    /// How long the last packet was.
    packet_length: i64,
    /// Time given out since the delay was last stretched.
    since_stretch: i64,
    /// Lost packets among those expected, lately.
    loss: f32,
    frame: Vec<i16>,
    ahead: Ahead,
    event_gain: f32,
    waited: (u64, u64),
    stats: ReceiverStats,
}

impl Receiver {
    /// Nothing has come yet.
    #[must_use]
    pub fn new(config: ReceiverConfig) -> Self {
        let rate = config.sample_rate;
        let mut receiver = Self {
            sample_rate: rate,
            formats: Vec::new(),
            jitter: JitterBuffer::default(),
            delay: Delay::default(),
            arrivals: Vec::new(),
            events: EventReader::default(),
            pressed: Vec::new(),
            tones: None,
            noise: ComfortNoise::default(),
            voice: Voice::new(rate, rate),
            present: None,
            state: State::Pause,
            filling: Filling::Silence,
            out: Vec::new(),
            given: 0,
            last_pull_us: None,
            cursor: 0,
            held: 0,
            concealed: 0,
            packet_length: UNITS / 50,
            since_stretch: 0,
            loss: 0.0,
            frame: Vec::new(),
            ahead: Ahead::default(),
            event_gain: 1.0,
            waited: (0, 0),
            stats: ReceiverStats::default(),
        };
        receiver.reconfigure(config);
        receiver
    }

    /// The formats are others from now on, or the rate of what is given out. What waits and is still known is played;
    /// decoders go on where their format does.
    pub fn reconfigure(&mut self, config: ReceiverConfig) {
        let mut former = std::mem::take(&mut self.formats);
        let present = self.present.take().map(|at| former[at].payload_type);
        self.ahead.sequence = None;
        for (payload_type, spec) in config.formats {
            if spec.clock_rate == 0 || UNITS % i64::from(spec.clock_rate) != 0 {
                continue;
            }
            let same = former
                .iter_mut()
                .find(|format| format.payload_type == payload_type && format.spec.is_like(&spec));
            if present == Some(payload_type) && same.is_some() {
                self.present = Some(self.formats.len());
            }
            let decoder = same.and_then(|format| {
                let mut decoder = format.decoder.take()?;
                let goes_on = format.spec == spec || decoder.decode_at(spec.sample_rate);
                goes_on.then_some(decoder)
            });
            self.formats.push(Format {
                payload_type,
                spec,
                decoder,
                fec_tries: 0,
            });
        }
        if config.sample_rate != self.sample_rate {
            self.sample_rate = config.sample_rate;
            self.tones = None;
        }
        let rate = self
            .present
            .map_or(self.voice.rate(), |at| self.formats[at].spec.sample_rate);
        if (rate, self.sample_rate) != self.voice.rates() {
            self.voice.change(rate, self.sample_rate, &mut self.out);
        }
        if !config.detect_tones {
            self.tones = None;
        } else if self.tones.is_none() {
            self.tones = Some(ToneDetector::new(config.sample_rate));
        }
    }

    /// Takes a packet in. What is not in a format of the leg is counted and forgotten.
    pub fn push(&mut self, arrival: &Arrival) {
        let Some(at) = self.format_of(arrival.payload_type) else {
            self.stats.discarded += 1;
            return;
        };
        let format = &mut self.formats[at];
        let (kind, clock_rate) = (format.spec.kind, format.spec.clock_rate);
        let is_event = kind == CodecKind::TelephoneEvent;
        if !is_event && kind != CodecKind::ComfortNoise && format.opened().is_none() {
            self.stats.discarded += 1;
            return;
        }
        // An event's timestamp is that of its beginning, which may be long past: its sequence number alone counts.
        let pushed = self.jitter.push(arrival, clock_rate, !is_event);
        if is_event {
            if matches!(pushed, Pushed::Kept(_) | Pushed::Late(_)) {
                let (ssrc, timestamp) = (arrival.ssrc, arrival.timestamp);
                let (payload, at_us) = (arrival.payload, arrival.at_us);
                let ended = self
                    .events
                    .take(ssrc, timestamp, clock_rate, payload, at_us);
                ended
                    .into_iter()
                    .flatten()
                    .for_each(|press| self.note_press(press));
            }
            return;
        }
        let (Pushed::Kept(place) | Pushed::Late(place)) = pushed else {
            return;
        };
        if self.arrivals.len() < MOST_ARRIVALS {
            self.arrivals.push((place.position, arrival.at_us));
        }
        if place.fresh {
            self.delay.forget_drift();
        }
        self.delay.note_arrival(place.position, arrival.at_us);
    }

    /// Whether the next packet is sure to be decoded for the next `samples` of sound, which are pulled at `now_us`, and
    /// can be with those of others: [`Receiver::decode_together`].
    pub fn can_be_ahead(&mut self, samples: usize, now_us: u64) -> bool {
        let length = samples as i64 * (UNITS / i64::from(self.sample_rate));
        self.keep_up(length, now_us);
        self.settle(length, now_us);
        let Some((first, at)) = self.jitter.first().zip(self.present) else {
            return false;
        };
        let format = &self.formats[at];
        self.state == State::Speech
            && self.out.len() < samples
            && format.spec.kind == CodecKind::G722
            && format.payload_type == first.payload_type
            && first.position <= self.cursor
            && !first.fresh
            && !first.new_source
            && !self.is_far_behind(first)
            && self.ahead.sequence != Some(first.sequence)
    }

    /// Decodes the next packet of each, which can be ahead; that costs less than one after the other. It is heard when
    /// its turn comes.
    pub fn decode_together(receivers: &mut [&mut Self]) {
        let mut packets: Vec<g722::Decoding<'_>> = receivers
            .iter_mut()
            .filter_map(|one| {
                let (first, at) = one.jitter.first().zip(one.present)?;
                let decoder = one.formats[at].decoder.as_mut()?;
                decoder.samples_in(&first.payload)?;
                let decoder = decoder.as_g722()?;
                one.ahead.sequence = Some(first.sequence);
                one.ahead.sound.clear();
                Some((decoder, &first.payload[..], &mut one.ahead.sound))
            })
            .collect();
        g722::decode_together(&mut packets);
    }

    /// Appends exactly `samples` of sound. `now_us` is on the clock of the arrivals.
    pub fn pull(&mut self, samples: usize, sound: &mut Vec<i16>, now_us: u64) {
        let unit = UNITS / i64::from(self.sample_rate);
        let length = samples as i64 * unit;
        self.keep_up(length, now_us);
        self.settle(length, now_us);
        while self.out.len() < samples {
            self.step((samples - self.out.len()) as i64 * unit, now_us);
        }
        let from = sound.len();
        sound.extend(self.out.drain(..samples));
        self.given += length;
        self.since_stretch += length;
        if let Some(press) = self.events.expire(now_us) {
            self.note_press(press);
        }
        if let Some(tones) = &mut self.tones {
            tones.process(&mut sound[from..]);
        }
        self.mute_events(&mut sound[from..]);
    }

    /// The digits since the last time, each once: events (RFC 4733) and, where they are looked for, tones.
    pub fn digits(&mut self) -> Vec<Digit> {
        let mut digits = std::mem::take(&mut self.pressed);
        if let Some(tones) = &mut self.tones {
            digits.extend(tones.digits());
        }
        digits
    }

    fn note_press(&mut self, press: Press) {
        if self.pressed.len() < MOST_PRESSED {
            self.pressed.extend(Digit::of(press));
        }
    }

    /// How it goes.
    #[must_use]
    pub fn stats(&self) -> ReceiverStats {
        let counts = self.jitter.counts();
        let (waited_us, heard) = self.waited;
        ReceiverStats {
            received: counts.received,
            lost: counts.expected.saturating_sub(counts.received),
            late: counts.late,
            discarded: self.stats.discarded + counts.discarded,
            delay_ms: (waited_us / heard.max(1) / 1_000) as u32,
            drift_ppm: self.delay.drift_ppm(),
            ..self.stats
        }
    }

    fn format_of(&self, payload_type: u8) -> Option<usize> {
        self.formats
            .iter()
            .position(|format| format.payload_type == payload_type)
    }

    /// Where nobody took sound for a while, the time went on all the same, and what waited for it is old.
    fn keep_up(&mut self, length: i64, now_us: u64) {
        let passed = self.last_pull_us.map_or(0, |last_us| {
            now_us.saturating_sub(last_us).min(1 << 40) as i64 * 96 / 1_000
        });
        self.last_pull_us = Some(now_us);
        if passed <= length + STANDSTILL {
            return;
        }
        self.given += passed - length;
        self.arrivals.clear();
        let due = self.out_end() - self.target() - self.packet_length;
        while self.jitter.len() > 1
            && self
                .jitter
                .first()
                .is_some_and(|first| first.position <= due)
        {
            self.jitter.drop_first();
        }
        self.state = State::Pause;
        self.filling = Filling::Silence;
        self.voice.break_off();
    }

    /// Notes the transits of what came since the last block.
    fn settle(&mut self, length: i64, now_us: u64) {
        for (position, at_us) in self.arrivals.drain(..) {
            let barely = at_us + GUARD_US > now_us;
            self.delay
                .note(self.given - position + if barely { length } else { 0 });
        }
    }

    /// When what is made next will be heard, in media time given out.
    fn out_end(&self) -> i64 {
        self.given + self.out.len() as i64 * (UNITS / i64::from(self.sample_rate))
    }

    /// By how much sound is to be later than it was recorded.
    fn target(&self) -> i64 {
        self.delay.target().unwrap_or(0) + self.look_ahead()
    }

    /// Where packets get lost and carry what was in the one before, one more is waited for.
    fn look_ahead(&self) -> i64 {
        let useful = self.present.is_some_and(|at| {
            let format = &self.formats[at];
            matches!(format.spec.kind, CodecKind::Opus | CodecKind::Silk)
                && format.fec_tries < FEC_TRIES
        });
        if useful && self.loss > 0.003 {
            self.packet_length
        } else {
            0
        }
    }

    /// Makes some sound, or takes one packet.
    fn step(&mut self, lacking: i64, now_us: u64) {
        self.drop_what_is_far_behind();
        let (out_end, target) = (self.out_end(), self.target());
        let Some(first) = self.jitter.first() else {
            self.fill_time(lacking.min(FILL));
            return;
        };
        let (position, sequence) = (first.position, first.sequence);
        let fresh = first.fresh;
        if self.state == State::Pause {
            let wait = position + target - out_end;
            if wait > UNITS / 1_000 {
                self.fill_pause(wait.min(lacking).min(FILL));
            } else {
                self.play(now_us);
            }
            return;
        }
        let ahead = position - self.cursor;
        if fresh || ahead <= 0 {
            // After a jump of the timestamp it is mostly another source that speaks.
            if fresh || ahead != 0 || self.held > 0 {
                self.voice.break_off();
            }
            self.play(now_us);
        } else if self.jitter.missing_before(sequence) == 0 || ahead > LONGEST_GAP {
            // The sender paused: nothing is missing, and yet time has passed.
            self.state = State::Pause;
            self.filling = Filling::Silence;
        } else if ahead <= self.held {
            // All of the gap was filled while nothing was there.
            self.voice.break_off();
            self.play(now_us);
        } else {
            self.fill_gap(ahead - self.held);
        }
    }

    /// A burst after a long standstill of the network is not played minutes late.
    fn drop_what_is_far_behind(&mut self) {
        while self
            .jitter
            .first()
            .is_some_and(|first| self.is_far_behind(first))
        {
            self.jitter.drop_first();
            self.stats.discarded += 1;
            self.state = State::Pause;
            self.voice.break_off();
        }
    }

    fn is_far_behind(&self, first: &Packet) -> bool {
        let behind = self.out_end() - first.position - self.target();
        self.jitter.len() > 1 && behind > LONGEST_BEHIND
    }

    /// Takes the first packet, which is due.
    fn play(&mut self, now_us: u64) {
        let missing = self
            .jitter
            .first()
            .map_or(0, |first| self.jitter.missing_before(first.sequence));
        let Some(packet) = self.jitter.take() else {
            return;
        };
        for _ in 0..missing.min(100) {
            self.loss = self.loss * 0.99 + 0.01;
        }
        if packet.new_source {
            self.renew_decoders();
            self.voice.break_off();
        }
        if let Some(at) = self.format_of(packet.payload_type) {
            if self.formats[at].spec.kind == CodecKind::ComfortNoise {
                self.hear_noise(&packet);
            } else {
                self.decode(at, &packet, now_us);
            }
        } else {
            self.stats.discarded += 1;
        }
        self.jitter.recycle(packet.payload);
    }

    fn hear_noise(&mut self, packet: &Packet) {
        self.noise.update(&packet.payload);
        if self.state == State::Speech || self.filling != Filling::Noise {
            self.voice.break_off();
        }
        self.state = State::Pause;
        self.filling = Filling::Noise;
        self.cursor = packet.position;
        self.held = 0;
    }

    fn decode(&mut self, at: usize, packet: &Packet, now_us: u64) {
        self.turn_to(at);
        self.loss *= 0.99;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        let decoded = self.decode_into(at, packet, &mut frame);
        let unit = UNITS / i64::from(self.voice.rate());
        self.cursor = packet.position;
        self.held = 0;
        if decoded {
            let length = frame.len() as i64 * unit;
            self.cursor += length;
            if length > 0 {
                self.packet_length = length;
            }
            self.concealed = 0;
            let heard_us = now_us.saturating_sub(packet.at_us)
                + self.out.len() as u64 * 1_000_000 / u64::from(self.sample_rate);
            self.waited = (self.waited.0 + heard_us, self.waited.1 + 1);
            let resting = is_silence(self.formats[at].spec.kind, &packet.payload);
            if self.state == State::Pause && self.filling != Filling::Decoder {
                self.voice.break_off();
            }
            let excess = self.out_end() - packet.position - self.target();
            self.state = if resting { State::Pause } else { State::Speech };
            self.filling = if resting {
                Filling::Decoder
            } else {
                Filling::Silence
            };
            self.stretch(at, &mut frame, excess);
            self.voice.give(&mut frame, &mut self.out);
        } else {
            self.stats.discarded += 1;
            self.cursor += self.packet_length;
            self.conceal(self.packet_length);
        }
        self.frame = frame;
    }

    fn decode_into(&mut self, at: usize, packet: &Packet, frame: &mut Vec<i16>) -> bool {
        if self.ahead.sequence == Some(packet.sequence) {
            self.ahead.sequence = None;
            frame.append(&mut self.ahead.sound);
            return true;
        }
        self.formats[at]
            .opened()
            .is_some_and(|decoder| decoder.decode(&packet.payload, frame).is_ok())
    }

    /// From now on packets are of that format.
    fn turn_to(&mut self, at: usize) {
        if self.present == Some(at) {
            return;
        }
        self.present = Some(at);
        let rate = self.formats[at].spec.sample_rate;
        self.voice.change(rate, self.sample_rate, &mut self.out);
    }

    /// A new sender has nothing to do with what the decoders remember.
    fn renew_decoders(&mut self) {
        for format in &mut self.formats {
            format.decoder = None;
        }
    }
}

/// Whether the codec says in its own way that there is silence now, which lasts until it says otherwise.
fn is_silence(kind: CodecKind, payload: &[u8]) -> bool {
    match kind {
        // RFC 6716 section 2.1.9 (a packet of DTX has no more than its first octets).
        CodecKind::Opus => payload.len() <= 2,
        // RFC 3551 section 4.5.6: frames of ten octets, and at the end one of annex B.
        CodecKind::G729 => payload.len() % 10 == 2,
        // RFC 5574 section 3.3: a frame of mode 0 only sets the noise.
        CodecKind::Speex => payload.len() <= 2,
        _ => false,
    }
}
