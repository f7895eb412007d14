use proptest::prelude::*;

use super::frame::Frame;
use super::*;
use crate::codec::linear_prediction::lpc_of;

proptest! {
    #[test]
    fn frequencies_survive_the_way_through_a_filter(
        indices in (0..64_u8, 0..128_u8, 0..128_u8)
    ) {
        let lsf = lsf::dequantise([indices.0, indices.1, indices.2]);
        prop_assert!(lsf.is_sorted());
        let again = lsf::from_lpc(&lpc_of(&lsf.map(f32::cos))).unwrap();
        for (before, after) in lsf.iter().zip(&again) {
            prop_assert!((before - after).abs() < 1e-3, "{lsf:?} became {again:?}");
        }
    }

    #[test]
    fn a_frame_is_packed_into_the_octets_it_came_from(
        octets in prop::collection::vec(any::<u8>(), 50),
        mode in prop::sample::select(&Mode::BOTH[..]),
    ) {
        let mut octets = octets[..mode.octets()].to_vec();
        *octets.last_mut().unwrap() &= 0xfe;
        if let Some(frame) = Frame::unpack(mode, &octets) {
            let mut packed = Vec::new();
            frame.pack(mode, &mut packed);
            prop_assert_eq!(packed, octets);
        }
    }

    #[test]
    fn an_index_of_the_narrowed_codebook_is_found_again(index in 0..128_u8) {
        prop_assert_eq!(codebook::narrowed(codebook::widened(index)), usize::from(index));
    }
}

#[test]
fn a_frame_whose_start_state_lies_outside_it_is_none() {
    // The two or three bits after the first 20 or 40.
    for (mode, octet, shift, last) in [(Mode::Ms20, 2, 2, 3), (Mode::Ms30, 5, 5, 5)] {
        for start in 0..8_u8 >> usize::from(mode == Mode::Ms20) {
            let mut octets = vec![0; mode.octets()];
            octets[octet] = start << shift;
            let frame = Frame::unpack(mode, &octets);
            assert_eq!(
                frame.is_some(),
                (1..=last).contains(&start),
                "{mode:?} {start}"
            );
            octets[mode.octets() - 1] |= 1;
            assert_eq!(Frame::unpack(mode, &octets), None);
        }
    }
}

#[test]
fn every_sample_is_coded_once_wherever_the_start_state_lies() {
    for mode in Mode::BOTH {
        for start in 1..mode.subblocks() as u8 {
            for scalar_first in [false, true] {
                let (scalar, stretches) = codebook::layout(mode, start, scalar_first);
                let mut coded = vec![0; mode.samples()];
                let stretches = stretches.map(|it| it.begin..it.begin + it.samples);
                let scalar = std::iter::once(scalar..scalar + mode.state_samples());
                for sample in scalar.chain(stretches).flatten() {
                    coded[sample] += 1;
                }
                assert_eq!(
                    coded,
                    vec![1; mode.samples()],
                    "{mode:?} {start} {scalar_first}"
                );
            }
        }
    }
}
