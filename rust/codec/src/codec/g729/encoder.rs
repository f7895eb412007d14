//! The encoder (ITU-T G.729 annex A).

use super::acelp;
use super::analysis::{self, WINDOW};
use super::dtx::Silence;
use super::filter::{
    analyse, convolve, filter_backwards, fold_memory, high_pass_before_encoder, impulse_responses,
    widened,
};
use super::frame::{Excitation, Frame, parity, second_lags_begin};
use super::gain::{self, Products};
use super::pitch::{self, OpenLoop};
use super::taming::{self, Taming};
use super::vad::VoiceActivity;
use super::{
    FIRST_LSP, FRAME, Lpc, Lsf, OCTETS, ORDER, REPETITION, SID_OCTETS, SUBFRAME, lsf, lsf_quantiser,
};
use crate::codec::linear_prediction::{HighPass, dot, energy, settled};
use crate::vector::{Work, widest};

/// Where the frame lies among the samples that are analysed.
const PRESENT: usize = 120;
/// How far formants are widened to weigh errors: under them, more of an error is heard (clause A.3.3).
const WEIGHTING: f32 = 0.75;
/// Of the low-pass that the open-loop pitch is looked for behind (clause A.3.4).
const LOW_PASS: f32 = 0.7;
/// An encoder of one stream.
pub struct Encoder {
    high_pass: HighPass,
    /// What is analysed of the last frame.
    speech: [f32; WINDOW],
    /// The frequencies of the last frame, and their quantised cosines.
    lsf: Lsf,
    lsp: [f32; ORDER],
    lsf_prediction: lsf_quantiser::Prediction,
    open_loop: OpenLoop,
    /// The weighted speech before the frame.
    weighted: [f32; ORDER],
    /// The excitation before the frame.
    excitation: [f32; pitch::PAST],
    /// What the weighted error ended with.
    error: [f32; ORDER],
    /// The last pitch gain, within its bounds.
    repetition: f32,
    gain_prediction: gain::Prediction,
    taming: Taming,
    /// Who tells silence from voice and says what there is to say of it, where it is left out.
    silence: Option<Box<(VoiceActivity, Silence)>>,
}

/// What is sent of a frame.
pub enum Encoded {
    Voice([u8; OCTETS]),
    Silence([u8; SID_OCTETS]),
    Nothing,
}

/// A frame's filters, and what they make of it.
struct Filtered {
    /// A(z / 0.75) of each sub-frame.
    weighting: [Lpc; 2],
    /// What 1 / A(z / 0.75) answers an impulse with.
    responses: [[f32; SUBFRAME]; 2],
    /// What A(z) leaves of the speech.
    residuals: [[f32; SUBFRAME]; 2],
}

impl Encoder {
    /// `dtx`: whether silence may be described, or not sent at all (annex B).
    pub fn new(dtx: bool) -> Self {
        Self {
            high_pass: high_pass_before_encoder(),
            speech: [0.0; WINDOW],
            lsf: FIRST_LSP.map(f32::acos),
            lsp: FIRST_LSP,
            lsf_prediction: lsf_quantiser::Prediction::new(),
            open_loop: OpenLoop::new(),
            weighted: [0.0; ORDER],
            excitation: [0.0; pitch::PAST],
            error: [0.0; ORDER],
            repetition: REPETITION[0],
            gain_prediction: gain::Prediction::new(),
            taming: Taming::new(),
            silence: dtx.then(|| Box::new((VoiceActivity::new(), Silence::new()))),
        }
    }

    /// Encodes one frame's sound; `may_rest`: it may be taken for silence, where that is left out at all.
    pub fn encode(&mut self, sound: &[i16; FRAME], may_rest: bool) -> Encoded {
        widest(Encoding {
            encoder: self,
            sound,
            may_rest,
        })
    }

