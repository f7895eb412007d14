//! Recordings on their way to disk: sealed as they are written, so that nobody but the account's key opens them again.
//!
//! How it works, and its rules:
//!
//! 1. Whoever makes a recording's octets (the codec process, by way of a media worker) puts them into its [`Intake`],
//!    which never waits: a full intake ends the recording, and says so, and the call goes on.
//! 2. One thread takes them out and seals them in an age file (age-encryption.org/v1, X25519). There is no key here that
//!    opens it: only recipients, which are public.
//! 3. age seals 64 KiB at a time. What does not fill that yet is sealed every [`SAVE_EVERY`] as a small age file of its
//!    own beside the recording, under a file key of its own, so that no nonce is used twice: see [`SealedFile`].
//! 4. What was written is with the kernel, and outlives this process, however it ends. Against a loss of power the file
//!    system is synced each second while anything is recorded, and a finished file is synced itself.
//! 5. What cannot be written (no space, quota, a limit on sizes) ends the recording. What was written stays readable.

mod sealed_file;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use std::sync::OnceLock;

pub use sealed_file::{SealedFile, TAIL_SUFFIX};
pub use writer::Recordings;

/// How often what fills no whole chunk yet is sealed and written.
pub const SAVE_EVERY: Duration = Duration::from_millis(400);
/// Pieces that may wait for the disk, of one recording.
const MOST_PIECES: usize = 1_024;
/// Octets that may wait for the disk, of one recording: five seconds of the largest kind.
const MOST_OCTETS: usize = 1 << 20;

/// A public key that recordings are sealed to.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

impl Recipient {
    /// Reads an `age1…` key.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        text.parse().map(Self)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// Where a recording goes, and who can open it.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The file; it must not exist. Folders above it are made (mode 0700).
    pub path: PathBuf,
    /// At least one.
    pub recipients: Vec<Recipient>,
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingEnded {
    /// The recording's number.
    pub recording: u64,
    /// Empty where it ended as it was told to, else why, as a sentence for a person.
    pub reason: String,
    /// Container octets that are on the disk.
    pub octets: u64,
    /// Seconds from its first octets to its last.
    pub seconds: f64,
}

/// The way in for one recording's octets. Nothing here waits.
#[derive(Debug)]
pub struct Intake {
    pieces: ArrayQueue<Vec<u8>>,
    waiting: AtomicUsize,
    /// Why nothing more is taken.
    ended: OnceLock<String>,
}

impl Intake {
    fn new() -> Self {
        Self {
            pieces: ArrayQueue::new(MOST_PIECES),
            waiting: AtomicUsize::new(0),
            ended: OnceLock::new(),
        }
    }

    /// Puts in the next octets; false where the recording is over, by this or before.
    pub fn put(&self, octets: Vec<u8>) -> bool {
        if self.ended.get().is_some() {
            return false;
        }
        let length = octets.len();
        let waiting = self.waiting.fetch_add(length, Ordering::AcqRel);
        if waiting + length <= MOST_OCTETS && self.pieces.push(octets).is_ok() {
            return true;
        }
        self.waiting.fetch_sub(length, Ordering::AcqRel);
        self.end("The disk is too slow, so the recording was ended.");
        false
    }

    /// Ends the recording after what was put in. `reason` is empty where all is well.
    pub fn end(&self, reason: &str) {
        let _ = self.ended.set(reason.to_owned());
    }

    fn take(&self) -> Option<Vec<u8>> {
        let octets = self.pieces.pop()?;
        self.waiting.fetch_sub(octets.len(), Ordering::AcqRel);
        Some(octets)
    }
}

/// One recording as its maker holds it.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its number, given by [`Recordings::open`].
    pub id: u64,
    /// Where its octets go.
    pub intake: Arc<Intake>,
}
