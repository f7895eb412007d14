//! All legs of the process and their clocks: orders go in, time passes, reports come out.
//!
//! What a leg is sent is made by its *mouth*, tick by tick of a clock of its own: a tick pulls sound from the *ear*
//! of the leg it hears, plays what there is to play, and encodes. An ear that no mouth pulls, of a leg that is only
//! recorded or whose keys are looked for in its sound, has a clock itself. Clocks begin in different milliseconds, so that many of them do not meet.

mod ticks;
mod together;

use std::rc::Rc;

use sealtone_codec::event::{code_of, digit_of};
use sealtone_codec::{Arrival, CodecError, Digit, Transmitter, TransmitterConfig};
use sealtone_codec_protocol::{Format, LAST_DIGIT, LegId, MAX_SOUNDS, Order, Packet, Report, Sent};

use crate::leg::{DEFAULT_RATE, Leg, Legs, Mouth, period_us};
use crate::mark::Mark;
use crate::outbox::Outbox;
use crate::playback::{Playback, Sound};
use crate::recording::Recordings;
use ticks::{Kind, Tick, Ticks};

/// Legs at most; the media core has no more ports.
const MAX_LEGS: usize = 16_384;
/// Samples of all sounds at most: 64 MiB.
const MAX_SAMPLES: usize = 32 * 1_024 * 1_024;
/// A clock so far behind goes on from now; what it missed was not heard in time anyway.
const TOO_LATE_US: u64 = 200_000;
/// Ears without a mouth are pulled so often.
const EAR_PERIOD_US: u64 = 20_000;
/// Ticks of one round, in which what many legs need is done together.
const ROUND: usize = 128;
/// Statistics are told so often.
const STATISTICS_US: u64 = 1_000_000;

/// See the module.
#[derive(Default)]
pub struct Mixer {
    legs: Legs,
    recordings: Recordings,
    sounds: Vec<Option<Sound>>,
    samples: usize,
    ticks: Ticks,
    /// Legs whose next packet is encoded at the end of the round.
    unsent: Vec<LegId>,
    clock: u32,
    mark: Mark,
    statistics_at: u64,
    /// One tick's sound.
    sound: Vec<i16>,
    /// Ticks that were too late to be made up for.
    pub skipped: u64,
}

impl Mixer {
    /// One without legs. `mark` tells whose leg it works on.
    #[must_use]
    pub fn new(mark: Mark) -> Self {
        Self {
            mark,
            ..Self::default()
        }
    }