    #[inline(always)]
    fn frame(&mut self, sound: &[i16; FRAME], may_rest: bool) -> Encoded {
        self.speech.copy_within(FRAME.., 0);
        let newest = &mut self.speech[WINDOW - FRAME..];
        for (sample, &heard) in newest.iter_mut().zip(sound) {
            *sample = heard.into();
        }
        self.high_pass.pass(newest);
        let correlations = analysis::autocorrelate(&self.speech);
        let widened = analysis::widen(&correlations);
        let prediction = analysis::predict(&widened);
        // No closure: that would not be inlined.
        if let Some(lpc) = &prediction.lpc
            && let Some(found) = lsf::from_lpc(lpc)
        {
            self.lsf = found;
        }

        if let Some((activity, silence)) = self.silence.as_deref_mut() {
            silence.push(&correlations);
            let speech = &self.speech[PRESENT - 1..PRESENT + FRAME];
            if !may_rest {
                activity.stay_voice();
            } else if !activity.is_voice(&widened, prediction.reflection, &self.lsf, speech) {
                return self.silence();
            }
            silence.interrupt();
        }
        Encoded::Voice(self.voice().pack())
    }

    /// Follows a frame of silence as the decoder will.
    fn silence(&mut self) -> Encoded {
        let Some((_, silence)) = self.silence.as_deref_mut() else {
            return Encoded::Nothing;
        };
        let (frame, is_first) = silence.frame(&mut self.lsf, &mut self.lsf_prediction);
        let lsp = silence.lsp;
        let mut noise = [[0.0; SUBFRAME]; 2];
        let made = silence.noise.excite(&mut self.excitation, is_first);
        noise.as_flattened_mut().copy_from_slice(&made);

        let Filtered {
            weighting,
            responses,
            residuals,
            ..
        } = self.filter(lsp);
        for at in 0..2 {
            let mut fed = std::array::from_fn(|n| residuals[at][n] - noise[at][n]);
            fold_memory(&weighting[at], &self.error, &mut fed);
            let error = convolve(&responses[at], &fed);
            self.error = std::array::from_fn(|k| settled(error[SUBFRAME - ORDER + k]));
            // The decoder makes the same noise whatever it lost before.
            self.taming.rest();
        }
        self.repetition = REPETITION[0];
        frame.map_or(Encoded::Nothing, |frame| Encoded::Silence(frame.pack()))
    }

    #[inline(always)]
    fn voice(&mut self) -> Frame {
        let mut frame = Frame::default();
        let quantised;
        (frame.lsf, quantised) = self.lsf_prediction.quantise(&self.lsf);
        let Filtered {
            weighting,
            responses,
            residuals,
        } = self.filter(quantised.map(f32::cos));
        let mut lags = pitch::around(self.open_loop.lag());

        for at in 0..2 {
            let last_in_thirds = if at == 0 {
                pitch::THIRDS_UP_TO
            } else {
                usize::MAX
            };
            let (excitation, lag) = self.subframe(
                &weighting[at],
                &responses[at],
                &residuals[at],
                lags,
                last_in_thirds,
            );
            frame.excitations[at] = excitation;
            if at == 0 {
                lags = (second_lags_begin(lag.whole), 10);
                frame.excitations[at].lag = lag.code();
                frame.parity = parity(lag.code());
            } else {
                frame.excitations[at].lag = lag.code_from(lags.0);
            }
        }
        frame
    }

    /// Goes on to the filters of a frame, by the cosines of its frequencies, and takes in its weighted speech.
    #[inline(always)]
    fn filter(&mut self, lsp: [f32; ORDER]) -> Filtered {
        let filters = lsf::filters(&self.lsp, &lsp);
        self.lsp = lsp;

        let weighting = filters.map(|lpc| widened(&lpc, WEIGHTING));
        let low_passed = weighting.map(|lpc| low_pass(&lpc));
        let [first, second, first_low_passed, second_low_passed] =
            impulse_responses([&weighting[0], &weighting[1], &low_passed[0], &low_passed[1]]);
        let responses = [first, second];

        let mut weighted = [0.0; FRAME];
        let mut residuals = [[0.0; SUBFRAME]; 2];
        let low_passes = low_passed.iter().zip([first_low_passed, second_low_passed]);
        for (at, (low_passed, response)) in low_passes.enumerate() {
            let begin = PRESENT + at * SUBFRAME;
            let mut speech = [0.0; ORDER + SUBFRAME];
            speech.copy_from_slice(&self.speech[begin - ORDER..begin + SUBFRAME]);
            residuals[at] = analyse(&filters[at], &speech);
            let mut fed = residuals[at];
            fold_memory(low_passed, &self.weighted, &mut fed);
            let part = convolve(&response, &fed);
            weighted[at * SUBFRAME..(at + 1) * SUBFRAME].copy_from_slice(&part);
            self.weighted = std::array::from_fn(|k| settled(part[SUBFRAME - ORDER + k]));
        }
        self.open_loop.push(&weighted);
        Filtered {
            weighting,
            responses,
            residuals,
        }
    }

