//! The codec process: everything that decodes or encodes sound, apart from the media core and its keys.
//!
//! [`mixer::Mixer`] is the whole of its work and knows no socket and no clock; [`service::run`] gives it both;
//! [`sandbox::close`] takes everything else away. See `SECURITY.md` for what this holds off.

pub mod clock;
mod leg;
pub mod mark;
pub mod mixer;
pub mod outbox;
mod playback;
mod recording;
pub mod sandbox;
pub mod service;
mod sys;
