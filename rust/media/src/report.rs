//! When a leg reports and what it says of itself (RFC 3550 section 6).

use crate::clock::{Micros, SECOND};

/// The mean time between reports.
const INTERVAL: Micros = 5 * SECOND;

/// A point where a remote's RTP clock and ours meet: its latest sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceClock {
    /// The remote's synchronisation source.
    pub ssrc: u32,
    /// The RTP timestamp its report gave.
    pub timestamp: u32,
    /// When the report came.
    pub at: Micros,
}

/// The state of a leg's own reports.
#[derive(Debug)]
pub struct Reporter {
    /// Our canonical name on this leg: random, so that it links neither calls nor sides (RFC 7022).
    pub cname: [u8; 16],
    next: Option<Micros>,
    /// The counters when the present stream began: a report counts one SSRC.
    pub packets_base: u64,
    /// As `packets_base`, for octets.
    pub octets_base: u64,
    /// Packets sent at the last report and the one before.
    pub sent: [u64; 2],
}

impl Reporter {
    /// A reporter with a random canonical name, not reporting yet.
    #[must_use]
    pub fn new() -> Self {
        let mut cname = [0; 16];
        let mut word = crate::random::word();
        for letter in &mut cname {
            *letter = b"abcdefghijklmnop"[(word & 15) as usize];
            word >>= 4;
        }
        Self {
            cname,
            next: None,
            packets_base: 0,
            octets_base: 0,
            sent: [0; 2],
        }
    }

    /// There is somebody to report to: the first report follows within half the interval.
    pub fn begin(&mut self, now: Micros) {
        if self.next.is_none() {
            self.next = Some(now + randomised(INTERVAL / 2));
        }
    }

    /// Whether a report is due; if so the next one is set.
    pub fn is_due(&mut self, now: Micros) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = Some(now + randomised(INTERVAL));
        }
        due
    }
}

impl Default for Reporter {
    fn default() -> Self {
        Self::new()
    }
}

/// Between half and one and a half times `interval`, so that reports of many calls do not meet.
fn randomised(interval: Micros) -> Micros {
    interval / 2 + crate::random::word() % interval.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_every_five_seconds_on_average_and_never_in_step() {
        let mut reporter = Reporter::new();
        assert!(!reporter.is_due(1_000 * SECOND), "nobody to report to");
        reporter.begin(0);
        let due: Vec<Micros> = (0..20_000)
            .map(|n| n * 50_000)
            .filter(|&now| reporter.is_due(now))
            .collect();
        assert!(
            (170..=230).contains(&due.len()),
            "{} reports in 1,000 s",
            due.len()
        );
        let gaps: Vec<Micros> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            gaps.iter()
                .all(|gap| (INTERVAL / 2..=INTERVAL * 3 / 2 + 50_000).contains(gap))
        );
        assert!(gaps.iter().any(|gap| *gap != gaps[0]));
    }

    #[test]
    fn canonical_names_differ() {
        assert_ne!(Reporter::new().cname, Reporter::new().cname);
    }
}