    /// Everything about a sub-frame but the code of its lag.
    #[inline(always)]
    fn subframe(
        &mut self,
        weighting: &Lpc,
        response: &[f32; SUBFRAME],
        residual: &[f32; SUBFRAME],
        lags: (usize, usize),
        last_in_thirds: usize,
    ) -> (Excitation, super::frame::Lag) {
        let mut fed = *residual;
        fold_memory(weighting, &self.error, &mut fed);
        let target = convolve(response, &fed);

        let mut line = [0.0; pitch::PAST + SUBFRAME];
        line[..pitch::PAST].copy_from_slice(&self.excitation);
        line[pitch::PAST..].copy_from_slice(residual);
        let backwards = filter_backwards(response, &target);
        let (lag, repeated) = pitch::search(&backwards, &line, lags, last_in_thirds);
        let repeated_filtered = convolve(response, &repeated);

        let (xy, yy) = (dot(&target, &repeated_filtered), energy(&repeated_filtered));
        let is_tamed = self.taming.is_needed(lag);
        let most = if is_tamed { taming::MOST_GAIN } else { 1.2 };
        let pitch_gain = if xy > 0.0 { (xy / yy).min(most) } else { 0.0 };

        let left = std::array::from_fn(|n| target[n] - pitch_gain * repeated_filtered[n]);
        let mut pitched = *response;
        acelp::repeat(&mut pitched, lag.whole, self.repetition);
        let pulses = acelp::search(&left, &pitched);
        let signal = pulses.signal(lag.whole, self.repetition);
        let filtered = pulses.filtered(&pitched);

        let products = Products {
            xy,
            yy,
            xz: dot(&target, &filtered),
            yz: dot(&repeated_filtered, &filtered),
            zz: energy(&filtered),
        };
        let (gain_codes, gains) = self.gain_prediction.quantise(&signal, &products, is_tamed);
        self.taming.follow(gains.pitch, lag);
        self.repetition = gains.pitch.clamp(REPETITION[0], REPETITION[1]);

        self.excitation.copy_within(SUBFRAME.., 0);
        for (n, sample) in self.excitation[pitch::PAST - SUBFRAME..]
            .iter_mut()
            .enumerate()
        {
            *sample = settled(gains.pitch * repeated[n] + gains.fixed * signal[n]);
        }
        for (k, error) in self.error.iter_mut().enumerate() {
            let n = SUBFRAME - ORDER + k;
            let made = gains.pitch * repeated_filtered[n] + gains.fixed * filtered[n];
            *error = settled(target[n] - made);
        }
        let excitation = Excitation {
            lag: 0,
            positions: pulses.positions(),
            signs: pulses.signs(),
            gains: gain_codes,
        };
        (excitation, lag)
    }
}

struct Encoding<'a> {
    encoder: &'a mut Encoder,
    sound: &'a [i16; FRAME],
    may_rest: bool,
}

impl Work for Encoding<'_> {
    type Output = Encoded;

    #[inline(always)]
    fn run(self) -> Self::Output {
        self.encoder.frame(self.sound, self.may_rest)
    }
}

/// A(z) times 1 - 0.7/z, up to the order of A(z).
#[inline(always)]
fn low_pass(lpc: &Lpc) -> Lpc {
    let mut before = 1.0;
    lpc.map(|coefficient| {
        let passed = coefficient - LOW_PASS * before;
        before = coefficient;
        passed
    })
}
