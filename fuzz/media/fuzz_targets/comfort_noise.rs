//! Comfort noise: whatever it is described with, as much of it comes as was asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_codec::noise::ComfortNoise;

fuzz_target!(|data: &[u8]| {
    let mut noise = ComfortNoise::default();
    let mut sound = Vec::new();
    for payload in data.split(|octet| *octet == 255) {
        noise.update(payload);
        sound.clear();
        noise.extend(160, &mut sound);
        assert_eq!(sound.len(), 160);
    }
});
