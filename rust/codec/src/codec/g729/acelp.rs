//! The fixed codebook: four pulses of one height in a sub-frame, one on each of four tracks (ITU-T G.729 clauses 3.8 and
//! A.3.8).

use super::SUBFRAME;
use super::filter::filter_backwards;
use crate::codec::linear_prediction::LANES;

/// A pulse of the first track lies on one of the samples 0, 5 … 35, of the second on 1, 6 … 36, and so on; one of the
/// fourth lies on one of this fourth track or of the fifth.
const TRACKS: usize = 5;
/// Places on a track: as many as there are lanes.
const PLACES: usize = LANES;
/// Pulses.
const PULSES: usize = 4;

/// Places of the first pulse of a pair that are tried with every other three.
const TRIED: usize = 2;

/// Four pulses: on which sample each lies, and whether it is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulses {
    pub samples: [usize; PULSES],
    pub positive: [bool; PULSES],
}

impl Pulses {
    /// The pulses of the codes C and S.
    pub fn of_codes(positions: u16, signs: u8) -> Self {
        let bits = |from: u32, count: u32| usize::from(positions >> from & ((1 << count) - 1));
        Self {
            samples: [
                TRACKS * bits(0, 3),
                TRACKS * bits(3, 3) + 1,
                TRACKS * bits(6, 3) + 2,
                TRACKS * bits(10, 3) + 3 + bits(9, 1),
            ],
            positive: [0, 1, 2, 3].map(|pulse| signs >> pulse & 1 == 1),
        }
    }

    /// C: three bits for the place on each track, and one more for the track of the last (equation 62).
    pub fn positions(&self) -> u16 {
        let [one, two, three, four] = self.samples.map(|sample| sample as u16);
        let fifth = four % TRACKS as u16 - 3;
        (one / 5) | ((two / 5) << 3) | ((three / 5) << 6) | (fifth << 9) | ((four / 5) << 10)
    }

    /// S: a bit for each that is positive (equation 61).
    pub fn signs(&self) -> u8 {
        (0..)
            .zip(self.positive)
            .fold(0, |signs, (pulse, positive)| {
                signs | u8::from(positive) << pulse
            })
    }

    /// The pulses as a signal, repeated after a lag that is shorter than a sub-frame (equation 48).
    #[inline(always)]
    pub fn signal(&self, lag: usize, gain: f32) -> [f32; SUBFRAME] {
        let mut signal = [0.0; SUBFRAME];
        for (&sample, positive) in self.samples.iter().zip(self.positive) {
            signal[sample] = if positive { 1.0 } else { -1.0 };
        }
        repeat(&mut signal, lag, gain);
        signal
    }

    /// The inner product of the pulses and a signal.
    pub fn matched(&self, signal: &[f32; SUBFRAME]) -> f32 {
        let pulses = self.samples.iter().zip(self.positive);
        let products = pulses.map(|(&sample, positive)| {
            if positive {
                signal[sample]
            } else {
                -signal[sample]
            }
        });
        products.sum()
    }

    /// The pulses filtered.
    #[inline(always)]
    pub fn filtered(&self, response: &[f32; SUBFRAME]) -> [f32; SUBFRAME] {
        let mut filtered = [0.0; SUBFRAME];
        for (&sample, positive) in self.samples.iter().zip(self.positive) {
            let height = if positive { 1.0 } else { -1.0 };
            for (out, response) in filtered[sample..].iter_mut().zip(response) {
                *out += height * response;
            }
        }
        filtered
    }
}

/// Adds what came a lag before, so much weaker: an impulse response with the pitch in it.
#[inline(always)]
pub fn repeat(signal: &mut [f32; SUBFRAME], lag: usize, gain: f32) {
    for at in lag..SUBFRAME {
        signal[at] += gain * signal[at - lag];
    }
}

/// One number for each place of a track.
type Track = [f32; PLACES];
/// The products of two filtered pulses, by the place of the first, and by that of the second.
type Pair = [Track; PLACES];

/// The pulses that, filtered, are most like the target (equation 53).
#[inline(always)]
pub fn search(target: &[f32; SUBFRAME], response: &[f32; SUBFRAME]) -> Pulses {
    let search = Search::new(target, response);
    let pair = |one, other| search.products(one, other);
    let (first_second, first_third) = (pair(0, 1), pair(0, 2));
    let (third_first, third_second, second_third) = (pair(2, 0), pair(2, 1), pair(1, 2));
    let mut best = (-1.0, [0; PULSES]);
    for fourth in [3, 4] {
        let (to_first, to_second) = (pair(fourth, 0), pair(fourth, 1));
        let (to_third, from_third) = (pair(fourth, 2), pair(2, fourth));
        // Two tracks are searched first, then the other two with them.
        let third_and_fourth = [
            &from_third,
            &third_first,
            &third_second,
            &to_first,
            &to_second,
            &first_second,
        ];
        search.look([2, fourth, 0, 1], third_and_fourth, &mut best);
        let fourth_and_first = [
            &to_first,
            &to_second,
            &to_third,
            &first_second,
            &first_third,
            &second_third,
        ];
        search.look([fourth, 0, 1, 2], fourth_and_first, &mut best);
    }
    let samples = best.1;
    Pulses {
        samples,
        positive: samples.map(|sample| search.signs[sample % TRACKS][sample / TRACKS] > 0.0),
    }
}

