//! Comfort noise (RFC 3389): what silence sounds like, said in a few octets and made again from them.

use crate::stretch::loudness;

/// Reflection coefficients that are used of what comes; a sender may send more.
const MOST_COEFFICIENTS: usize = 12;
/// Reflection coefficients that we send.
const SENT_COEFFICIENTS: usize = 6;
/// No noise is as loud; what is has left all bounds.
const MOST_LOUDNESS: f32 = 1e6;

/// Pseudo-random noise, white, of unit power.
#[derive(Clone, Debug)]
struct White(u32);

impl White {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // A uniform distribution from -1 to 1 has a power of a third.
        f32::from((self.0 >> 16) as i16) / 32_768.0 * 1.732_050_8
    }
}

/// Makes noise as the last payload described it.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    white: White,
    coefficients: [f32; MOST_COEFFICIENTS],
    state: [f32; MOST_COEFFICIENTS],
    gain: f32,
    wanted: f32,
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self {
            white: White(1),
            coefficients: [0.0; MOST_COEFFICIENTS],
            state: [0.0; MOST_COEFFICIENTS],
            gain: 0.0,
            wanted: 0.0,
        }
    }
}

impl ComfortNoise {
    /// Takes a payload (RFC 3389 section 3): the level, and the coefficients if there are any. An empty one changes
    /// nothing.
    pub fn update(&mut self, payload: &[u8]) {
        let Some((&level, coefficients)) = payload.split_first() else {
            return;
        };
        self.coefficients = [0.0; MOST_COEFFICIENTS];
        let mut rest = 1.0;
        for (coefficient, &index) in self.coefficients.iter_mut().zip(coefficients) {
            // Index 255 is reserved.
            *coefficient = 258.0 * (f32::from(index.min(254)) - 127.0) / 32_768.0;
            rest *= 1.0 - *coefficient * *coefficient;
        }
        // RFC 3389 leaves the sign open. By ours, which is WebRTC's and FFmpeg's too, the first one is below zero where
        // there is more low than high sound, as in every room: else the sender means the other sign.
        if self.coefficients[0] > 0.0 {
            self.coefficients.iter_mut().for_each(|it| *it = -*it);
        }
        self.wanted = level_to_loudness(level & 0x7f) * rest.sqrt();
    }

    /// Appends `count` samples.
    pub fn extend(&mut self, count: usize, sound: &mut Vec<i16>) {
        for _ in 0..count {
            self.gain += (self.wanted - self.gain) / 64.0;
            // A lattice, from the highest order down.
            let mut forward = self.white.next() * self.gain;
            for order in (0..MOST_COEFFICIENTS).rev() {
                forward -= self.coefficients[order] * self.state[order];
                let backward = self.state[order] + self.coefficients[order] * forward;
                if order + 1 < MOST_COEFFICIENTS {
                    self.state[order + 1] = backward;
                }
            }
            // Stable while the coefficients stay; of what changes them all the time it can be driven beyond all numbers.
            if forward.is_nan() || forward.abs() > MOST_LOUDNESS {
                self.state = [0.0; MOST_COEFFICIENTS];
                forward = 0.0;
            }
            self.state[0] = forward;
            sound.push(forward.clamp(-32_768.0, 32_767.0) as i16);
        }
    }
}

/// Minus dBov to root mean square: 0 dBov is a square wave at full scale (RFC 3389 section 3).
fn level_to_loudness(level: u8) -> f32 {
    32_768.0 * 10.0_f32.powf(-f32::from(level) / 20.0)
}

/// Describes noise: appends a payload of RFC 3389 for the sound of a pause.
pub fn describe(sound: &[i16], payload: &mut Vec<u8>) {
    let loudness = loudness(sound).max(0.01);
    let level = (-20.0 * (loudness / 32_768.0).log10())
        .round()
        .clamp(0.0, 127.0);
    payload.push(level as u8);
    let mut correlations = [0.0_f32; SENT_COEFFICIENTS + 1];
    for (lag, correlation) in correlations.iter_mut().enumerate() {
        *correlation = sound
            .iter()
            .zip(sound.iter().skip(lag))
            .map(|(&a, &b)| f32::from(a) * f32::from(b))
            .sum();
    }
    for coefficient in reflections(&mut correlations) {
        let index = (coefficient * 32_768.0 / 258.0 + 127.0)
            .round()
            .clamp(0.0, 254.0);
        payload.push(index as u8);
    }
}

/// Schur's recursion.
fn reflections(correlations: &mut [f32; SENT_COEFFICIENTS + 1]) -> [f32; SENT_COEFFICIENTS] {
    let mut coefficients = [0.0; SENT_COEFFICIENTS];
    // A little white noise, so that a pure tone does not make it unstable.
    correlations[0] = correlations[0] * 1.001 + 1.0;
    let (mut upper, mut lower) = (*correlations, *correlations);
    for order in 0..SENT_COEFFICIENTS {
        let coefficient = (-upper[order + 1] / lower[0]).clamp(-0.99, 0.99);
        coefficients[order] = coefficient;
        for index in 0..SENT_COEFFICIENTS - order {
            let (high, low) = (upper[order + 1 + index], lower[index]);
            upper[order + 1 + index] = high + coefficient * low;
            lower[index] = low + coefficient * high;
        }
    }
    coefficients
}

