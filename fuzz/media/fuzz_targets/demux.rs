//! Telling what shares a port: every datagram gets one kind, and that kind's parser can begin to read it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_media::demux::{Kind, classify};
use sealtone_media::rtcp::is_rtcp;

fuzz_target!(|data: &[u8]| {
    match classify(data) {
        Kind::Rtp => assert!(data.len() >= 12 && data[0] >> 6 == 2 && !is_rtcp(data)),
        Kind::Rtcp => assert!(data.len() >= 8 && is_rtcp(data)),
        Kind::Stun => assert!(data.len() >= 20 && data[0] < 4),
        Kind::Dtls => assert!(data.len() >= 13 && (20..64).contains(&data[0])),
        Kind::Zrtp => assert_eq!(&data[4..8], b"ZRTP"),
        Kind::Unknown => {}
    }
});
