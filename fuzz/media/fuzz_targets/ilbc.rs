//! iLBC: payloads and losses in any order give as much sound as they say, and no sound reaches a packet that is not one
//! of whole frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_codec::{CodecKind, CodecSpec, open};

fuzz_target!(|data: &[u8]| {
    let Some((&first, mut rest)) = data.split_first() else {
        return;
    };
    let frame_ms = if first & 1 == 0 { 20 } else { 30 };
    let spec = CodecSpec {
        frame_ms,
        packet_ms: frame_ms,
        ..CodecSpec::new(CodecKind::Ilbc, 8_000)
    };
    let mut codec = open(&spec).expect("a spec of iLBC's");
    while let Some((&length, after)) = rest.split_first() {
        let length = usize::from(length);
        // The lengths of one frame and of a few are worth more than others.
        let length = match length {
            0..100 => 38,
            100..200 => 50,
            200..220 => 2 * 38,
            220..240 => 3 * 50,
            _ => length,
        };
        let (payload, after) = after.split_at(length.min(after.len()));
        rest = after;
        let mut sound = Vec::new();
        if payload.len() < length {
            assert!(codec.conceal(payload.len(), &mut sound));
            assert_eq!(sound.len(), payload.len());
            continue;
        }
        let expected = codec.samples_in(payload);
        assert_eq!(
            codec.decode(payload, &mut sound).is_ok(),
            expected.is_some()
        );
        assert_eq!(sound.len(), expected.unwrap_or(0));
        // What it decoded to is encoded again: sounds that no voice makes.
        let mut encoded = Vec::new();
        let frame = usize::from(frame_ms) * 8;
        let whole = sound.len() / frame * frame;
        codec
            .encode(&sound[..whole], &mut encoded)
            .expect("whole frames");
        assert_eq!(codec.samples_in(&encoded).unwrap_or(0), whole);
    }
});
