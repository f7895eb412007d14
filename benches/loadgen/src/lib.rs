//! Load generators for media and SIP, and the bare UDP forwarder that stands for
//! the least a relay can cost on this machine.

pub mod histogram;
pub mod json;
pub mod media;
pub mod sip;
pub mod srtp;
pub mod sys;
