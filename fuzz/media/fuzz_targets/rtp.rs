//! RTP headers: any datagram is read within its bounds, and what is read and built again is read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_media::rtp::{RtpFields, RtpHeader};

fuzz_target!(|data: &[u8]| {
    let Ok(header) = RtpHeader::parse(data) else {
        return;
    };
    assert!(usize::from(header.header_len) <= data.len());
    let csrcs: Vec<u32> = header.csrcs(data).collect();
    assert_eq!(csrcs.len(), usize::from(header.csrc_count));
    let extension = header.extension_data(data);
    assert_eq!(extension.is_some(), header.extension);
    let Ok(range) = header.payload(data) else {
        return;
    };
    let fields = RtpFields {
        payload_type: header.payload_type,
        marker: header.marker,
        sequence: header.sequence,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        csrcs: &csrcs,
        extension,
    };
    let mut again = vec![0; data.len()];
    let len = fields
        .build(&data[range.clone()], &mut again)
        .expect("fits where it came from");
    assert_eq!(len, range.end);
    assert_eq!(again[1..len], data[1..len]);
});
