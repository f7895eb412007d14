//! Commands from the owner's thread to a worker: bounded, lock-free, with a descriptor to wake it.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};

use sealtone_codec_protocol::{CodecKind, Format, LegId};

use crate::codecs::Sound;
use crate::leg::{Leg, Playing};
use crate::srtp::{SrtpReceiver, SrtpSender};
use crate::worker::Tap;

/// Commands a worker may have waiting.
const CAPACITY: usize = 16_384;

/// What to do with one direction's key.
#[derive(Debug, Default)]
pub enum KeyChange<T> {
    /// The same key as before: its counters and replay window go on.
    #[default]
    Keep,
    /// No key.
    Clear,
    /// Another key.
    Set(T),
}

/// Everything about a leg that signalling decides, applied between two packets.
#[derive(Debug, Default)]
pub struct Plan {
    /// Where the remote said it receives RTP; unspecified (0.0.0.0) or port 0 is hold.
    pub remote: Option<SocketAddr>,
    /// Where the remote said it receives RTCP; by default the port after RTP.
    pub remote_rtcp: Option<SocketAddr>,
    /// The address the leg's signalling came from.
    pub signalling_ip: Option<IpAddr>,
    /// RTP and RTCP share one port.
    pub rtcp_mux: bool,
    /// Media may be sent to the remote.
    pub send: bool,
    /// Media from the remote may pass.
    pub receive: bool,
    /// The key of what the remote sends.
    pub rx: KeyChange<SrtpReceiver>,
    /// The key of what we send.
    pub tx: KeyChange<SrtpSender>,
    /// Nothing plain passes in either direction, keys or no keys.
    pub secure_required: bool,
    /// Bit n: payload type n was negotiated.
    pub payload_types: u128,
    /// RTP clock of the audio codec, Hz.
    pub clock_rate: u32,
    /// The remote has newly signalled where it is: forget the latch.
    pub new_latch: bool,
    /// Packets pass as they are, to and from another sealed leg only.
    pub sealed: bool,
    /// What passes through codecs, where they are needed.
    pub formats: Arc<Formats>,
    /// A new RTCP socket, when rtcp-mux was given up.
    pub rtcp_socket: Option<OwnedFd>,
}

/// What a leg's remote may send and is sent where that passes through codecs; one object for all legs that have the same.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// What the remote may send.
    pub receive: Vec<Format>,
    /// What it is sent where the codec process makes it.
    pub transmit: Vec<Format>,
}

impl Formats {
    /// Bit n: payload type n is one of the RFC 4733 formats that the remote may send.
    #[must_use]
    pub fn event_types(&self) -> u128 {
        let formats = self.receive.iter();
        let events = formats.filter(|format| format.spec.kind == CodecKind::TelephoneEvent);
        events.fold(0, |types, format| types | 1 << (format.payload_type & 0x7f))
    }
}

/// Outgoing payload type for each incoming one; [`DROP`] stops it.
pub type PayloadMap = [u8; 128];
/// The entry of a payload type that is not forwarded.
pub const DROP: u8 = 0xff;

