//! What the media core and the codec process say to each other, and how both read telephone events.
//!
//! The two are different processes, since most codecs are C and their input comes from strangers: the codec process
//! has no keys, no files and no network (see `SECURITY.md`). Nothing here does input or output.
//!
//! A datagram is a batch of records: one octet of kind, two of length, the body. Numbers are little-endian. The media
//! core says [`Order`]s, the codec process [`Report`]s. A datagram of which one record cannot be read is read no
//! further, and its sender is not to be trusted.

#![forbid(unsafe_code)]

mod batch;
mod event;
mod order;
mod report;
mod spec;
mod wire;

pub use batch::{Batch, MAX_BATCH, orders, reports};
pub use event::{EventReader, HOOK_FLASH, Press, TelephoneEvent};
pub use order::{Format, MAX_FORMATS, MAX_SOUNDS, Order, Packet, RecordingFormat};
pub use report::{Availability, Report, Sent, Statistics};
pub use spec::{CodecKind, CodecSpec};
pub use wire::{MAX_DATA, MAX_PAYLOAD, MAX_TEXT, Malformed};

/// Events of RFC 4733 above this one are no digits.
pub const LAST_DIGIT: u8 = 15;

/// A leg as the media core names it to the codec process, which only compares it.
pub type LegId = u64;

/// The version of this protocol: the two programs are built together, and this tells when they were not.
pub const VERSION: u16 = 1;
