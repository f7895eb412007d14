//! Making sound shorter or longer by one pitch period, unheard, and passing from one sound to another.

/// Loudness below which a stretch of sound is silence to the ear, root mean square.
const SILENCE: f32 = 30.0;

/// A place in sound at which it is most like itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// How far away, samples.
    pub lag: usize,
    /// From -1 to 1.
    pub correlation: f32,
}

/// Looks for the pitch period at the end of `sound` (at `rate` Hz): 2.5 to 15 ms. It wants 25 ms of sound; None where
/// there is less.
#[must_use]
pub fn pitch(sound: &[i16], rate: u32) -> Option<Likeness> {
    let (most, length) = (samples(rate, 15), samples(rate, 10));
    let from = sound.len().checked_sub(most + length)?;
    Some(search(&sound[from..], most, length, rate, most, true))
}

/// Compares `length` samples at `place` with those up to `most` before or after them.
fn search(
    sound: &[i16],
    place: usize,
    length: usize,
    rate: u32,
    most: usize,
    before: bool,
) -> Likeness {
    // First roughly, at 4 kHz, then to the sample.
    let factor = (rate / 4_000).max(1) as usize;
    let rough: Vec<f32> = sound
        .chunks_exact(factor)
        .map(|group| group.iter().map(|&sample| f32::from(sample)).sum())
        .collect();
    let at = |place: usize, lag: usize| {
        if before { place - lag } else { place + lag }
    };
    let mut best = Likeness {
        lag: most,
        correlation: -1.0,
    };
    let (rough_place, rough_length) = (place / factor, length / factor);
    for lag in 10..=most / factor {
        let other = at(rough_place, lag);
        if other + rough_length > rough.len() || rough_place + rough_length > rough.len() {
            break;
        }
        let correlation = correlation(
            &rough[rough_place..rough_place + rough_length],
            &rough[other..other + rough_length],
        );
        if correlation > best.correlation {
            best = Likeness { lag, correlation };
        }
    }
    if best.correlation <= -1.0 {
        return best;
    }
    let exact: Vec<f32> = sound.iter().map(|&sample| f32::from(sample)).collect();
    let centre = best.lag * factor;
    best = Likeness {
        lag: centre.min(most),
        correlation: -1.0,
    };
    for lag in centre + 1 - factor..=(centre + factor - 1).min(most) {
        let other = at(place, lag);
        if other + length > exact.len() {
            break;
        }
        let correlation = correlation(&exact[place..place + length], &exact[other..other + length]);
        if correlation > best.correlation {
            best = Likeness { lag, correlation };
        }
    }
    best
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let (mut both, mut first, mut second) = ([0.0_f32; 8], [0.0_f32; 8], [0.0_f32; 8]);
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            both[lane] += a[lane] * b[lane];
            first[lane] += a[lane] * a[lane];
            second[lane] += b[lane] * b[lane];
        }
    }
    let power = first.iter().sum::<f32>() * second.iter().sum::<f32>();
    if power <= 0.0 {
        return 0.0;
    }
    both.iter().sum::<f32>() / power.sqrt()
}

/// Root mean square.
#[must_use]
pub fn loudness(sound: &[i16]) -> f32 {
    if sound.is_empty() {
        return 0.0;
    }
    let power: f32 = sound.iter().map(|&sample| f32::from(sample).powi(2)).sum();
    (power / sound.len() as f32).sqrt()
}

/// Takes one pitch period, at most `most` samples, out of the beginning of `sound`, if it is alike enough (`least`
/// correlation) or silence.
///
/// Returns how many samples it took: 0 where it found nothing to take.
pub fn shorten(sound: &mut Vec<i16>, rate: u32, most: usize, least: f32) -> usize {
    let most = (sound.len() / 2).min(samples(rate, 15)).min(most);
    if most < samples(rate, 5) {
        return 0;
    }
    let length = (sound.len() - most).min(samples(rate, 10));
    let likeness = if loudness(sound) < SILENCE {
        Likeness {
            lag: most,
            correlation: 1.0,
        }
    } else {
        search(sound, 0, length, rate, most, false)
    };
    if likeness.correlation < least {
        return 0;
    }
    let lag = likeness.lag;
    for index in 0..lag {
        sound[lag + index] = mix(sound[index], sound[lag + index], index, lag);
    }
    sound.drain(..lag);
    lag
}

