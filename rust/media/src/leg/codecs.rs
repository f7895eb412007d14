//! A leg that the codec process hears, or speaks for.

use std::sync::Arc;

use sealtone_codec_protocol::{LegId, Packet, Sent, Statistics};

use super::digits::Digits;
use super::{Heard, Leg, Target};
use crate::bridge::Fields;
use crate::clock::{Micros, SECOND};
use crate::codecs::Link;
use crate::command::Formats;
use crate::event::{EventQueue, What};
use crate::port::Datagram;
use crate::rate::Rate;

/// Packets of the codec process sent, per leg and second: twice those of 10 ms packets and a digit's repetitions.
const SENT_RATE: u32 = 250;

/// Faults told, per leg and second.
const FAULT_RATE: u32 = 2;
/// Payload types told that the other leg does not take, per leg and second.
const UNMAPPED_RATE: u32 = 4;
/// Codec processes that may die over a leg, each within [`FORGIVEN_AFTER`] of the one before.
const DEATHS: u8 = 3;
const FORGIVEN_AFTER: Micros = 60 * SECOND;

/// Who makes what a leg is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouth {
    /// The leg that is joined to it.
    Relay,
    /// The codec process.
    Codecs,
}

/// Sounds that play to a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playing {
    /// Told when all were played.
    pub number: u32,
    /// From the beginning again and again.
    pub repeat: bool,
    /// Mixed with what the leg hears.
    pub over: bool,
    /// The sounds' numbers.
    pub sounds: Vec<u16>,
}

/// What the codec process has been told of a leg.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// It has the leg.
    pub set_up: bool,
    /// The leg's formats have changed since.
    pub outdated: bool,
    /// The leg is spoken for, and hears that one or nobody.
    pub mouth: Option<Option<LegId>>,
    /// What plays.
    pub playing: Option<u32>,
    /// How much of what is sent gets lost, percent.
    pub loss: u8,
}

/// What a leg is to the codec process.
#[derive(Debug, Default)]
pub(super) struct CodecLeg {
    playing: Option<Playing>,
    /// Recordings that hear it.
    recorded: u32,
    told: Told,
    sequence: u16,
    sent: Rate,
    faults: Rate,
    /// Bit n: that payload type n is not passed on has been told, since the leg was joined as it is.
    unmapped: u128,
    unmapped_told: Rate,
    deaths: u8,
    died_at: Micros,
}

impl Leg {
    pub(super) fn apply_formats(&mut self, formats: Arc<Formats>) {
        self.event_types = formats.event_types();
        if let Some(codecs) = &mut self.cold.codecs {
            codecs.told.outdated |= self.cold.formats != formats;
        }
        self.cold.formats = formats;
    }

    fn codecs(&mut self) -> &mut CodecLeg {
        self.cold.codecs.get_or_insert_default()
    }

    /// This leg's name with the codec process: never that of another, even in the same slot.
    #[must_use]
    pub fn codec_id(&self, slot: u32) -> LegId {
        self.cold.id << 32 | u64::from(slot)
    }

    /// What the remote may send, and what it is sent.
    #[must_use]
    pub fn formats(&self) -> &Formats {
        &self.cold.formats
    }

    /// What plays to the leg.
    #[must_use]
    pub fn playing(&self) -> Option<&Playing> {
        self.cold.codecs.as_ref()?.playing.as_ref()
    }

