//! What the media core and a codec process say to each other: arbitrary octets are read to an end, and what was read
//! is written as the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_codec_protocol::{Batch, orders, reports};

fuzz_target!(|data: &[u8]| {
    for order in orders(data).map_while(Result::ok) {
        let mut batch = Batch::default();
        if batch.order(&order) {
            let again: Vec<_> = orders(batch.datagram()).collect();
            assert_eq!(again, [Ok(order)]);
        }
    }
    for report in reports(data).map_while(Result::ok) {
        let mut batch = Batch::default();
        if batch.report(&report) {
            let again: Vec<_> = reports(batch.datagram()).collect();
            assert_eq!(again, [Ok(report)]);
        }
    }
});
