//! G722: any stream of payloads is decoded, repaired and concealed within its bounds, or refused.
#![no_main]

mod stranger;

use libfuzzer_sys::fuzz_target;
use sealtone_codec::CodecKind;

fuzz_target!(|data: &[u8]| stranger::stream(CodecKind::G722, &[8_000], &[8_000, 16_000], data));
