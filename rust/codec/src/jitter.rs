//! What waits to be decoded: packets in the order of their sequence numbers, and how long they have to wait.
//!
//! **Media time** counts in units of 1/96,000 s, of which every RTP clock and every sample rate here is a whole part. A
//! packet's position in it is its timestamp, carried on across wrap-around, changes of clock and new streams: where a
//! timestamp says nothing about the packets before it, the position goes on by the time of arrival.
//!
//! **Delay.** Sound leaves in blocks at the pace of who takes it. Let `K` be the media time given out until a block
//! begins. A packet that has come by then, with position `q`, could be played at once if sound were given out `K - q`
//! later than it was recorded; that is its *transit*. What the packets of the last ten seconds needed, all but one in a
//! hundred of them, is what the sound is delayed by, and whoever takes it stretches or shortens it to get there. So the
//! clock of the source may run away from ours as it likes, and the pace of blocks is accounted for: a packet that comes
//! a moment before a block is due has not been late, and one that comes a moment after has been late by a block. One
//! that came closer than [`GUARD_US`] before counts as having missed it: so the delay has grown already when drift
//! makes it miss.

use std::collections::VecDeque;

/// Units of media time in a second.
pub const UNITS: i64 = 96_000;
/// Packets that wait at most; when one more comes, the oldest is given up.
pub const MOST_PACKETS: usize = 128;
/// The longest payload, octets: the longest that an Ethernet frame carries.
pub const LONGEST_PAYLOAD: usize = 1_500;
/// A packet that comes this close before a block is taken may miss it next time.
pub const GUARD_US: u64 = 2_000;
/// No target is further than this above the quickest packet of the last ten seconds.
const CEILING: i64 = UNITS * 4 / 10;
/// Sequence numbers that are remembered, so that none counts twice.
const REMEMBERED: u64 = 1_024;
/// RFC 3550 appendix A.1: a sequence number further off than this belongs to a stream that has begun anew.
const MOST_DROPOUT: i16 = 3_000;
/// A timestamp that says that a packet came by more than this later, or earlier, than the one before it begins anew,
/// units. Late is what networks make packets; early is only who was behind one that was late.
const MOST_LATE: i64 = 2 * UNITS;
const MOST_EARLY: i64 = UNITS / 2;
/// So long after a new SSRC has come, packets of the one before are stragglers, and not a change back.
const STRAGGLERS_US: u64 = 200_000;

/// A packet as it came off the network, authenticated if its leg has keys.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// RTP's sequence number.
    pub sequence: u16,
    /// RTP's timestamp, in the payload type's clock.
    pub timestamp: u32,
    /// RTP's payload type.
    pub payload_type: u8,
    /// RTP's marker bit.
    pub marker: bool,
    /// RTP's synchronisation source.
    pub ssrc: u32,
    /// When it came, microseconds on the clock that `Receiver::pull` is told too.
    pub at_us: u64,
    /// What it carries.
    pub payload: &'a [u8],
}

/// A packet that waits.
#[derive(Debug)]
pub struct Packet {
    /// Its sequence number, extended so that it only grows, across new streams too.
    pub sequence: u64,
    /// Its place in media time.
    pub position: i64,
    /// Its RTP payload type.
    pub payload_type: u8,
    /// Whether it says that a talk spurt begins.
    pub marker: bool,
    /// Whether its position says nothing about what came before it: a new stream, or a jump.
    pub fresh: bool,
    /// Whether its encoder is another than that of the packets before it.
    pub new_source: bool,
    /// When it came.
    pub at_us: u64,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// Where an arrival belongs in media time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its position, units.
    pub position: i64,
    /// Whether the position says nothing about what came before.
    pub fresh: bool,
}

/// What has become of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits, or (if it holds no sound) its place in the sequence is noted.
    Kept(Place),
    /// It had come before.
    Duplicate,
    /// Its time is over.
    Late(Place),
    /// It is too long, or its stream is none we follow.
    Refused,
}