/// Puts one pitch period more before `sound`, which goes on from `history`, if the two are alike enough (`least`
/// correlation) or silence.
///
/// Returns how many samples it put in.
pub fn lengthen(history: &[i16], sound: &mut Vec<i16>, rate: u32, least: f32) -> usize {
    let most = samples(rate, 15).min(sound.len()).min(history.len());
    if most < samples(rate, 5) {
        return 0;
    }
    let length = sound.len().min(samples(rate, 10));
    let mut both = history[history.len() - most..].to_vec();
    both.extend_from_slice(sound);
    let likeness = if loudness(&both) < SILENCE {
        Likeness {
            lag: most,
            correlation: 1.0,
        }
    } else {
        search(&both, most, length, rate, most, true)
    };
    if likeness.correlation < least {
        return 0;
    }
    let lag = likeness.lag;
    let more: Vec<i16> = (0..lag)
        .map(|index| mix(sound[index], both[most - lag + index], index, lag))
        .collect();
    sound.splice(..0, more);
    lag
}

/// Lets `sound` begin as `tail` would go on, and passes over to its own within the length of `tail`.
pub fn join(tail: &[i16], sound: &mut [i16]) {
    let length = tail.len().min(sound.len());
    for index in 0..length {
        sound[index] = mix(tail[index], sound[index], index + 1, length + 1);
    }
}

fn mix(from: i16, to: i16, step: usize, steps: usize) -> i16 {
    let weight = step as f32 / steps as f32;
    (f32::from(from) + (f32::from(to) - f32::from(from)) * weight).round_ties_even() as i16
}

/// Samples in so many milliseconds.
#[must_use]
pub fn samples(rate: u32, ms: u32) -> usize {
    (rate / 1_000 * ms) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate: u32, hz: f32, count: usize) -> Vec<i16> {
        (0..count)
            .map(|index| {
                let angle = index as f32 * hz / rate as f32 * std::f32::consts::TAU;
                (4_000.0 * angle.sin()
                    + 3_000.0 * (2.0 * angle).sin()
                    + 2_000.0 * (3.0 * angle).cos()) as i16
            })
            .collect()
    }

    #[test]
    fn the_pitch_of_a_voice_is_found_at_every_rate() {
        for rate in [8_000, 12_000, 16_000, 24_000, 32_000, 48_000] {
            for hz in [90.0, 133.0, 210.0, 330.0] {
                let found = pitch(&voice(rate, hz, samples(rate, 40)), rate).unwrap();
                let periods = found.lag as f32 * hz / rate as f32;
                assert!(
                    (periods - periods.round()).abs() < 0.08,
                    "{rate} {hz}: {found:?}"
                );
                assert!(found.correlation > 0.98, "{rate} {hz}: {found:?}");
            }
        }
    }

    #[test]
    fn a_voice_is_shortened_and_lengthened_by_whole_periods_without_a_click() {
        for rate in [8_000, 16_000, 48_000] {
            for hz in [120.0, 250.0] {
                let whole = voice(rate, hz, samples(rate, 100));
                let sharpest = bend(&whole);
                let mut sound = whole[samples(rate, 50)..samples(rate, 90)].to_vec();
                let (history, length) = (&whole[..samples(rate, 50)], sound.len());
                let gone = shorten(&mut sound, rate, usize::MAX, 0.9);
                assert!(gone > 0);
                assert_eq!(sound.len() + gone, length);
                assert!(bend(&[history, &sound].concat()) <= sharpest * 1.3);
                let more = lengthen(history, &mut sound, rate, 0.9);
                assert!(more > 0);
                assert_eq!(sound.len() + gone, length + more);
                assert!(bend(&[history, &sound].concat()) <= sharpest * 1.3);
            }
        }
    }

    #[test]
    fn noise_is_not_taken_for_a_voice() {
        let mut state = 1_u32;
        let noise: Vec<i16> = (0..800)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as i16 / 8
            })
            .collect();
        let mut sound = noise.clone();
        assert_eq!(shorten(&mut sound, 8_000, usize::MAX, 0.7), 0);
        assert_eq!(sound, noise);
    }

    /// The sharpest bend: a click is one.
    fn bend(sound: &[i16]) -> f32 {
        sound
            .windows(3)
            .map(|w| (f32::from(w[0]) - 2.0 * f32::from(w[1]) + f32::from(w[2])).abs())
            .fold(0.0, f32::max)
    }
}
