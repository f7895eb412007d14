//! Rewriting of RTP between two legs: one stream of ours out of whatever the other side sends.
//!
//! Each leg hears one synchronisation source chosen by us, whose numbers never repeat and run on
//! over changes of the source behind it. Gaps and reordering of the source stay as they were,
//! because the receiver's jitter buffer and loss concealment need the truth.

use crate::clock::{Micros, SECOND};

/// Sequence numbers within which late packets still pass once; also the width of the window.
const WINDOW: i64 = 128;
/// A jump forward of more than this is a restarted source, not loss (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: i64 = 3_000;
/// For so long after a change of source, the old one's late packets are dropped.
const SWITCH_SETTLE: Micros = 200_000;

/// The header fields of a packet that matter to rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the codec's RTP clock.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
}

/// Why a packet has no place in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its number was sent before.
    Duplicate,
    /// It is older than the window or than the present source.
    Late,
    /// It jumps too far; if the next one follows it, the source has restarted.
    Jump,
}

/// The stream one leg hears. Maps each packet of the source to a number never used before.
#[derive(Clone, Debug)]
pub struct Rewriter {
    ssrc: u32,
    source: Option<u32>,
    /// Extended number of the source's newest packet.
    source_high: i64,
    /// Our extended number less the source's.
    offset: i64,
    /// Our first number for the present source: what is older belongs to the one before.
    floor: i64,
    /// The highest extended number sent.
    high: i64,
    /// Bit i: number `high - i` was sent.
    sent: u128,
    timestamp_offset: u32,
    last_timestamp: u32,
    last_at: Micros,
    /// Sequence number that would confirm a restart after a jump.
    restart_at: Option<u16>,
    former_source: Option<u32>,
    switched_at: Micros,
}

impl Rewriter {
    /// A new stream. `ssrc`, `sequence` and `timestamp` should be random (RFC 3550 section 5.1).
    ///
    /// The first sequence number is kept below 2^15, so that packets lost at the start cannot
    /// leave an SRTP receiver with the wrong roll-over counter (RFC 3711 section 3.3.1).
    #[must_use]
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            source: None,
            source_high: 0,
            offset: 0,
            floor: 0,
            high: i64::from(sequence & 0x7fff),
            sent: 0,
            timestamp_offset: 0,
            last_timestamp: timestamp,
            last_at: 0,
            restart_at: None,
            former_source: None,
            switched_at: 0,
        }
    }

    /// Our synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The highest extended sequence number sent.
    #[must_use]
    pub fn high(&self) -> i64 {
        self.high
    }

    /// The next packet begins a new source, whatever its numbers: after hold, or in a new bridge.
    pub fn resync(&mut self) {
        self.source = None;
        self.former_source = None;
    }

    /// The timestamp a moment `now` has in our stream, by the last packet sent.
    #[must_use]
    pub fn timestamp_at(&self, now: Micros, clock_rate: u32) -> u32 {
        let elapsed = ticks(now.saturating_sub(self.last_at), clock_rate);
        self.last_timestamp.wrapping_add(elapsed)
    }

    /// Our timestamp for a timestamp of the source `ssrc`, if that is the present source.
    #[must_use]
    pub fn translate_timestamp(&self, ssrc: u32, timestamp: u32) -> Option<u32> {
        (self.source == Some(ssrc)).then(|| timestamp.wrapping_add(self.timestamp_offset))
    }

    /// The outgoing fields for an incoming packet.
    ///
    /// # Errors
    /// A [`Refusal`] if sending it would repeat a number or break the stream.
    #[inline]
    pub fn rewrite(
        &mut self,
        packet: Fields,
        now: Micros,
        clock_rate: u32,
    ) -> Result<Fields, Refusal> {
        let mut marker = packet.marker;
        if self.source != Some(packet.ssrc) {
            if self.former_source == Some(packet.ssrc) && now < self.switched_at + SWITCH_SETTLE {
                return Err(Refusal::Late);
            }
            self.begin_source(packet, now, clock_rate);
            marker = true;
        }
        let step = i64::from(packet.sequence.wrapping_sub(self.source_high as u16) as i16);
        if !(-MAX_DROPOUT..=MAX_DROPOUT).contains(&step) {
            if self.restart_at != Some(packet.sequence) {
                self.restart_at = Some(packet.sequence.wrapping_add(1));
                return Err(Refusal::Jump);
            }
            self.begin_source(packet, now, clock_rate);
            marker = true;
        }
        let extended = self.place(packet)?;
        let timestamp = packet.timestamp.wrapping_add(self.timestamp_offset);
        if extended == self.high {
            self.last_timestamp = timestamp;
            self.last_at = now;
        }
        Ok(Fields {
            ssrc: self.ssrc,
            sequence: extended as u16,
            timestamp,
            marker,
        })
    }

    /// Claims the outgoing number of a packet, or refuses it.
    #[inline]
    fn place(&mut self, packet: Fields) -> Result<i64, Refusal> {
        let step = i64::from(packet.sequence.wrapping_sub(self.source_high as u16) as i16);
        let source_extended = self.source_high + step;
        let extended = source_extended + self.offset;
        if extended > self.high {
            let shift = extended - self.high;
            self.sent = if shift >= WINDOW {
                0
            } else {
                self.sent << shift
            };
            self.sent |= 1;
            self.high = extended;
            self.source_high = source_extended;
            self.restart_at = None;
            return Ok(extended);
        }
        let age = self.high - extended;
        if extended < self.floor || age >= WINDOW {
            return Err(Refusal::Late);
        }
        let bit = 1_u128 << age;
        if self.sent & bit != 0 {
            return Err(Refusal::Duplicate);
        }
        self.sent |= bit;
        Ok(extended)
    }

    /// Joins a source to the stream: the next number, and a timestamp moved on by the time passed.
    fn begin_source(&mut self, packet: Fields, now: Micros, clock_rate: u32) {
        self.former_source = self.source.filter(|&former| former != packet.ssrc);
        self.switched_at = now;
        self.source = Some(packet.ssrc);
        self.restart_at = None;
        self.source_high = i64::from(packet.sequence);
        self.floor = self.high + 1;
        self.offset = self.floor - self.source_high;
        let gap = ticks(now.saturating_sub(self.last_at), clock_rate).max(clock_rate / 50);
        let timestamp = if self.last_at == 0 {
            self.last_timestamp
        } else {
            self.last_timestamp.wrapping_add(gap)
        };
        self.timestamp_offset = timestamp.wrapping_sub(packet.timestamp);
    }
}

/// A duration in ticks of an RTP clock, modulo 2^32.
#[must_use]
pub fn ticks(duration: Micros, clock_rate: u32) -> u32 {
    let whole = (duration / SECOND).wrapping_mul(u64::from(clock_rate));
    let part = duration % SECOND * u64::from(clock_rate) / SECOND;
    whole.wrapping_add(part) as u32
}