/// What the next packet is read against: the newest packet of the stream that is followed, as for its sequence number,
/// and the newest that holds sound, as for its timestamp (an event's says only when the event began).
#[derive(Clone, Copy, Debug)]
struct Reference {
    ssrc: u32,
    wire: u16,
    sequence: u64,
    timestamp: u32,
    clock_rate: u32,
    position: i64,
    at_us: u64,
}

/// Packets in the order of their sequence numbers.
#[derive(Default)]
pub struct JitterBuffer {
    packets: VecDeque<Packet>,
    spare: Vec<Vec<u8>>,
    reference: Option<Reference>,
    /// The stream before this one, and when it was given up.
    former: Option<(u32, u64)>,
    /// The sequence number after one that was far off: a second one in a row makes a new beginning.
    doubtful: Option<u16>,
    seen: [u64; (REMEMBERED / 64) as usize],
    /// A new source has begun with something that holds no sound.
    unheard: bool,
    /// The lowest sequence number that is still of use.
    wanted: u64,
    counts: Counts,
}

/// What has come, of all streams followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came, each once.
    pub received: u64,
    /// Packets that should have come, as the sequence numbers say.
    pub expected: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Packets that came twice, were too long or too many, or of no stream that is followed.
    pub discarded: u64,
}

impl JitterBuffer {
    /// Takes a packet in. `clock_rate` is that of its payload type, Hz; one without `sound` (telephone-event) only has
    /// its place in the sequence noted.
    pub fn push(&mut self, arrival: &Arrival, clock_rate: u32, sound: bool) -> Pushed {
        let pushed = self.place(arrival, clock_rate, sound);
        match pushed {
            Pushed::Kept(_) => {}
            Pushed::Late(_) => self.counts.late += 1,
            Pushed::Duplicate | Pushed::Refused => self.counts.discarded += 1,
        }
        pushed
    }

    fn place(&mut self, arrival: &Arrival, clock_rate: u32, sound: bool) -> Pushed {
        if arrival.payload.len() > LONGEST_PAYLOAD || clock_rate == 0 {
            return Pushed::Refused;
        }
        let Some((mut packet, newest)) = self.extend(arrival, clock_rate, sound) else {
            return Pushed::Refused;
        };
        let place = Place {
            position: packet.position,
            fresh: packet.fresh,
        };
        if !newest {
            let age = self.newest() - packet.sequence;
            if age >= REMEMBERED {
                return Pushed::Late(place);
            }
            if self.has_seen(packet.sequence) {
                return Pushed::Duplicate;
            }
        }
        self.mark_seen(packet.sequence);
        self.counts.received += 1;
        if !sound {
            return Pushed::Kept(place);
        }
        if packet.sequence < self.wanted {
            return Pushed::Late(place);
        }
        packet.payload = self.spare.pop().unwrap_or_default();
        packet.payload.clear();
        packet.payload.extend_from_slice(arrival.payload);
        let mut at = self.packets.len();
        while at > 0 && self.packets[at - 1].sequence > packet.sequence {
            at -= 1;
        }
        self.packets.insert(at, packet);
        if self.packets.len() > MOST_PACKETS {
            self.counts.discarded += 1;
            self.drop_first();
        }
        Pushed::Kept(place)
    }

