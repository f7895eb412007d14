//! Comfort noise: whatever it is described with, it stays finite.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_codec::noise::Noise;

fuzz_target!(|data: &[u8]| {
    let mut noise = Noise::new(1);
    let mut sound = Vec::new();
    for payload in data.split(|octet| *octet == 255) {
        let taken = noise.update(payload);
        assert_eq!(taken, payload.first().is_some_and(|level| *level < 128));
        sound.clear();
        noise.make(160, &mut sound);
        assert_eq!(sound.len(), 160);
    }
});
