//! Sealtone's codecs, and what turns packets of one into packets of another.
//!
//! Everything here is arithmetic: no sockets, no files, no clock. Time comes in as arguments. Where a codec is a C
//! library, its calls stand in one file each, the only ones with `unsafe`.

pub mod codec;
pub mod noise;

pub use codec::{Codec, CodecError, available, load, open, packet_ms};
pub use sealtone_codec_protocol::{CodecKind, CodecSpec};
