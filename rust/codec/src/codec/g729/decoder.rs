//! The decoder (ITU-T G.729 clause 4 and annexes A and B).

use super::acelp::Pulses;
use super::comfort::{ComfortNoise, Random};
use super::filter::{convolve, fold_memory, high_pass_after_decoder, impulse_responses};
use super::frame::{Excitation, Frame, Lag, SilenceFrame, parity};
use super::gain::{self, Gains};
use super::pitch::{self, LONGEST};
use super::postfilter::{self, PostFilter};
use super::{FIRST_LSP, FRAME, Lpc, Lsf, OCTETS, ORDER, REPETITION, SID_OCTETS, SUBFRAME};
use super::{lsf, lsf_quantiser};
use crate::codec::linear_prediction::{HighPass, settled};
use crate::vector::{Work, widest};

/// What a sample may be, as in arithmetic of 16 bits.
const LOUDEST: f32 = 32_767.0;

/// What comes in for 10 ms.
#[derive(Clone, Copy)]
pub enum Received<'a> {
    Voice(&'a [u8; OCTETS]),
    Silence(&'a [u8; SID_OCTETS]),
    /// A frame of voice is lost; or, after one of silence, there is nothing new to say.
    Nothing,
}

/// A decoder of one stream. Its sound is finite and within 16 bits, whatever it gets.
pub struct Decoder {
    lsf_prediction: lsf_quantiser::Prediction,
    /// The last frequencies of voice and the predictor they came with, which a lost frame repeats.
    lsf: Lsf,
    predictor: u8,
    /// The cosines of the last frame's.
    lsp: [f32; ORDER],
    /// Those of the last frame of silence.
    silent_lsp: [f32; ORDER],
    /// The excitation before the frame.
    excitation: [f32; pitch::PAST],
    /// The whole samples of the last lag; while frames are lost it grows.
    lag: usize,
    gains: Gains,
    gain_prediction: gain::Prediction,
    repetition: f32,
    /// What stands in for the pulses of lost frames.
    random: Random,
    noise: ComfortNoise,
    is_voice: bool,
    /// The last samples of speech before the postfilter.
    speech: [f32; ORDER],
    postfilter: PostFilter,
    high_pass: HighPass,
}

impl Decoder {
    pub fn new() -> Self {
        Self {
            lsf_prediction: lsf_quantiser::Prediction::new(),
            lsf: lsf_quantiser::EVEN,
            predictor: 0,
            lsp: FIRST_LSP,
            silent_lsp: lsf_quantiser::EVEN.map(f32::cos),
            excitation: [0.0; pitch::PAST],
            lag: 60,
            gains: Gains {
                pitch: 0.0,
                fixed: 0.0,
            },
            gain_prediction: gain::Prediction::new(),
            repetition: REPETITION[0],
            random: Random(21_845),
            noise: ComfortNoise::new(),
            is_voice: true,
            speech: [0.0; ORDER],
            postfilter: PostFilter::new(),
            high_pass: high_pass_after_decoder(),
        }
    }

    /// Decodes one frame.
    pub fn decode(&mut self, received: Received<'_>) -> [i16; FRAME] {
        widest(Decoding {
            decoder: self,
            received,
        })
    }

    #[inline(always)]
    fn frame(&mut self, received: Received<'_>) -> [i16; FRAME] {
        let mut sound = match received {
            Received::Voice(octets) => self.voice(Some(&Frame::unpack(octets))),
            Received::Silence(octets) => self.silence(Some(&SilenceFrame::unpack(octets))),
            Received::Nothing if self.is_voice => self.voice(None),
            Received::Nothing => self.silence(None),
        };
        self.high_pass.pass(&mut sound);
        // Not only rounded: the cast keeps within 16 bits.
        sound.map(|sample| sample.round_ties_even() as i16)
    }

    /// The sound of a frame of voice, or of one that is lost.
    #[inline(always)]
    fn voice(&mut self, frame: Option<&Frame>) -> [f32; FRAME] {
        self.is_voice = true;
        self.noise.reset();
        match frame {
            Some(frame) => {
                self.lsf = self.lsf_prediction.dequantise(&frame.lsf);
                self.predictor = frame.lsf.predictor;
            }
            None => self.lsf_prediction.conceal(&self.lsf, self.predictor),
        }
        let filters = self.filters(self.lsf.map(f32::cos));

        let mut excitations = [[0.0; SUBFRAME]; 2];
        let mut lags = [0; 2];
        for at in 0..2 {
            let (lag, codes) = match frame {
                Some(frame) => {
                    let codes = frame.excitations[at];
                    let lag = match at {
                        0 if parity(codes.lag) != frame.parity => None,
                        0 => Some(Lag::of_code(codes.lag)),
                        _ => Some(Lag::of_code_after(lags[0], codes.lag)),
                    };
                    (lag, codes)
                }
                None => (None, self.made_up()),
            };
            let lag = match lag {
                Some(lag) => {
                    self.lag = lag.whole.min(LONGEST);
                    lag
                }
                None => self.last_lag(),
            };
            lags[at] = lag.whole;
            excitations[at] = self.excite(lag, &codes, frame.is_some());
        }
        self.synthesise(&filters, &excitations, lags)
    }

    /// The sound of a frame of silence, or of another like the last.
    #[inline(always)]
    fn silence(&mut self, frame: Option<&SilenceFrame>) -> [f32; FRAME] {
        if let Some(frame) = frame {
            self.noise.tell(frame);
            self.silent_lsp = self
                .lsf_prediction
                .dequantise_silence(&frame.lsf)
                .map(f32::cos);
        }
        let filters = self.filters(self.silent_lsp);
        let noise = self.noise.excite(&mut self.excitation, self.is_voice);
        self.is_voice = false;
        self.repetition = REPETITION[0];
        let mut excitations = [[0.0; SUBFRAME]; 2];
        excitations.as_flattened_mut().copy_from_slice(&noise);
        self.synthesise(&filters, &excitations, [self.lag; 2])
    }

    #[inline(always)]
    fn filters(&mut self, lsp: [f32; ORDER]) -> [Lpc; 2] {
        let filters = lsf::filters(&self.lsp, &lsp);
        self.lsp = lsp;
        filters
    }

    /// What stands in for a lag that is lost: the last one, and the next time a sample more (clause 4.4.1).
    fn last_lag(&mut self) -> Lag {
        let whole = self.lag;
        self.lag = (whole + 1).min(LONGEST);
        Lag { whole, third: 0 }
    }

    /// Pulses for a sub-frame that is lost (clause 4.4.4).
    fn made_up(&mut self) -> Excitation {
        Excitation {
            positions: self.random.next() & 0x1fff,
            signs: (self.random.next() & 15) as u8,
            ..Excitation::default()
        }
    }

    /// The excitation of a sub-frame of voice; its gains fade while frames are lost.
    #[inline(always)]
    fn excite(&mut self, lag: Lag, codes: &Excitation, is_received: bool) -> [f32; SUBFRAME] {
        let mut line = [0.0; pitch::PAST + SUBFRAME];
        line[..pitch::PAST].copy_from_slice(&self.excitation);
        let repeated = pitch::repeat(&line, lag);
        let pulses = Pulses::of_codes(codes.positions, codes.signs);
        let signal = pulses.signal(lag.whole, self.repetition);
        self.gains = if is_received {
            self.gain_prediction.dequantise(codes.gains, &signal)
        } else {
            self.gain_prediction.conceal();
            self.gains.faded()
        };
        self.repetition = self.gains.pitch.clamp(REPETITION[0], REPETITION[1]);
        let Gains { pitch, fixed } = self.gains;
        let made: [f32; SUBFRAME] = std::array::from_fn(|n| {
            settled((pitch * repeated[n] + fixed * signal[n]).clamp(-LOUDEST, LOUDEST))
        });
        self.excitation.copy_within(SUBFRAME.., 0);
        self.excitation[pitch::PAST - SUBFRAME..].copy_from_slice(&made);
        made
    }

    /// The speech of a frame, made softer between pitch and formants.
    #[inline(always)]
    fn synthesise(
        &mut self,
        filters: &[Lpc; 2],
        excitations: &[[f32; SUBFRAME]; 2],
        lags: [usize; 2],
    ) -> [f32; FRAME] {
        let denominators = [0, 1].map(|at: usize| postfilter::denominator(&filters[at]));
        let [first, second, first_denominator, second_denominator] =
            impulse_responses([&filters[0], &filters[1], &denominators[0], &denominators[1]]);
        let responses = [[first, first_denominator], [second, second_denominator]];
        let mut sound = [0.0; FRAME];
        for at in 0..2 {
            let mut fed = excitations[at];
            fold_memory(&filters[at], &self.speech, &mut fed);
            let made = convolve(&responses[at][0], &fed);
            let mut speech = [0.0; ORDER + SUBFRAME];
            speech[..ORDER].copy_from_slice(&self.speech);
            for (sample, made) in speech[ORDER..].iter_mut().zip(made) {
                *sample = settled(made.clamp(-LOUDEST, LOUDEST));
            }
            self.speech.copy_from_slice(&speech[SUBFRAME..]);
            let filtered = self.postfilter.filter(
                &filters[at],
                &denominators[at],
                &responses[at][1],
                &speech,
                lags[at],
            );
            sound[at * SUBFRAME..(at + 1) * SUBFRAME].copy_from_slice(&filtered);
        }
        sound
    }
}

struct Decoding<'a> {
    decoder: &'a mut Decoder,
    received: Received<'a>,
}

impl Work for Decoding<'_> {
    type Output = [i16; FRAME];

    #[inline(always)]
    fn run(self) -> Self::Output {
        self.decoder.frame(self.received)
    }
}
