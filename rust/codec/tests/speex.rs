//! Speex and lost packets: how loud a tone comes to be, whose period is a whole number of samples.

use sealtone_codec::{Codec, CodecKind, CodecSpec, load, open};

/// Narrow, wide and ultra-wide band; two tones each, low and loud: rate, Hz, amplitude.
fn tones() -> impl Iterator<Item = (u32, u32, f64)> {
    (0..12).map(|n| {
        let (rate, hertz) = ([8_000, 16_000, 32_000][n % 3], [800, 1_000][n / 3 % 2]);
        (rate, hertz, [2_000.0, 8_000.0][n / 6])
    })
}

/// A tone as it comes out of the codec, frame by frame.
struct Tone {
    codec: Box<dyn Codec>,
    rate: u32,
    hertz: u32,
    amplitude: f64,
    at: u32,
}

impl Tone {
    fn new(rate: u32, hertz: u32, amplitude: f64) -> Self {
        load();
        Self {
            codec: open(&CodecSpec::new(CodecKind::Speex, rate)).unwrap(),
            rate,
            hertz,
            amplitude,
            at: 0,
        }
    }

    /// The loudness of the loudest 5 ms of the next frame, which may be lost, dB.
    fn next(&mut self, lost: bool) -> f64 {
        let samples = self.rate / 50;
        let turn = f64::from(self.hertz) / f64::from(self.rate) * std::f64::consts::TAU;
        let sound: Vec<i16> = (self.at..self.at + samples)
            .map(|index| (self.amplitude * (f64::from(index) * turn).sin()) as i16)
            .collect();
        self.at += samples;
        let (mut payload, mut heard) = (Vec::new(), Vec::new());
        self.codec.encode(&sound, &mut payload).unwrap();
        if lost {
            assert!(self.codec.conceal(samples as usize, &mut heard));
        } else {
            self.codec.decode(&payload, &mut heard).unwrap();
        }
        let quarters = heard.chunks_exact(heard.len() / 4);
        quarters.map(loudness).fold(0.0, f64::max)
    }
}

fn loudness(sound: &[i16]) -> f64 {
    let power: f64 = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (power / sound.len() as f64).max(1.0).log10()
}

#[test]
fn what_is_concealed_is_not_louder_than_what_was_heard_before_it() {
    for (rate, hertz, amplitude) in tones() {
        let mut tone = Tone::new(rate, hertz, amplitude);
        for gap in [1, 5].repeat(6) {
            let heard = (0..50).map(|_| tone.next(false)).last().unwrap();
            for _ in 0..gap {
                let concealed = tone.next(true);
                assert!(
                    concealed < heard + 0.1,
                    "{rate} {hertz} {amplitude}: {concealed} {heard}"
                );
            }
        }
    }
}