    /// Obeys an order. Times are microseconds of the monotonic clock.
    pub fn obey(&mut self, order: Order<'_>, now: u64, out: &mut Outbox) {
        self.mark.set(order.leg().unwrap_or(0));
        match order {
            Order::Packet(packet) => self.take(&packet, now),
            Order::SetUp {
                leg,
                formats,
                transmit,
            } => self.set_up(leg, formats, transmit, now, out),
            Order::Hear { leg, source } => self.hear(leg, source, now, out),
            Order::Hush { leg } => self.hush(leg, now),
            Order::Play {
                leg,
                playing,
                repeat,
                over,
                sounds,
            } => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.playback = Some(Playback::new(playing, repeat, over, sounds));
                }
            }
            Order::StopPlaying { leg } => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.playback = None;
                }
            }
            Order::Sound {
                sound,
                rate,
                samples,
                from,
                pcm,
            } => self.load(sound, rate, samples, from, pcm),
            Order::Digit {
                leg,
                digit,
                duration_ms,
            } => {
                if let Some(mouth) = self.mouth(leg)
                    && let Some(digit) = digit_of(digit)
                {
                    mouth.transmitter.send_digit(digit, u32::from(duration_ms));
                }
            }
            Order::Record {
                recording,
                left,
                right,
                format,
            } => {
                let legs = [Some(left), right];
                self.recordings
                    .begin(recording, legs, format, &mut self.legs, now, out);
                for leg in legs.into_iter().flatten() {
                    self.wind_ear(leg, now);
                }
            }
            Order::StopRecording { recording } => {
                self.recordings.end(recording, &mut self.legs, now, out);
            }
            Order::ExpectLoss { leg, percent } => {
                if let Some(mouth) = self.mouth(leg) {
                    mouth.transmitter.expect_loss(percent);
                }
            }
            Order::Close { leg } => self.close(leg, now, out),
        }
    }

    /// When [`Mixer::advance`] has something to do next.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.ticks.next_due()
    }

    /// Lets every clock tick that is due by `now`.
    pub fn advance(&mut self, now: u64, out: &mut Outbox) {
        loop {
            let due = self.take_due(now);
            if due.is_empty() {
                break;
            }
            self.decode_ahead(&due, now);
            for &tick in &due {
                self.tick(tick, now, out);
            }
            self.send_unsent(out);
        }
        self.mark.clear();
        if now >= self.statistics_at {
            self.statistics_at = now + STATISTICS_US;
            for (&id, leg) in &mut self.legs {
                tell_statistics(id, leg, out);
            }
        }
    }

    /// Takes up to [`ROUND`] of the ticks that are due.
    fn take_due(&mut self, now: u64) -> Vec<Tick> {
        let mut due = Vec::new();
        while due.len() < ROUND
            && let Some(tick) = self.ticks.take(now)
        {
            due.push(tick);
        }
        due
    }

    fn tick(&mut self, (due, id, kind, clock): Tick, now: u64, out: &mut Outbox) {
        let period = match kind {
            Kind::Mouth => self.tick_mouth(id, clock, now, out),
            Kind::Ear => self.tick_ear(id, clock, now, out),
        };
        let Some(period) = period else {
            return;
        };
        let mut next = due + period;
        if next + TOO_LATE_US < now {
            let missed = (now - next) / period + 1;
            self.skipped += missed;
            next += missed * period;
            if kind == Kind::Mouth
                && let Some(mouth) = self.mouth(id)
            {
                mouth.transmitter.skip(mouth.samples * missed as usize);
            }
        }
        self.ticks.push((next, id, kind, clock));
    }

    // ---- legs ----

    fn set_up(
        &mut self,
        id: LegId,
        formats: Vec<Format>,
        transmit: Vec<Format>,
        now: u64,
        out: &mut Outbox,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else {
            if self.legs.len() < MAX_LEGS {
                self.legs.insert(id, Leg::new(formats, transmit));
            }
            return;
        };
        leg.tune(formats, leg.ear_rate);
        leg.transmit = transmit;
        let (hears, heard_by) = (leg.mouth.as_ref().map(|mouth| mouth.source), leg.heard_by);
        if let Some(source) = hears {
            self.hear(id, source, now, out);
        }
        if let Some(hearer) = heard_by.filter(|&hearer| hearer != id) {
            self.hear(hearer, Some(id), now, out);
        }
    }

    /// Opens a leg's mouth, or has it say something else. The stream of packets goes on.
    fn hear(&mut self, id: LegId, source: Option<LegId>, now: u64, out: &mut Outbox) {
        let source = source.filter(|source| self.legs.contains_key(source));
        let rate = source
            .and_then(|source| self.legs.get(&source))
            .map_or(DEFAULT_RATE, Leg::natural_rate);
        let Some(config) = self.legs.get(&id).and_then(|leg| leg.mouth_config(rate)) else {
            self.hush(id, now);
            return out.add(&Report::Fault {
                leg: id,
                reason: "no voice codec is agreed on for what it is sent",
            });
        };
        let rate = config.spec.sample_rate;
        let former = self.mouth(id).and_then(|mouth| mouth.source);
        self.leave(id, now);
        if let Err(error) = self.tune_mouth(id, config, now) {
            self.hush(id, now);
            return out.add(&Report::Fault {
                leg: id,
                reason: &error.to_string(),
            });
        }
        if let Some(mouth) = self.mouth(id) {
            mouth.source = source;
            if former != source {
                mouth.transmitter.source_changes();
            }
        }
        if let Some(source) = source
            && let Some(ear) = self.legs.get_mut(&source)
        {
            let former = ear.heard_by.replace(id).filter(|&former| former != id);
            ear.ear_clock = None;
            let formats = ear.formats.clone();
            ear.tune(formats, rate);
            if let Some(former) = former.and_then(|former| self.mouth(former)) {
                former.source = None;
            }
        }
    }

    fn tune_mouth(
        &mut self,
        id: LegId,
        config: TransmitterConfig,
        now: u64,
    ) -> Result<(), CodecError> {
        let (period_us, rate) = (period_us(&config.spec), config.spec.sample_rate);
        let clock = self.new_clock();
        let Some(leg) = self.legs.get_mut(&id) else {
            return Ok(());
        };
        let samples = (u64::from(rate) * period_us / 1_000_000) as usize;
        let winds = match &mut leg.mouth {
            Some(mouth) => {
                if *mouth.transmitter.config() != config {
                    mouth.transmitter.reconfigure(config)?;
                }
                let winds = mouth.period_us != period_us;
                if winds {
                    mouth.clock = clock;
                }
                (mouth.period_us, mouth.samples) = (period_us, samples);
                winds
            }
            None => {
                leg.mouth = Some(Mouth {
                    transmitter: Transmitter::new(config)?,
                    source: None,
                    period_us,
                    samples,
                    clock,
                    stream: clock,
                });
                true
            }
        };
        if winds {
            self.ticks.begin(now, id, Kind::Mouth, clock);
        }
        Ok(())
    }

    fn hush(&mut self, id: LegId, now: u64) {
        self.leave(id, now);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.mouth = None;
            leg.playback = None;
        }
    }

    /// Ends what the leg's mouth hears.
    fn leave(&mut self, id: LegId, now: u64) {
        let source = self.mouth(id).and_then(|mouth| mouth.source.take());
        if let Some(source) = source
            && let Some(ear) = self.legs.get_mut(&source)
            && ear.heard_by == Some(id)
        {
            ear.heard_by = None;
            // For its keys alone, with the next packet.
            if !ear.recordings.is_empty() {
                self.wind_ear(source, now);
            }
        }
    }

    /// Gives an ear a clock of its own, where it is needed and has none.
    fn wind_ear(&mut self, id: LegId, now: u64) {
        let is_wanted =
            |leg: &Leg| leg.heard_by.is_none() && leg.ear_clock.is_none() && leg.needs_ear();
        if !self.legs.get(&id).is_some_and(is_wanted) {
            return;
        }
        let clock = self.new_clock();
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.ear_clock = Some(clock);
            self.ticks.begin(now, id, Kind::Ear, clock);
        }
    }

    fn close(&mut self, id: LegId, now: u64, out: &mut Outbox) {
        self.hush(id, now);
        let Some(mut leg) = self.legs.remove(&id) else {
            return;
        };
        tell_statistics(id, &mut leg, out);
        if let Some(hearer) = leg.heard_by.and_then(|hearer| self.mouth(hearer)) {
            hearer.source = None;
        }
    }

    fn mouth(&mut self, id: LegId) -> Option<&mut Mouth> {
        self.legs.get_mut(&id)?.mouth.as_mut()
    }

    fn new_clock(&mut self) -> u32 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }

    // ---- sound ----

    fn take(&mut self, packet: &Packet<'_>, now: u64) {
        if let Some(leg) = self.legs.get_mut(&packet.leg) {
            leg.receiver.push(&Arrival {
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                payload_type: packet.payload_type,
                marker: packet.marker,
                ssrc: packet.ssrc,
                at_us: packet.at_us,
                payload: packet.payload,
            });
            // Packets of a leg that nobody hears come where something is to be found in them.
            if leg.heard_by.is_none() && leg.ear_clock.is_none() {
                self.wind_ear(packet.leg, now);
            }
        }
    }

    /// One tick of a leg's mouth; None ends that clock.
    fn tick_mouth(&mut self, id: LegId, clock: u32, now: u64, out: &mut Outbox) -> Option<u64> {
        let mouth = self
            .legs
            .get(&id)?
            .mouth
            .as_ref()
            .filter(|mouth| mouth.clock == clock)?;
        let (period, samples, rate, source) = (
            mouth.period_us,
            mouth.samples,
            mouth.transmitter.config().spec.sample_rate,
            mouth.source,
        );
        let mut sound = std::mem::take(&mut self.sound);
        sound.clear();
        let digits = source.map_or_else(Vec::new, |source| {
            self.pull(source, samples, &mut sound, now, out)
        });
        sound.resize(samples, 0);
        if let Some(leg) = self.legs.get_mut(&id) {
            if let Some(mouth) = &mut leg.mouth {
                mouth.transmitter.plays(leg.playback.is_some());
            }
            if let Some(playback) = &mut leg.playback
                && playback.play(&self.sounds, rate, &mut sound)
            {
                let playing = playback.playing;
                leg.playback = None;
                out.add(&Report::Played { leg: id, playing });
            }
            if let Some(mouth) = &mut leg.mouth {
                self.mark.set(id);
                for digit in digits {
                    mouth.transmitter.send_digit(digit.digit, digit.duration_ms);
                }
                mouth.transmitter.push(&sound);
                if mouth.transmitter.can_wait() {
                    self.unsent.push(id);
                } else {
                    send(id, mouth, out);
                }
            }
        }
        self.sound = sound;
        Some(period)
    }

    /// One tick of an ear that no mouth pulls; None ends that clock.
    fn tick_ear(&mut self, id: LegId, clock: u32, now: u64, out: &mut Outbox) -> Option<u64> {
        let leg = self
            .legs
            .get(&id)
            .filter(|leg| leg.ear_clock == Some(clock))?;
        if !leg.needs_ear() {
            self.legs.get_mut(&id)?.ear_clock = None;
            return None;
        }
        let samples = (u64::from(leg.ear_rate) * EAR_PERIOD_US / 1_000_000) as usize;
        let mut sound = std::mem::take(&mut self.sound);
        sound.clear();
        self.pull(id, samples, &mut sound, now, out);
        self.sound = sound;
        Some(EAR_PERIOD_US)
    }

    /// The next sound of a leg's phone, and the digits it has sent.
    fn pull(
        &mut self,
        id: LegId,
        samples: usize,
        sound: &mut Vec<i16>,
        now: u64,
        out: &mut Outbox,
    ) -> Vec<Digit> {
        let Some(leg) = self.legs.get_mut(&id) else {
            return Vec::new();
        };
        let before = sound.len();
        self.mark.set(id);
        leg.receiver.pull(samples, sound, now);
        if !leg.recordings.is_empty() {
            self.recordings
                .hear(&leg.recordings, now, leg.ear_rate, &sound[before..], out);
        }
        let digits = leg.receiver.digits();
        for digit in &digits {
            // A hook flash is passed on, but is no digit to tell of.
            let Some(code) = code_of(digit.digit).filter(|&code| code <= LAST_DIGIT) else {
                continue;
            };
            out.add(&Report::Digit {
                leg: id,
                digit: code,
                duration_ms: digit.duration_ms.min(u32::from(u16::MAX)) as u16,
            });
        }
        digits
    }

    fn load(&mut self, number: u16, rate: u32, samples: u32, from: u32, pcm: &[u8]) {
        let index = usize::from(number).min(MAX_SOUNDS - 1);
        if self.sounds.len() <= index {
            self.sounds.resize(index + 1, None);
        }
        let place = &mut self.sounds[index];
        if from == 0 {
            let before = place.take().map_or(0, |sound| sound.samples);
            self.samples = self.samples.saturating_sub(before);
            if self.samples + samples as usize > MAX_SAMPLES {
                return;
            }
            self.samples += samples as usize;
            *place = Some(Sound {
                rate,
                samples: samples as usize,
                pcm: Rc::new(Vec::with_capacity(samples as usize)),
            });
        }
        let Some(sound) = place
            .as_mut()
            .filter(|sound| sound.pcm.len() == from as usize)
        else {
            return;
        };
        let part = pcm
            .chunks_exact(2)
            .map(|sample| i16::from_le_bytes([sample[0], sample[1]]));
        if let Some(pcm) = Rc::get_mut(&mut sound.pcm) {
            pcm.extend(part);
        }
    }
}

/// Sends the packets that a mouth has ready.
fn send(id: LegId, mouth: &mut Mouth, out: &mut Outbox) {
    while let Some(packet) = mouth.transmitter.take() {
        out.add(&Report::Send(Sent {
            leg: id,
            payload_type: packet.payload_type,
            marker: packet.marker,
            stream: mouth.stream,
            timestamp: packet.timestamp,
            payload: &packet.payload,
        }));
    }
}

fn tell_statistics(id: LegId, leg: &mut Leg, out: &mut Outbox) {
    let statistics = leg.statistics();
    if statistics != leg.told {
        leg.told = statistics;
        out.add(&Report::Statistics {
            leg: id,
            statistics,
        });
    }
}
