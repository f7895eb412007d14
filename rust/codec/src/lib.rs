//! Sealtone's codecs, and what turns packets of one into packets of another.
//!
//! Everything here is arithmetic: no sockets, no files, no clock. Time comes in as arguments. Where a codec is a C
//! library, its calls stand in one file each; with those that ask the processor for vectors (`vector`), they are the
//! only ones with `unsafe`.

pub mod codec;
pub mod conceal;
pub mod event;
pub mod jitter;
pub mod noise;
pub mod receive;
pub mod record;
pub mod resample;
pub mod stretch;
pub mod tone;
pub mod transmit;
mod vector;
mod voice;

pub use codec::{Codec, CodecError, available, load, open, packet_ms};
pub use event::Digit;
pub use jitter::Arrival;
pub use receive::{Receiver, ReceiverConfig, ReceiverStats};
pub use resample::Resampler;
pub use sealtone_codec_protocol::{CodecKind, CodecSpec};
pub use transmit::{Outgoing, Transmitter, TransmitterConfig};