    /// Reads sequence number and timestamp against the newest packet. The second value says whether this is the newest
    /// now.
    fn extend(
        &mut self,
        arrival: &Arrival,
        clock_rate: u32,
        sound: bool,
    ) -> Option<(Packet, bool)> {
        let at = units_of_us(arrival.at_us);
        let mut packet = Packet {
            sequence: 1 << 32,
            position: at,
            payload_type: arrival.payload_type,
            marker: arrival.marker,
            fresh: true,
            new_source: true,
            at_us: arrival.at_us,
            payload: Vec::new(),
        };
        let (mut newest, mut anew) = (true, true);
        if let Some(reference) = self.reference {
            let since = at - units_of_us(reference.at_us);
            let step = arrival.sequence.wrapping_sub(reference.wire) as i16;
            let far = !(-MOST_DROPOUT..=MOST_DROPOUT).contains(&step);
            packet.new_source = arrival.ssrc != reference.ssrc;
            if packet.new_source {
                let straggler = self.former.is_some_and(|(ssrc, given_up_us)| {
                    ssrc == arrival.ssrc && arrival.at_us < given_up_us + STRAGGLERS_US
                });
                if straggler {
                    return None;
                }
                self.former = Some((reference.ssrc, arrival.at_us));
            } else if far && self.doubtful != Some(arrival.sequence) {
                self.doubtful = Some(arrival.sequence.wrapping_add(1));
                return None;
            }
            anew = packet.new_source || far;
            if anew {
                self.doubtful = None;
                packet.sequence = reference.sequence + 1;
                packet.position = reference.position + since;
                self.counts.expected += 1;
            } else {
                packet.sequence = reference.sequence.saturating_add_signed(i64::from(step));
                newest = step > 0;
                if newest {
                    self.counts.expected += step as u64;
                }
                let scale = UNITS / i64::from(clock_rate);
                let by_timestamp =
                    i64::from(arrival.timestamp.wrapping_sub(reference.timestamp) as i32) * scale;
                let ahead = by_timestamp - since;
                packet.fresh = clock_rate != reference.clock_rate
                    || !(-MOST_LATE..=MOST_EARLY).contains(&ahead)
                    || (newest && by_timestamp < 0);
                packet.position =
                    reference.position + if packet.fresh { since } else { by_timestamp };
            }
        } else {
            self.counts.expected += 1;
        }
        if newest && sound {
            packet.new_source |= std::mem::take(&mut self.unheard);
        }
        if newest {
            let from = self
                .reference
                .map_or(packet.sequence, |last| last.sequence + 1);
            for sequence in from..=packet.sequence {
                self.forget(sequence);
            }
            let reference = Reference {
                ssrc: arrival.ssrc,
                wire: arrival.sequence,
                sequence: packet.sequence,
                timestamp: arrival.timestamp,
                clock_rate,
                position: packet.position,
                at_us: arrival.at_us,
            };
            self.reference = Some(match self.reference {
                _ if sound => reference,
                Some(last) if !anew => Reference {
                    wire: reference.wire,
                    sequence: reference.sequence,
                    ..last
                },
                _ => {
                    // Sound that comes after it begins anew, whatever its timestamp is.
                    self.unheard |= packet.new_source;
                    Reference {
                        clock_rate: 0,
                        ..reference
                    }
                }
            });
        }
        Some((packet, newest))
    }

    /// The packet that is to be decoded next.
    #[must_use]
    pub fn first(&self) -> Option<&Packet> {
        self.packets.front()
    }

    /// Takes the first packet out; those before it are of no use any more.
    pub fn take(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.wanted = packet.sequence + 1;
        Some(packet)
    }

    /// Gives up the first packet.
    pub fn drop_first(&mut self) {
        if let Some(packet) = self.take() {
            self.recycle(packet.payload);
        }
    }

    /// Takes a payload's memory back.
    pub fn recycle(&mut self, payload: Vec<u8>) {
        if self.spare.len() < 8 {
            self.spare.push(payload);
        }
    }

    /// Sequence numbers below `sequence`, from the first that is still wanted, that have not come at all.
    #[must_use]
    pub fn missing_before(&self, sequence: u64) -> u64 {
        if self.wanted == 0 {
            // The stream begins with the first that comes.
            return 0;
        }
        let from = self.wanted.max(sequence.saturating_sub(REMEMBERED - 1));
        (from..sequence)
            .filter(|&sequence| !self.has_seen(sequence))
            .count() as u64
    }

    /// Packets that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// What has come.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn newest(&self) -> u64 {
        self.reference.map_or(0, |reference| reference.sequence)
    }

    fn has_seen(&self, sequence: u64) -> bool {
        let at = sequence % REMEMBERED;
        self.seen[(at / 64) as usize] & (1 << (at % 64)) != 0
    }

    fn mark_seen(&mut self, sequence: u64) {
        let at = sequence % REMEMBERED;
        self.seen[(at / 64) as usize] |= 1 << (at % 64);
    }

    fn forget(&mut self, sequence: u64) {
        let at = sequence % REMEMBERED;
        self.seen[(at / 64) as usize] &= !(1 << (at % 64));
    }
}

