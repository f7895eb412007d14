//! Sealtone's media core: moves RTP and RTCP between the legs of a call, each leg plain or SRTP.
//!
//! Nothing here knows Python; `media-py` wraps it.

pub mod rtcp;
pub mod rtp;
pub mod srtp;
