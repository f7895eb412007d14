//! What the engine tells its owner: a bounded queue with a descriptor that becomes readable.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};

use crate::demux::Kind;

/// Events kept for an owner that does not read; further ones are counted and dropped.
const CAPACITY: usize = 4_096;

/// Something that happened to a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaEvent {
    /// The leg's id.
    pub leg: u64,
    /// What happened.
    pub what: What,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The leg's media now comes from, and goes to, this address.
    Latched(SocketAddr),
    /// Nothing was accepted from the remote for the configured time, though the leg should receive.
    Silent,
    /// Media came again after [`What::Silent`].
    Heard,
    /// A packet for the control plane: STUN, DTLS or ZRTP.
    Packet {
        /// Which protocol.
        kind: Kind,
        /// Where it came from.
        source: SocketAddr,
        /// The whole datagram.
        data: Vec<u8>,
    },
    /// The remote sent a digit, in RFC 4733 events or, where it is heard through codecs, as a tone.
    Digit {
        /// RFC 4733 event code, 0-15.
        digit: u8,
        /// How long, ms.
        duration_ms: u16,
    },
    /// The remote sends this negotiated payload type, and it has no place in the map to the leg that it is joined to:
    /// it is dropped. Told once for each bridge and type.
    Unmapped(u8),
    /// All sounds of a [`crate::command::Command::Play`] were played.
    Played(u32),
    /// A recording, whose number stands in place of the leg's id, is over.
    RecordingEnded {
        /// Empty where it was told to end, else why, for a person.
        reason: String,
        /// Octets of it that are on the disk.
        octets: u64,
        /// Its length.
        milliseconds: u64,
    },
    /// The codec process cannot send to the leg, for a reason that a person can read.
    CodecFault(String),
    /// The codec process of a worker is gone and will be started again; the event's leg is 0.
    CodecsLost(usize),
}

/// The queue from the workers to the owner.
#[derive(Debug)]
pub struct EventQueue {
    queue: ArrayQueue<MediaEvent>,
    descriptor: OwnedFd,
    signalled: AtomicBool,
    dropped: AtomicU64,
}

impl EventQueue {
    /// An empty queue.
    ///
    /// # Errors
    /// No descriptor could be had.
    pub fn new() -> rustix::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(CAPACITY),
            descriptor: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            signalled: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        })
    }

    /// Adds an event; false if the queue was full.
    pub fn push(&self, event: MediaEvent) -> bool {
        if self.queue.push(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if !self.signalled.swap(true, Ordering::AcqRel) {
            // Only fails when the counter is full, and then the descriptor is readable anyway.
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }
        true
    }

    /// Takes all events that are there and makes the descriptor quiet.
    pub fn drain(&self) -> Vec<MediaEvent> {
        let _ = rustix::io::read(&self.descriptor, &mut [0_u8; 8]);
        self.signalled.store(false, Ordering::Release);
        std::iter::from_fn(|| self.queue.pop())
            .take(CAPACITY)
            .collect()
    }

    /// Events lost because nobody read.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl AsFd for EventQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_nobody_reads_is_bounded_and_counts_what_it_drops() {
        let queue = EventQueue::new().unwrap();
        for leg in 0..CAPACITY as u64 + 7 {
            queue.push(MediaEvent {
                leg,
                what: What::Silent,
            });
        }
        assert_eq!(queue.dropped(), 7);
        assert_eq!(queue.drain().len(), CAPACITY);
        assert_eq!(queue.drain(), vec![]);
    }
}
