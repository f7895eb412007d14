//! Comfort noise (RFC 3389): what silence sounds like, in a few octets, and noise that sounds so.
//!
//! A payload is a level and, if its sender likes, the reflection coefficients of an all-pole model of the spectrum. The
//! model is that of G.711 appendix II, which the RFC comes from: A(z) = 1 - Σ aᵢ z⁻ⁱ, the first coefficient being the
//! correlation of neighbouring samples. Some senders (those that use WebRTC's code) mean A(z) = 1 + Σ aᵢ z⁻ⁱ. Since the
//! noise of rooms falls with frequency, its first coefficient is above zero in the appendix's reading; where it is below,
//! the sender's is taken to be the other.

/// Reflection coefficients that are read; more say nothing of noise.
pub const MOST_ORDER: usize = 10;
/// The quietest level, dB below overload.
const QUIETEST: u8 = 127;
/// Power of a full-scale square wave, which is 0 dBov.
const OVERLOAD: f32 = 32_768.0 * 32_768.0;

/// Describes `sound`, a frame or more of background noise, in a payload of one octet and `order` more (at most 10).
#[must_use]
pub fn describe(sound: &[i16], order: usize) -> Vec<u8> {
    let order = order.min(MOST_ORDER);
    let correlation = autocorrelation(sound);
    let power = correlation[0] / sound.len().max(1) as f32;
    let level = (-10.0 * (power / OVERLOAD).log10()).round();
    let mut payload = Vec::with_capacity(1 + order);
    payload.push(level.clamp(0.0, f32::from(QUIETEST)) as u8);
    let reflections = reflections(&correlation);
    payload.extend(
        reflections[..order]
            .iter()
            .map(|reflection| (reflection * 32_768.0 / 258.0 + 127.0).round() as u8),
    );
    payload
}

fn autocorrelation(sound: &[i16]) -> [f32; MOST_ORDER + 1] {
    std::array::from_fn(|lag| {
        sound
            .iter()
            .zip(sound.get(lag..).unwrap_or_default())
            .map(|(one, other)| f32::from(*one) * f32::from(*other))
            .sum()
    })
}

