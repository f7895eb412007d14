//! Sealtone's media core: moves RTP and RTCP between the legs of a call, each leg plain or SRTP.
//!
//! Nothing here knows Python; `media-py` wraps it. An [`engine::Engine`] runs worker threads; a call and
//! both its legs live on one of them. The way of one RTP packet stands whole in [`forward::forward`].

#![forbid(unsafe_code)]

pub mod bridge;
pub mod clock;
pub mod codecs;
pub mod command;
pub mod demux;
pub mod engine;
pub mod event;
pub mod forward;
pub mod leg;
pub mod pool;
pub mod port;
pub mod random;
pub mod rate;
pub mod record;
pub mod report;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod stats;
mod worker;
