use proptest::prelude::*;

use super::decoder::{Decoder, Received};
use super::frame::{Frame, Lag, second_lags_begin};
use super::lsf_quantiser::{EVEN, Prediction};
use super::*;
use crate::codec::linear_prediction::lpc_of;

proptest! {
    #[test]
    fn frequencies_survive_the_way_through_a_filter(codes in any::<[u8; OCTETS]>()) {
        let lsf = Prediction::new().dequantise(&Frame::unpack(&codes).lsf);
        prop_assert!(lsf.is_sorted());
        let again = lsf::from_lpc(&lpc_of(&lsf.map(f32::cos))).unwrap();
        for (before, after) in lsf.iter().zip(&again) {
            prop_assert!((before - after).abs() < 2e-3, "{lsf:?} became {again:?}");
        }
    }

    #[test]
    fn frequencies_out_of_the_codebooks_are_found_again(codes in any::<[u8; OCTETS]>()) {
        let wanted = Prediction::new().dequantise(&Frame::unpack(&codes).lsf);
        let (_, found) = Prediction::new().quantise(&wanted);
        let error: f32 = wanted.iter().zip(&found).map(|(w, f)| (w - f) * (w - f)).sum();
        prop_assert!(error < 0.03, "{wanted:?} became {found:?}");
    }

    #[test]
    fn a_frame_is_packed_into_the_octets_it_came_from(octets in any::<[u8; OCTETS]>()) {
        prop_assert_eq!(Frame::unpack(&octets).pack(), octets);
    }

    #[test]
    fn any_frames_are_decoded_and_leave_a_decoder_that_goes_silent(
        frames in prop::collection::vec(
            (any::<[u8; OCTETS]>(), any::<[u8; SID_OCTETS]>(), 0..4_u8),
            1..60,
        ),
        repeated in 1..30_usize,
    ) {
        let mut decoder = Decoder::new();
        for (voice, silence, kind) in &frames {
            for _ in 0..repeated {
                decoder.decode(match kind {
                    0 => Received::Nothing,
                    1 => Received::Silence(silence),
                    _ => Received::Voice(voice),
                });
            }
        }
        // The lowest level that silence can tell, on flat frequencies.
        let quiet = [0; SID_OCTETS];
        let mut last = [0; FRAME];
        for _ in 0..100 {
            last = decoder.decode(Received::Silence(&quiet));
        }
        prop_assert!(last.iter().all(|sample| sample.abs() < 20), "{last:?}");
    }
}

#[test]
fn every_lag_is_told_by_a_code_of_its_own() {
    for code in 0..=255_u8 {
        let lag = Lag::of_code(code);
        assert_eq!(lag.code(), code, "{lag:?}");
        assert!((19..=pitch::LONGEST).contains(&lag.whole));
        for second in 0..32 {
            let after = Lag::of_code_after(lag.whole, second);
            assert_eq!(after.code_from(second_lags_begin(lag.whole)), second);
            assert!((19..=pitch::LONGEST + 1).contains(&after.whole));
        }
    }
}

#[test]
fn pulses_that_a_response_was_made_of_are_found() {
    let response: [f32; SUBFRAME] = std::array::from_fn(|n| 0.8_f32.powi(n as i32));
    for (positions, signs) in [(0, 0), (0x1fff, 15), (0x0a53, 6), (0x1234, 9)] {
        let pulses = acelp::Pulses::of_codes(positions, signs);
        assert_eq!((pulses.positions(), pulses.signs()), (positions, signs));
        let target = pulses.filtered(&response);
        assert_eq!(acelp::search(&target, &response), pulses);
    }
}

#[test]
fn what_would_feed_an_error_back_without_end_is_tamed() {
    let lag = Lag {
        whole: 50,
        third: 0,
    };
    let mut taming = taming::Taming::new();
    for _ in 0..10 {
        taming.follow(0.9, lag);
    }
    assert!(!taming.is_needed(lag));
    for _ in 0..60 {
        taming.follow(1.2, lag);
    }
    assert!(taming.is_needed(lag));
    for _ in 0..20 {
        taming.follow(0.3, lag);
    }
    assert!(!taming.is_needed(lag));
}

#[test]
fn a_stream_begins_with_even_frequencies() {
    assert!(
        EVEN.windows(2)
            .all(|pair| (pair[1] - pair[0] - EVEN[0]).abs() < 1e-6)
    );
}