/// Durbin's recursion.
fn reflections(correlation: &[f32; MOST_ORDER + 1]) -> [f32; MOST_ORDER] {
    let mut reflections = [0.0; MOST_ORDER];
    let mut predictor = [0.0_f32; MOST_ORDER];
    // A little white noise keeps the recursion away from its edge.
    let mut error = correlation[0] * 1.001 + 1.0;
    for order in 0..MOST_ORDER {
        let expected: f32 = (0..order)
            .map(|at| predictor[at] * correlation[order - at])
            .sum();
        let reflection = ((correlation[order + 1] - expected) / error).clamp(-0.98, 0.98);
        step_up(&mut predictor, order, reflection);
        reflections[order] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    reflections
}

/// Takes a predictor of `order` coefficients one higher.
fn step_up(predictor: &mut [f32; MOST_ORDER], order: usize, reflection: f32) {
    let before = *predictor;
    for at in 0..order {
        predictor[at] = before[at] - reflection * before[order - 1 - at];
    }
    predictor[order] = reflection;
}

/// Makes noise as payloads describe it.
#[derive(Clone, Debug)]
pub struct Noise {
    seed: u32,
    /// How strong the excitation is, and how strong it is to become: a change of level is no step.
    gain: f32,
    wished_gain: f32,
    predictor: [f32; MOST_ORDER],
    /// The last samples, the newest first.
    past: [f32; MOST_ORDER],
}

/// How much of the way to a new level is gone with each sample: most of it in 20 ms at 8 kHz.
const APPROACH: f32 = 0.015;

impl Noise {
    /// Silence, until something is described. The seed makes two streams' noise different.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self {
            seed: seed | 1,
            gain: 0.0,
            wished_gain: 0.0,
            predictor: [0.0; MOST_ORDER],
            past: [0.0; MOST_ORDER],
        }
    }

    /// Takes a payload; returns false, and stays as it is, where it is empty or its level is none.
    pub fn update(&mut self, payload: &[u8]) -> bool {
        let Some((&level, coefficients)) = payload.split_first() else {
            return false;
        };
        if level > QUIETEST {
            return false; // the highest bit is to be zero
        }
        let mut reflections = [0.0_f32; MOST_ORDER];
        for (reflection, octet) in reflections.iter_mut().zip(coefficients) {
            *reflection = (258.0 * (f32::from(*octet) - 127.0) / 32_768.0).clamp(-0.98, 0.98);
        }
        if reflections[0] < 0.0 {
            reflections = reflections.map(|reflection| -reflection);
        }
        let mut rest = 1.0;
        for (order, reflection) in reflections.into_iter().enumerate() {
            step_up(&mut self.predictor, order, reflection);
            rest *= 1.0 - reflection * reflection;
        }
        // White noise of this power becomes noise of the described one in the filter.
        let power = OVERLOAD * 10.0_f32.powf(-f32::from(level) / 10.0);
        self.wished_gain = (power * rest).sqrt();
        true
    }

    /// Appends that many samples.
    pub fn make(&mut self, samples: usize, sound: &mut Vec<i16>) {
        sound.extend((0..samples).map(|_| {
            self.gain += (self.wished_gain - self.gain) * APPROACH;
            let predicted: f32 = self
                .predictor
                .iter()
                .zip(&self.past)
                .map(|(coefficient, past)| coefficient * past)
                .sum();
            let sample = predicted + self.gain * self.normal();
            self.past.copy_within(..MOST_ORDER - 1, 1);
            // Bounded, so that no description can make it run away.
            self.past[0] = sample.clamp(-131_072.0, 131_072.0);
            sample.round() as i16
        }));
    }

    /// Four even numbers added up: near enough to a normal one, of variance 1.
    fn normal(&mut self) -> f32 {
        const VARIANCE: f32 = 4.0 / 12.0;
        let mut sum = 0.0;
        for _ in 0..4 {
            self.seed = self
                .seed
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            sum += (self.seed >> 8) as f32 / (1 << 24) as f32 - 0.5;
        }
        sum / VARIANCE.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn loudness(sound: &[i16]) -> f32 {
        let power: f32 = sound.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        10.0 * (power / sound.len() as f32 / OVERLOAD).log10()
    }

    fn made(noise: &mut Noise, samples: usize) -> Vec<i16> {
        let mut sound = Vec::new();
        noise.make(samples, &mut sound);
        sound
    }

    /// Noise that falls with frequency, as in a room.
    fn room(level: u8) -> Vec<i16> {
        let mut noise = Noise::new(3);
        assert!(noise.update(&[level, 230, 100, 140]));
        made(&mut noise, 16_000)[8_000..].to_vec()
    }

    #[test]
    fn noise_is_as_loud_as_its_description_says() {
        for level in [20, 40, 60, 80] {
            let mut noise = Noise::new(1);
            assert!(noise.update(&[level]));
            let heard = loudness(&made(&mut noise, 16_000)[8_000..]);
            assert!((heard + f32::from(level)).abs() < 1.0, "{level}: {heard}");
        }
    }

    #[test]
    fn noise_made_from_a_description_sounds_like_what_was_described() {
        let room = room(45);
        for order in [0, 4, 10] {
            let payload = describe(&room, order);
            assert_eq!(payload.len(), 1 + order);
            let mut noise = Noise::new(7);
            assert!(noise.update(&payload));
            let again = made(&mut noise, 16_000);
            let again = &again[8_000..];
            assert!((loudness(again) - loudness(&room)).abs() < 1.5);
            let colour = |sound: &[i16]| {
                let correlation = autocorrelation(sound);
                correlation[1] / correlation[0]
            };
            let differs = (colour(again) - colour(&room)).abs();
            assert_eq!(differs < 0.1, order > 0, "{order}: {differs}");
        }
    }

    #[test]
    fn coefficients_of_the_other_sign_sound_the_same() {
        let payload = describe(&room(40), 8);
        let mut turned = payload.clone();
        for octet in &mut turned[1..] {
            *octet = 254 - *octet;
        }
        let (mut one, mut other) = (Noise::new(5), Noise::new(5));
        assert!(one.update(&payload) && other.update(&turned));
        assert_eq!(made(&mut one, 800), made(&mut other, 800));
    }

    #[test]
    fn silence_has_the_lowest_level_and_nothing_is_heard_of_it() {
        assert_eq!(describe(&[0; 160], 2), [127, 127, 127]);
        assert_eq!(describe(&[], 0), [127]);
        let mut noise = Noise::new(1);
        assert!(noise.update(&[127]));
        assert_eq!(made(&mut noise, 160), [0; 160]);
    }

    #[test]
    fn a_change_of_level_is_no_step() {
        let mut noise = Noise::new(1);
        assert!(noise.update(&[30]));
        let sound = made(&mut noise, 4_000);
        assert!(loudness(&sound[..20]) < loudness(&sound[2_000..]) - 6.0);
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_run_away(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..20)) {
            let mut noise = Noise::new(1);
            for payload in payloads {
                let taken = noise.update(&payload);
                prop_assert_eq!(taken, payload.first().is_some_and(|level| *level < 128));
                prop_assert_eq!(made(&mut noise, 160).len(), 160);
                prop_assert!(noise.past.iter().all(|sample| sample.is_finite()));
            }
        }
    }
}