const LOUDEST_ROOM: f32 = 200.0;

/// Tells speech from pauses, by how much louder it is than the quietest of the last seconds.
#[derive(Clone, Debug)]
pub struct VoiceActivity {
    floor: f32,
    hangover_ms: u32,
}

impl Default for VoiceActivity {
    fn default() -> Self {
        Self {
            floor: 200.0,
            hangover_ms: 0,
        }
    }
}

impl VoiceActivity {
    /// So long after speech a pause begins, milliseconds.
    const HANGOVER_MS: u32 = 240;

    /// Whether this block of sound, so many milliseconds, is to be sent as sound.
    pub fn is_voice(&mut self, sound: &[i16], ms: u32) -> bool {
        let loud = loudness(sound);
        if loud < self.floor {
            self.floor = self.floor * 0.7 + loud * 0.3;
        } else {
            // Up by 3 dB a second: the room has become louder. No room is as loud as music without a pause.
            self.floor = (self.floor * (1.0 + 0.000_35 * ms as f32)).clamp(4.0, LOUDEST_ROOM);
        }
        if loud > self.floor * 2.5 + 12.0 {
            self.hangover_ms = Self::HANGOVER_MS;
        } else {
            self.hangover_ms = self.hangover_ms.saturating_sub(ms);
        }
        self.hangover_ms > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of a loudness, low-pass by one pole.
    fn noise(count: usize, pole: f32, loud: f32) -> Vec<i16> {
        let mut white = White(7);
        let mut last = 0.0;
        (0..count)
            .map(|_| {
                last = pole * last + white.next() * (1.0 - pole * pole).sqrt();
                (last * loud) as i16
            })
            .collect()
    }

    #[test]
    fn descriptions_that_drive_the_noise_beyond_all_bounds_do_it_no_lasting_harm() {
        let mut made = ComfortNoise::default();
        let (mut sound, mut choice) = (Vec::new(), White(3));
        for _ in 0..5_000 {
            let mut payload = [0; 1 + MOST_COEFFICIENTS];
            for index in &mut payload[1..] {
                *index = (127.0 + 73.0 * choice.next()) as u8;
            }
            made.update(&payload);
            sound.clear();
            made.extend(8, &mut sound);
            assert!(made.state.iter().all(|value| value.is_finite()));
        }
        made.update(&[40]);
        sound.clear();
        made.extend(16_000, &mut sound);
        let loud = loudness(&sound[8_000..]);
        assert!((loud / level_to_loudness(40) - 1.0).abs() < 0.1, "{loud}");
    }

    #[test]
    fn noise_described_and_made_again_has_its_level_and_its_colour_whichever_sign_its_sender_takes()
    {
        for (pole, loud) in [(0.0, 100.0), (0.7, 300.0), (0.9, 40.0)] {
            let original = noise(8_000, pole, loud);
            let mut payload = Vec::new();
            describe(&original, &mut payload);
            assert_eq!(payload.len(), 1 + SENT_COEFFICIENTS);
            let colour = |sound: &[i16]| {
                let (mut one, mut all) = (0.0, 0.0);
                for pair in sound.windows(2) {
                    one += f32::from(pair[0]) * f32::from(pair[1]);
                    all += f32::from(pair[0]).powi(2);
                }
                one / all
            };
            let opposite: Vec<u8> = std::iter::once(payload[0])
                .chain(payload[1..].iter().map(|index| 254 - index))
                .collect();
            for payload in [payload, opposite] {
                let (mut made, mut again) = (ComfortNoise::default(), Vec::new());
                made.update(&payload);
                made.extend(16_000, &mut again);
                let again = &again[8_000..];
                let ratio = loudness(again) / loudness(&original);
                assert!((0.8..1.25).contains(&ratio), "{pole}: {ratio}");
                let apart = (colour(again) - colour(&original)).abs();
                assert!(apart < 0.12, "{pole}: {apart}");
            }
        }
    }

    #[test]
    fn no_payload_makes_noise_that_grows() {
        for index in 0..=255_u8 {
            let (mut made, mut sound) = (ComfortNoise::default(), Vec::new());
            made.update(&[40; 1]);
            let payload = [&[20_u8][..], &[index; 20]].concat();
            made.update(&payload);
            made.extend(20_000, &mut sound);
            assert!(loudness(&sound[10_000..]) < 8_000.0, "{index}");
        }
        ComfortNoise::default().update(&[]);
    }

    #[test]
    fn speech_is_told_from_the_noise_of_a_room() {
        let mut activity = VoiceActivity::default();
        let room = noise(160, 0.5, 60.0);
        let speech = noise(160, 0.5, 2_000.0);
        for _ in 0..100 {
            activity.is_voice(&room, 20);
        }
        assert!(!activity.is_voice(&room, 20));
        assert!(activity.is_voice(&speech, 20));
        let hung = (0..20).take_while(|_| activity.is_voice(&room, 20)).count();
        assert!((8..=13).contains(&hung), "{hung}");
    }

    #[test]
    fn music_that_never_pauses_is_not_taken_for_the_noise_of_a_room() {
        let mut activity = VoiceActivity::default();
        let music = noise(160, 0.9, 800.0);
        assert!((0..3_000).all(|_| activity.is_voice(&music, 20)));
    }
}