    /// Whether anything records the leg.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        let codecs = self.cold.codecs.as_ref();
        codecs.is_some_and(|codecs| codecs.recorded > 0)
    }

    /// One recording more, or one less.
    pub fn record(&mut self, begins: bool) {
        let recorded = &mut self.codecs().recorded;
        *recorded = if begins {
            *recorded + 1
        } else {
            recorded.saturating_sub(1)
        };
    }

    /// Plays something else, or nothing.
    pub fn play(&mut self, playing: Option<Playing>) {
        if playing.is_some() || self.cold.codecs.is_some() {
            self.codecs().playing = playing;
        }
    }

    /// Everything was played; false if that was something else.
    pub fn has_played(&mut self, number: u32, events: &EventQueue) -> bool {
        let codecs = self.codecs();
        let ended = codecs
            .playing
            .take_if(|playing| playing.number == number)
            .is_some();
        if ended {
            codecs.told.playing = None;
            self.tell(What::Played(number), events);
        }
        ended
    }

    /// What the codec process has been told of it.
    pub fn told(&mut self) -> &mut Told {
        &mut self.codecs().told
    }

    /// The codec process knows nothing of it, or no more. True if it had the leg.
    pub fn forget_told(&mut self) -> bool {
        let codecs = self.cold.codecs.as_mut();
        codecs.is_some_and(|codecs| std::mem::take(&mut codecs.told).set_up)
    }

    /// A codec process died while it worked on this leg.
    pub fn blame(&mut self, now: Micros) {
        let codecs = self.codecs();
        if now.saturating_sub(codecs.died_at) > FORGIVEN_AFTER {
            codecs.deaths = 0;
        }
        codecs.deaths = codecs.deaths.saturating_add(1);
        codecs.died_at = now;
        self.counters.codec_deaths.add(1);
    }

    fn deaths(&self) -> u8 {
        self.cold.codecs.as_ref().map_or(0, |codecs| codecs.deaths)
    }

    /// Too many died of it: what its remote sends reaches no codec any more.
    #[must_use]
    pub fn is_barred(&self) -> bool {
        self.deaths() >= DEATHS
    }

    /// They died all the same: nothing is encoded for it either.
    #[must_use]
    pub fn is_silenced(&self) -> bool {
        self.deaths() >= 2 * DEATHS
    }

    /// Lets the codec process speak for the leg, or the leg that it is joined to. The stream goes on.
    pub fn set_mouth(&mut self, mouth: Mouth) {
        if self.mouth != mouth {
            self.mouth = mouth;
            self.rewriter.resync();
        }
    }

    /// Gives an accepted packet to the codec process, reads a digit from it, or both.
    #[inline(never)]
    pub fn look_aside(
        &mut self,
        slot: u32,
        heard: &Heard,
        datagram: &Datagram,
        now: Micros,
        events: &EventQueue,
        link: &mut Link,
    ) {
        let payload = &datagram.content()[heard.header_len..];
        if self.copied {
            self.counters.codec_packets.add(1);
            link.packet(Packet {
                leg: self.codec_id(slot),
                sequence: heard.fields.sequence,
                timestamp: heard.fields.timestamp,
                payload_type: heard.source_type,
                marker: heard.fields.marker,
                ssrc: heard.fields.ssrc,
                at_us: link.system_time(now),
                payload,
            });
        }
        // Of a leg that is heard through codecs the process tells digits, tones among them.
        if self.event_types >> heard.source_type & 1 == 1 && !self.tells_digits_by_codecs() {
            let clock_rate = self.event_clock(heard.source_type);
            let digits = self.digits().take(heard.fields, payload, clock_rate, now);
            for (digit, duration_ms) in digits.into_iter().flatten() {
                self.tell_digit(digit, duration_ms, events);
            }
        }
    }

    /// An accepted packet goes to no other leg: counted, unless the codec process has it.
    pub fn count_unsent(&self) {
        if !self.copied {
            self.counters.gate_drops.add(1);
        }
    }

    /// Whether the remote talks to the server alone, and can press keys as tones only: the codec process finds them.
    #[must_use]
    pub fn is_heard_for_tones(&self) -> bool {
        let is_alone = match self.target {
            Target::Echo => true,
            Target::None => self.playing().is_some(),
            Target::Leg(_) | Target::Codecs(_) => false,
        };
        is_alone && self.sends_no_events() && !self.cold.formats.receive.is_empty()
    }

    fn sends_no_events(&self) -> bool {
        self.event_types == 0
    }

    fn tells_digits_by_codecs(&self) -> bool {
        matches!(self.target, Target::Codecs(_)) || self.sends_no_events()
    }

    fn event_clock(&self, payload_type: u8) -> u32 {
        let mut formats = self.cold.formats.receive.iter();
        let format = formats.find(|format| format.payload_type == payload_type);
        format.map_or(8_000, |format| format.spec.clock_rate)
    }

    /// The codec process has heard a digit.
    pub fn take_digit(&mut self, digit: u8, duration_ms: u16, now: Micros, events: &EventQueue) {
        if self.tells_digits_by_codecs() && self.digits().admit(now) {
            self.tell_digit(digit, duration_ms, events);
        }
    }

    fn digits(&mut self) -> &mut Digits {
        self.cold.digits.get_or_insert_default()
    }

    fn tell_digit(&self, digit: u8, duration_ms: u16, events: &EventQueue) {
        self.counters.digits.add(1);
        self.tell(What::Digit { digit, duration_ms }, events);
    }

    /// Tells the digit whose end was lost.
    pub(super) fn tend_digits(&mut self, now: Micros, events: &EventQueue) {
        let by_codecs = self.tells_digits_by_codecs();
        let Some(digits) = self.cold.digits.as_mut() else {
            return;
        };
        if by_codecs {
            digits.forget();
        } else if let Some((digit, duration_ms)) = digits.expire(now) {
            self.tell_digit(digit, duration_ms, events);
        }
    }

    /// Sends a packet that the codec process made: only of a format of the leg's, not more than anybody can use,
    /// and through the gates that stand before everything else. True if it may have gone.
    pub fn send_made(&mut self, sent: &Sent<'_>, datagram: &mut Datagram, now: Micros) -> bool {
        let mut transmit = self.cold.formats.transmit.iter();
        let wanted = self.mouth == Mouth::Codecs
            && transmit.any(|format| format.payload_type == sent.payload_type)
            && self.codecs().sent.take(SENT_RATE, SECOND, now);
        if !wanted {
            self.counters.codec_refused.add(1);
            return false;
        }
        let codecs = self.codecs();
        codecs.sequence = codecs.sequence.wrapping_add(1);
        let sequence = codecs.sequence;
        let heard = Heard {
            fields: Fields {
                ssrc: sent.stream,
                sequence,
                timestamp: sent.timestamp,
                marker: sent.marker,
            },
            payload_type: sent.payload_type,
            source_type: sent.payload_type,
            aside: false,
            header_len: 0,
            clock_rate: self.sent_clock_rate(),
        };
        datagram.fill(sent.payload);
        let before = self.counters.tx_packets.get();
        self.emit(&heard, datagram, now);
        let went = self.counters.tx_packets.get() != before;
        self.counters.codec_tx_packets.add(u64::from(went));
        true
    }

    /// RTP clock of what is sent to the remote, Hz.
    #[must_use]
    pub fn sent_clock_rate(&self) -> u32 {
        match (self.mouth, self.cold.formats.transmit.first()) {
            (Mouth::Codecs, Some(voice)) => voice.spec.clock_rate,
            _ => self.clock_rate,
        }
    }

    /// How much of what the codec process sends gets lost, percent, where it has not been told yet.
    pub fn untold_loss(&mut self) -> Option<u8> {
        let lost = (self.counters.remote_fraction_lost.get() * 100).div_ceil(256) as u8;
        if self.mouth != Mouth::Codecs {
            return None;
        }
        let told = self.told();
        let news = told.set_up && told.loss != lost;
        news.then(|| {
            told.loss = lost;
            lost
        })
    }

    /// The codec process cannot do what it was told.
    pub fn tell_fault(&mut self, reason: &str, now: Micros, events: &EventQueue) {
        if self.codecs().faults.take(FAULT_RATE, SECOND, now) {
            self.tell(What::CodecFault(reason.to_owned()), events);
        }
    }

    /// The remote sends what the leg that hears it has not agreed to.
    #[cold]
    pub(super) fn tell_unmapped(&mut self, payload_type: u8, now: Micros, events: &EventQueue) {
        let codecs = self.codecs();
        let bit = 1 << (payload_type & 0x7f);
        if codecs.unmapped & bit == 0 && codecs.unmapped_told.take(UNMAPPED_RATE, SECOND, now) {
            codecs.unmapped |= bit;
            self.tell(What::Unmapped(payload_type), events);
        }
    }

    /// The leg is joined otherwise: what is not passed on is told anew.
    pub(super) fn forget_unmapped(&mut self) {
        if let Some(codecs) = &mut self.cold.codecs {
            codecs.unmapped = 0;
        }
    }

    /// What the codec process says came of the remote's packets.
    pub fn take_statistics(&self, statistics: &Statistics) {
        let counters = &self.counters;
        counters.concealed_ms.set(statistics.concealed_ms);
        counters.fec_used.set(statistics.fec_used);
        counters.late.set(statistics.late);
        counters.undecoded.set(statistics.discarded);
        counters
            .jitter_buffer_ms
            .set(u64::from(statistics.delay_ms));
    }
}
