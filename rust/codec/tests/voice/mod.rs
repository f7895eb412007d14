//! Sound to try codecs with.

/// Something like speech: pulses of a moving pitch through two moving resonances, in syllables, over a little noise.
pub fn voice(rate: u32, seconds: usize) -> Vec<i16> {
    let rate = f64::from(rate);
    let (mut seed, mut phase) = (1_u32, 0.0_f64);
    let mut memory = [[0.0_f64; 2]; 2];
    (0..(rate * seconds as f64) as usize)
        .map(|n| {
            let t = n as f64 / rate;
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(seed >> 16) / 32_768.0 - 1.0;
            phase += (120.0 + 30.0 * (1.7 * t).sin()) / rate;
            let pulse = if phase >= 1.0 {
                phase -= 1.0;
                1.0
            } else {
                0.0
            };
            let syllable = (2.0 * std::f64::consts::PI * 1.3 * t).sin().max(0.0);
            let mut value = syllable * (3_000.0 * pulse + 60.0 * noise) + 4.0 * noise;
            for (formant, (middle, swing)) in [(500.0, 250.0), (1_500.0, 600.0)].iter().enumerate()
            {
                let angle = 2.0 * std::f64::consts::PI * (middle + swing * (3.1 * t).sin()) / rate;
                let radius = (-std::f64::consts::PI * 90.0 / rate).exp();
                let [one, two] = memory[formant];
                value += 2.0 * radius * angle.cos() * one - radius * radius * two;
                memory[formant] = [value, one];
            }
            (value * 0.3).clamp(-30_000.0, 30_000.0) as i16
        })
        .collect()
}
