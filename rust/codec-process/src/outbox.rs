//! Reports on their way to the media core, gathered into datagrams.

use std::collections::VecDeque;

use sealtone_codec_protocol::{Batch, Report};

/// Datagrams that wait for room in the socket at most; more than a stalled media core leaves to wait is a fault.
const MAX_WAITING: usize = 1_024;

/// What is to be sent. Packets are sent now or never; everything else waits where the socket is full.
#[derive(Debug, Default)]
pub struct Outbox {
    packets: Vec<Batch>,
    kept: VecDeque<Batch>,
    /// Emptied batches, to be filled again.
    spare: Vec<Batch>,
    /// Packets' datagrams that found no room.
    pub dropped: u64,
}

impl Outbox {
    /// Adds a report.
    pub fn add(&mut self, report: &Report<'_>) {
        let spare = &mut self.spare;
        if matches!(report, Report::Send(_)) {
            let fits = self
                .packets
                .last_mut()
                .is_some_and(|batch| batch.report(report));
            if !fits {
                let mut batch = spare.pop().unwrap_or_default();
                batch.report(report);
                self.packets.push(batch);
            }
            return;
        }
        let fits = self
            .kept
            .back_mut()
            .is_some_and(|batch| batch.report(report));
        if !fits {
            let mut batch = spare.pop().unwrap_or_default();
            batch.report(report);
            self.kept.push_back(batch);
        }
    }

    /// Whether something waits for room.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Sends what there is, as long as `send` has room; false where more waits than ever should.
    pub fn flush(&mut self, mut send: impl FnMut(&[u8]) -> bool) -> bool {
        for mut batch in std::mem::take(&mut self.packets) {
            if !send(batch.datagram()) {
                self.dropped += 1;
            }
            batch.clear();
            self.spare.push(batch);
        }
        while let Some(mut batch) = self.kept.pop_front() {
            if !send(batch.datagram()) {
                self.kept.push_front(batch);
                break;
            }
            batch.clear();
            self.spare.push(batch);
        }
        self.spare.truncate(4);
        self.kept.len() <= MAX_WAITING
    }
}