/// A command. Slots are given out by the engine; commands of one leg are kept in order.
#[derive(Debug)]
pub enum Command {
    /// Puts a new leg into a vacant slot.
    Open(u32, Box<Leg>),
    /// Changes a leg.
    Update(u32, Box<Plan>),
    /// Joins two legs; the maps are for the packets of the first and of the second.
    Bridge(u32, u32, Option<Arc<PayloadMap>>, Option<Arc<PayloadMap>>),
    /// Ends the bridge or echo of a leg, on both its sides.
    Unbridge(u32),
    /// Sends a leg's own packets back to it.
    Echo(u32),
    /// Joins two legs through the codec process.
    Transcode(u32, u32),
    /// Plays sounds to a leg, or ends that.
    Play(u32, Option<Playing>),
    /// Records legs.
    Record(Box<Tap>),
    /// Ends a recording, if it is this worker's.
    StopRecording(u64),
    /// Sends a digit (RFC 4733 event code, milliseconds) to a leg that the codec process speaks for.
    Digit(u32, u8, u16),
    /// A codec process is there, at the other end of that socket; the one before it died over that leg.
    Codecs(OwnedFd, Option<LegId>),
    /// A sound that legs may be played.
    Sound(Arc<Sound>),
    /// Sends a ZRTP packet from a leg's RTP socket to its remote.
    SendPacket(u32, Box<[u8]>),
    /// Gives a leg away, with its sockets, keys and counters; its bridge or echo ends.
    Depart(u32, Arc<Passage>),
    /// Takes a leg that another worker gives away into a vacant slot. What comes after waits for it.
    Arrive(u32, Arc<Passage>),
    /// Ends a leg.
    Close(u32),
    /// Ends every leg and the worker.
    Stop,
}

/// A leg's way from one worker to another: put in once by the one, taken out once by the other.
#[derive(Debug, Default)]
pub struct Passage(Mutex<Transit>);

#[derive(Debug, Default)]
enum Transit {
    #[default]
    Awaited,
    Here(Option<Box<Leg>>),
    GivenUp,
}

impl Passage {
    /// Puts the leg in, or nothing where it is gone. Returns it where it is awaited no more.
    pub fn put(&self, leg: Option<Box<Leg>>) -> Option<Box<Leg>> {
        let mut transit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*transit, Transit::GivenUp) {
            return leg;
        }
        *transit = Transit::Here(leg);
        None
    }

    /// Takes what has been put in; None while that is still to come, unless `give_up`.
    #[allow(clippy::option_option, reason = "not yet, and gone, are two things")]
    pub fn take(&self, give_up: bool) -> Option<Option<Box<Leg>>> {
        let mut transit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *transit {
            Transit::Here(leg) => Some(leg.take()),
            _ if give_up => {
                *transit = Transit::GivenUp;
                Some(None)
            }
            _ => None,
        }
    }
}

/// A worker's mailbox.
#[derive(Debug)]
pub struct Mailbox {
    queue: ArrayQueue<Command>,
    descriptor: OwnedFd,
    asleep: AtomicBool,
}

impl Mailbox {
    /// An empty mailbox.
    ///
    /// # Errors
    /// No descriptor could be had.
    pub fn new() -> rustix::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(CAPACITY),
            descriptor: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            asleep: AtomicBool::new(false),
        })
    }

    /// Posts a command and wakes the worker if it sleeps.
    ///
    /// # Errors
    /// The command, if the mailbox is full.
    pub fn post(&self, command: Command) -> Result<(), Command> {
        self.queue.push(command)?;
        self.wake();
        Ok(())
    }

    /// Posts a command for when the worker wakes next.
    ///
    /// # Errors
    /// The command, if the mailbox is full.
    pub fn leave(&self, command: Command) -> Result<(), Command> {
        self.queue.push(command)
    }

    /// Wakes the worker if it sleeps and something is in its mailbox.
    pub fn wake(&self) {
        if !self.queue.is_empty() && self.asleep.swap(false, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }
    }

    /// Takes the next command.
    pub fn take(&self) -> Option<Command> {
        self.queue.pop()
    }

    /// Says that the worker is about to block; false if a command has come meanwhile and it must not.
    pub fn prepare_to_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        if self.queue.is_empty() {
            return true;
        }
        self.asleep.store(false, Ordering::SeqCst);
        false
    }

    /// Says that the worker is awake again.
    pub fn awake(&self) {
        if !self.asleep.swap(false, Ordering::SeqCst) {
            let _ = rustix::io::read(&self.descriptor, &mut [0_u8; 8]);
        }
    }

    /// The descriptor that becomes readable when a sleeping worker gets a command.
    #[must_use]
    pub fn descriptor(&self) -> &OwnedFd {
        &self.descriptor
    }
}
