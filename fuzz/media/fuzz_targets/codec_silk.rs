//! Silk: any stream of payloads is decoded, repaired and concealed within its bounds, or refused.
#![no_main]

mod stranger;

use libfuzzer_sys::fuzz_target;
use sealtone_codec::CodecKind;

fuzz_target!(|data: &[u8]| stranger::stream(
    CodecKind::Silk,
    &[8_000, 12_000, 16_000, 24_000],
    &[],
    data
));