/// What is looked at, by tracks. The pulse on each sample has the sign of the target there.
struct Search {
    signs: [Track; TRACKS],
    /// How much of the target a pulse matches.
    matched: [Track; TRACKS],
    /// Half the energy of the filtered pulse.
    energies: [Track; TRACKS],
    /// The impulse response up to the sub-frame's end, backwards: as a pulse has it on the places of a track, and what is
    /// a sample later on a track that much further on.
    ends: [Track; 2 * TRACKS - 1],
}

impl Search {
    #[inline(always)]
    fn new(target: &[f32; SUBFRAME], response: &[f32; SUBFRAME]) -> Self {
        let matched = filter_backwards(response, target);
        let mut energies = [0.0; SUBFRAME];
        let mut energy = 0.0;
        for (sample, response) in energies.iter_mut().rev().zip(response) {
            energy += 0.5 * response * response;
            *sample = energy;
        }
        let matched = by_tracks(&matched);
        Self {
            signs: matched.map(|track| track.map(|value| if value < 0.0 { -1.0 } else { 1.0 })),
            matched: matched.map(|track| track.map(f32::abs)),
            energies: by_tracks(&energies),
            ends: std::array::from_fn(|track| {
                std::array::from_fn(|place| {
                    let later = TRACKS * place + track;
                    if later < SUBFRAME {
                        response[SUBFRAME - 1 - later]
                    } else {
                        0.0
                    }
                })
            }),
        }
    }

    /// The products of every filtered pulse of one track and every one of another. Five samples earlier each, both
    /// overlap for five samples more.
    #[inline(always)]
    fn products(&self, one: usize, other: usize) -> Pair {
        let mut pair = [[0.0; PLACES]; PLACES];
        let mut row = [0.0; PLACES];
        for place in (0..PLACES).rev() {
            let [_, b, c, d, e, f, g, h] = row;
            row = [b, c, d, e, f, g, h, 0.0];
            let more: [Track; TRACKS] = std::array::from_fn(|later| {
                let of_one = self.ends[one + later][place];
                self.ends[other + later].map(|of_other| of_one * of_other)
            });
            for lane in 0..PLACES {
                let [a, b, c, d, e] = more.map(|more| more[lane]);
                row[lane] += (a + b) + (c + d) + e;
                pair[place][lane] = row[lane] * (self.signs[one][place] * self.signs[other][lane]);
            }
        }
        pair
    }

    /// Looks through the pulses on four tracks: the most matching places of the first, for each the best one of the
    /// second, and with those all of the third and fourth. What counts is the square of what they match by their energy.
    ///
    /// `pairs` are those of the first track with the second to fourth, of the second with the third and fourth, and of the
    /// third with the fourth.
    #[inline(always)]
    fn look(
        &self,
        tracks @ [a, b, c, d]: [usize; PULSES],
        pairs: [&Pair; 6],
        best: &mut (f32, [usize; PULSES]),
    ) {
        let mut left = self.matched[a];
        for _ in 0..TRIED {
            let first = greatest(&left).1;
            left[first] = -1.0;

            let to_first = &pairs[0][first];
            let (matched_first, energy_first) = (self.matched[a][first], self.energies[a][first]);
            let ratios: Track = std::array::from_fn(|place| {
                let matched = self.matched[b][place] + matched_first;
                matched * matched / (self.energies[b][place] + energy_first + to_first[place])
            });
            let second = greatest(&ratios).1;
            let matched = matched_first + self.matched[b][second];
            let energy = energy_first + self.energies[b][second] + to_first[second];

            let matched: [Track; 2] = [
                self.matched[c].map(|third| third + matched),
                self.matched[d],
            ];
            let energies: [Track; 2] = [
                (c, &pairs[1][first], &pairs[3][second], energy),
                (d, &pairs[2][first], &pairs[4][second], 0.0),
            ]
            .map(|(track, to_first, to_second, energy)| {
                std::array::from_fn(|place| {
                    self.energies[track][place] + energy + to_first[place] + to_second[place]
                })
            });
            let mut ratios = [[0.0_f32; PLACES]; PLACES];
            let mut most = [0.0_f32; PLACES];
            for third in 0..PLACES {
                let between = &pairs[5][third];
                for fourth in 0..PLACES {
                    let matched = matched[0][third] + matched[1][fourth];
                    let energy = energies[0][third] + energies[1][fourth] + between[fourth];
                    let ratio = matched * matched / energy;
                    ratios[third][fourth] = ratio;
                    most[fourth] = if ratio > most[fourth] {
                        ratio
                    } else {
                        most[fourth]
                    };
                }
            }
            let (most, fourth) = greatest(&most);
            if most > best.0 {
                let third = ratios
                    .iter()
                    .position(|row| row[fourth] == most)
                    .unwrap_or(0);
                let mut samples = [0; PULSES];
                for (track, place) in tracks.into_iter().zip([first, second, third, fourth]) {
                    samples[track.min(PULSES - 1)] = TRACKS * place + track;
                }
                *best = (most, samples);
            }
        }
    }
}

/// A sub-frame's samples by the tracks they lie on.
#[inline(always)]
fn by_tracks(samples: &[f32; SUBFRAME]) -> [Track; TRACKS] {
    std::array::from_fn(|track| std::array::from_fn(|place| samples[TRACKS * place + track]))
}

/// The greatest of a track, and its place.
#[inline(always)]
fn greatest(track: &Track) -> (f32, usize) {
    let mut best = (track[0], 0);
    for (place, &value) in track.iter().enumerate().skip(1) {
        best = if value > best.0 { (value, place) } else { best };
    }
    best
}
