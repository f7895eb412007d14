//! What a receiver knows about one source: loss, order and jitter (RFC 3550 appendices A.1, A.3 and A.8).

use super::ReportBlock;

/// A forward step of this many sequence numbers is no longer loss but a restart, once a second packet agrees.
const MAX_DROPOUT: u16 = 3000;

/// A packet this far behind is late, not a restart.
const MAX_MISORDER: u16 = 100;

/// Far above any payload's clock rate; keeps the arithmetic of jitter within 32 bits.
const MAX_CLOCK_RATE: u32 = 1 << 24;

/// Sequence numbers before the newest one for which duplicates are told from late packets.
const DUPLICATE_WINDOW: u16 = 64;

/// Reception statistics of one source (SSRC), pure: times are arguments.
///
/// Unlike appendix A.1 there is no probation, because the leg decides which source counts, and a duplicate within
/// the last 64 packets is not counted as received, so that it does not hide a loss.
#[derive(Clone, Debug)]
pub struct ReceptionStats {
    clock_rate: u32,
    started: bool,
    highest: u16,
    cycles: u32,
    base: u32,
    /// The sequence number that would confirm a restart.
    restart_at: Option<u16>,
    /// Bit n: the packet `highest - n` came.
    recent: u64,
    received: u32,
    expected_prior: u32,
    received_prior: u32,
    last_timestamp: u32,
    /// Arrival less timestamp of the last packet, in clock units; none before the first and after a new rate.
    transit: Option<u32>,
    /// Sixteen times the jitter.
    jitter: u32,
    last_sender_report: u32,
    last_sender_report_us: u64,
    duplicates: u32,
    reordered: u32,
    restarts: u32,
    gaps: u32,
    /// Packets received and lost before the last restart.
    received_before: u64,
    lost_before: u64,
}

/// Totals over the life of a source, restarts included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionTotals {
    /// Packets that came, duplicates not counted.
    pub received: u64,
    /// Packets that did not come.
    pub lost: u64,
    /// Packets that came twice.
    pub duplicates: u32,
    /// Packets that came after a later one.
    pub reordered: u32,
    /// Times the sequence numbers began anew.
    pub restarts: u32,
    /// Times that a packet came before the ones between it and the newest: runs of loss, where these never came.
    pub gaps: u32,
    /// Interarrival jitter in microseconds.
    pub jitter_us: u32,
}

