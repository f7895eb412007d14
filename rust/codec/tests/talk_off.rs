//! Speech is not taken for digits.

mod voice;

use sealtone_codec::tone::ToneDetector;

#[test]
fn minutes_of_speech_hold_no_digit_and_are_left_as_they_are() {
    for rate in [8_000, 16_000] {
        let speech = voice::voice(rate, 120);
        let mut sound = speech.clone();
        let mut detector = ToneDetector::new(rate);
        for block in sound.chunks_mut(rate as usize / 50) {
            detector.process(block);
        }
        assert_eq!(detector.digits().count(), 0);
        let changed = sound.iter().zip(&speech).filter(|(a, b)| a != b).count();
        assert!(changed < speech.len() / 1_000, "{changed}");
    }
}