fn units_of_us(us: u64) -> i64 {
    (us / 1_000 * 96 + us % 1_000 * 96 / 1_000) as i64
}

/// Transits that are kept: ten seconds of packets of 20 ms.
const KEPT: usize = 512;
/// Transits between two looks at all of them, unless one is above the target.
const LOOK_EVERY: u32 = 8;
/// Over how long the quickest packet stands for the clock of the source, units.
const DRIFT_WINDOW: i64 = 10 * UNITS;
/// Windows that a drift is reckoned from.
const DRIFT_WINDOWS: usize = 18;

/// How long packets have to wait, from how they have come.
#[derive(Default)]
pub struct Delay {
    transits: VecDeque<i64>,
    target: Option<i64>,
    unlooked: u32,
    /// Where the present window began, the smallest (arrival - position) in it and where that was.
    window: Option<(i64, i64, i64)>,
    windows: VecDeque<(i64, i64)>,
}

impl Delay {
    /// Notes a packet's transit, units.
    pub fn note(&mut self, transit: i64) {
        if self.transits.len() == KEPT {
            self.transits.pop_front();
        }
        self.transits.push_back(transit);
        self.unlooked += 1;
        if self.unlooked >= LOOK_EVERY || self.target.is_none_or(|target| transit > target) {
            self.look();
        }
    }

    fn look(&mut self) {
        self.unlooked = 0;
        // Not kept: of hundreds of streams it would push everything else out of the cache.
        let mut sorted = [0; KEPT];
        let transits = &mut sorted[..self.transits.len()];
        let (first, second) = self.transits.as_slices();
        transits[..first.len()].copy_from_slice(first);
        transits[first.len()..].copy_from_slice(second);
        let least = transits.iter().copied().min().unwrap_or(0);
        let rank = transits.len() - 1 - transits.len() / 100;
        let (_, &mut most, _) = transits.select_nth_unstable(rank);
        self.target = Some(most.min(least + CEILING));
    }

    /// What playing has to be later than recording, units, for all but one packet in a hundred to come in time. None
    /// before any packet has come.
    #[must_use]
    pub fn target(&self) -> Option<i64> {
        self.target
    }

    /// Notes when a packet came by the clock, for the drift.
    pub fn note_arrival(&mut self, position: i64, at_us: u64) {
        let at = units_of_us(at_us);
        let lag = at - position;
        match &mut self.window {
            Some((begin, least, place)) if at - *begin < DRIFT_WINDOW => {
                if lag < *least {
                    (*least, *place) = (lag, at);
                }
            }
            window => {
                if let Some((_, least, place)) = window.replace((at, lag, at)) {
                    if self.windows.len() == DRIFT_WINDOWS {
                        self.windows.pop_front();
                    }
                    self.windows.push_back((place, least));
                }
            }
        }
    }

    /// Positions go on from somewhere else: what has been learnt of the clock does not hold.
    pub fn forget_drift(&mut self) {
        self.window = None;
        self.windows.clear();
    }

    /// By how much the source's clock runs faster than ours, parts in a million; 0 until it is known.
    #[must_use]
    pub fn drift_ppm(&self) -> i32 {
        if self.windows.len() < 3 {
            return 0;
        }
        let count = self.windows.len() as f64;
        let (x0, y0) = self.windows[0];
        let points = || {
            self.windows
                .iter()
                .map(move |&(x, y)| ((x - x0) as f64, (y - y0) as f64))
        };
        let (sum_x, sum_y) = points().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (up, down) = points().fold((0.0, 0.0), |(up, down), (x, y)| {
            (
                up + (x - mean_x) * (y - mean_y),
                down + (x - mean_x).powi(2),
            )
        });
        if down == 0.0 {
            return 0;
        }
        (-up / down * 1e6).round() as i32
    }
}
