//! What the media core and the codec process say to each other.
//!
//! The two are different processes, since most codecs are C and their input comes from strangers: the codec process
//! has no keys, no files and no network (see `SECURITY.md`). Nothing here does input or output.

#![forbid(unsafe_code)]

mod spec;

pub use spec::{CodecKind, CodecSpec};