impl ReceptionStats {
    /// A source not heard yet. `clock_rate` is that of its payload, in Hz.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.clamp(1, MAX_CLOCK_RATE),
            started: false,
            highest: 0,
            cycles: 0,
            base: 0,
            restart_at: None,
            recent: 0,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            last_timestamp: 0,
            transit: None,
            jitter: 0,
            last_sender_report: 0,
            last_sender_report_us: 0,
            duplicates: 0,
            reordered: 0,
            restarts: 0,
            gaps: 0,
            received_before: 0,
            lost_before: 0,
        }
    }

    /// Counts a packet that came at `arrival_us` microseconds on any steady clock.
    #[inline]
    pub fn update(&mut self, sequence: u16, timestamp: u32, arrival_us: u64) {
        if !self.started {
            self.begin(sequence);
            self.started = true;
        } else if !self.count(sequence) {
            return;
        }
        // Packets of one frame share a timestamp (telephone events do for seconds): they say nothing of jitter.
        if timestamp == self.last_timestamp && self.transit.is_some() {
            return;
        }
        let arrival = (arrival_us.wrapping_mul(u64::from(self.clock_rate)) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit {
            let change = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of the media clock is no jitter: the estimate takes up again from the new transit time.
            if change < self.clock_rate {
                self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
            }
        }
        self.transit = Some(transit);
        self.last_timestamp = timestamp;
    }

    /// Takes note of a sender report from the source: its NTP timestamp and when it came.
    pub fn sender_report(&mut self, ntp: u64, arrival_us: u64) {
        self.last_sender_report = middle_of_ntp(ntp);
        self.last_sender_report_us = arrival_us;
    }

    /// Changes the clock rate, when the payload does; jitter is kept as time.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        let clock_rate = clock_rate.clamp(1, MAX_CLOCK_RATE);
        if clock_rate != self.clock_rate {
            let scaled =
                u64::from(self.jitter) * u64::from(clock_rate) / u64::from(self.clock_rate);
            self.jitter = u32::try_from(scaled).unwrap_or(16 * MAX_CLOCK_RATE);
            self.clock_rate = clock_rate;
            self.transit = None;
        }
    }

    /// Whether a packet has come since the last report, which is when a block about the source is due.
    #[must_use]
    pub fn heard_since_report(&self) -> bool {
        self.received != self.received_prior
    }

    /// The block for the next report; the fraction lost is counted from the last one.
    pub fn report(&mut self, ssrc: u32, now_us: u64) -> ReportBlock {
        let expected = self.expected();
        let expected_interval = expected.wrapping_sub(self.expected_prior);
        let received_interval = self.received.wrapping_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_interval = i64::from(expected_interval) - i64::from(received_interval);
        let fraction_lost = if expected_interval == 0 || lost_interval <= 0 {
            0
        } else {
            ((lost_interval << 8) / i64::from(expected_interval)).min(255) as u8
        };
        let lost = i64::from(expected) - i64::from(self.received)
            + i64::try_from(self.lost_before).unwrap_or(i64::MAX / 2);
        ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.extended_highest(),
            jitter: self.jitter >> 4,
            last_sender_report: self.last_sender_report,
            delay_since_last: if self.last_sender_report == 0 {
                0
            } else {
                to_65536ths(now_us.saturating_sub(self.last_sender_report_us))
            },
        }
    }

    /// Totals for the call record.
    #[must_use]
    pub fn totals(&self) -> ReceptionTotals {
        ReceptionTotals {
            received: self.received_before + u64::from(self.received),
            lost: self.lost_before + u64::from(self.expected().saturating_sub(self.received)),
            duplicates: self.duplicates,
            reordered: self.reordered,
            restarts: self.restarts,
            gaps: self.gaps,
            jitter_us: (u64::from(self.jitter >> 4) * 1_000_000 / u64::from(self.clock_rate))
                as u32,
        }
    }

    /// The highest sequence number with its cycles in the upper 16 bits.
    #[must_use]
    pub fn extended_highest(&self) -> u32 {
        self.cycles | u32::from(self.highest)
    }

    fn expected(&self) -> u32 {
        if self.started {
            self.extended_highest()
                .wrapping_sub(self.base)
                .wrapping_add(1)
        } else {
            0
        }
    }

    fn begin(&mut self, sequence: u16) {
        self.highest = sequence;
        self.base = u32::from(sequence);
        self.cycles = 0;
        self.restart_at = None;
        self.recent = 1;
        self.received = 1;
        self.expected_prior = 0;
        self.received_prior = 0;
    }

    /// Appendix A.1; returns whether the packet counts.
    #[inline]
    fn count(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead == 0 {
            self.duplicates = self.duplicates.wrapping_add(1);
            return false;
        }
        if ahead < MAX_DROPOUT {
            if sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.gaps = self.gaps.wrapping_add(u32::from(ahead > 1));
            self.highest = sequence;
            self.recent = if ahead < DUPLICATE_WINDOW {
                self.recent << ahead | 1
            } else {
                1
            };
            self.restart_at = None;
        } else if !self.count_behind(sequence, self.highest.wrapping_sub(sequence)) {
            return false;
        }
        self.received = self.received.wrapping_add(1);
        true
    }

    #[cold]
    fn count_behind(&mut self, sequence: u16, behind: u16) -> bool {
        if behind < DUPLICATE_WINDOW {
            let bit = 1 << behind;
            if self.recent & bit != 0 {
                self.duplicates = self.duplicates.wrapping_add(1);
                return false;
            }
            // Before the first packet: the source began earlier than was thought, perhaps before a wrap.
            let extended = self.extended_highest().wrapping_sub(u32::from(behind));
            if (extended.wrapping_sub(self.base) as i32) < 0 {
                self.base = extended;
            }
            self.recent |= bit;
            self.reordered = self.reordered.wrapping_add(1);
            return true;
        }
        if behind <= MAX_MISORDER {
            self.reordered = self.reordered.wrapping_add(1);
            return true;
        }
        if self.restart_at == Some(sequence) {
            self.restarts = self.restarts.wrapping_add(1);
            self.lost_before += u64::from(self.expected().saturating_sub(self.received));
            self.received_before += u64::from(self.received);
            self.begin(sequence);
            self.received = 0;
            return true;
        }
        self.restart_at = Some(sequence.wrapping_add(1));
        false
    }
}

/// The middle 32 bits of an NTP timestamp, which report blocks carry.
#[must_use]
pub fn middle_of_ntp(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// The round trip that a report block tells, in microseconds, when the block came at NTP time `now_ntp`
/// (RFC 3550 section 6.4.1). `None` when the block refers to no report, or its times contradict each other.
#[must_use]
pub fn round_trip_us(block: &ReportBlock, now_ntp: u64) -> Option<u32> {
    if block.last_sender_report == 0 {
        return None;
    }
    let trip = middle_of_ntp(now_ntp)
        .wrapping_sub(block.last_sender_report)
        .wrapping_sub(block.delay_since_last);
    // More than half the range is a small negative number: clocks of finite resolution, or a lying peer.
    if trip > u32::MAX / 2 {
        return None;
    }
    u32::try_from((u64::from(trip) * 1_000_000) >> 16).ok()
}

fn to_65536ths(us: u64) -> u32 {
    u32::try_from(us.saturating_mul(65_536) / 1_000_000).unwrap_or(u32::MAX)
}
