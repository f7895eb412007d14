//! Properties of the outgoing stream, whatever the source does.

use std::collections::HashSet;

use proptest::prelude::*;
use sealtone_media::bridge::{Fields, Refusal, Rewriter};

/// What may happen to a source.
#[derive(Clone, Debug)]
enum Step {
    Next,
    Repeat(u8),
    Lose(u8),
    Swap,
    Jump(u16),
    Source(u8),
    Hold,
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => Just(Step::Next),
        2 => any::<u8>().prop_map(Step::Repeat),
        2 => any::<u8>().prop_map(Step::Lose),
        2 => Just(Step::Swap),
        1 => any::<u16>().prop_map(Step::Jump),
        1 => any::<u8>().prop_map(Step::Source),
        1 => Just(Step::Hold),
        1 => (0_u32..3_000_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..600)
}

/// A source that obeys steps and gives the packets they cause.
struct Source {
    ssrc: u32,
    sequence: u16,
    now: u64,
}

impl Source {
    fn packet(&self, sequence: u16) -> Fields {
        Fields {
            ssrc: self.ssrc,
            sequence,
            timestamp: u32::from(sequence).wrapping_mul(160),
            marker: false,
        }
    }

    fn obey(&mut self, step: &Step, stream: &mut Rewriter) -> Vec<Fields> {
        self.now += 20_000;
        match step {
            Step::Next => {
                self.sequence = self.sequence.wrapping_add(1);
                vec![self.packet(self.sequence)]
            }
            Step::Repeat(back) => vec![self.packet(self.sequence.wrapping_sub(u16::from(*back)))],
            Step::Lose(count) => {
                self.sequence = self.sequence.wrapping_add(u16::from(*count));
                vec![]
            }
            Step::Swap => {
                self.sequence = self.sequence.wrapping_add(2);
                vec![
                    self.packet(self.sequence),
                    self.packet(self.sequence.wrapping_sub(1)),
                ]
            }
            Step::Jump(by) => {
                self.sequence = self.sequence.wrapping_add(*by);
                vec![]
            }
            Step::Source(ssrc) => {
                self.ssrc = u32::from(*ssrc % 4);
                vec![]
            }
            Step::Hold => {
                stream.resync();
                vec![]
            }
            Step::Wait(micros) => {
                self.now += u64::from(*micros);
                vec![]
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_number_is_ever_sent_twice(first in any::<u16>(), start in any::<u16>(), steps in steps()) {
        let mut stream = Rewriter::new(7, start, 0);
        let mut source = Source { ssrc: 1, sequence: first, now: 1 };
        let mut sent = HashSet::new();
        for step in &steps {
            for packet in source.obey(step, &mut stream) {
                let before = stream.high();
                if let Ok(out) = stream.rewrite(packet, source.now, 8_000) {
                    // Which extended number it is follows from how near the highest it lies.
                    let step = i64::from(out.sequence.wrapping_sub(before as u16) as i16);
                    prop_assert!(sent.insert(before + step), "{} again", before + step);
                    prop_assert!(stream.high() >= before);
                    prop_assert_eq!(out.ssrc, 7);
                }
            }
        }
    }

    #[test]
    fn a_change_of_source_is_followed_by_the_next_number(
        first in any::<u16>(), second in any::<u16>(), talk in 1_u16..500, hold in any::<bool>()
    ) {
        let mut stream = Rewriter::new(7, 3, 9);
        let mut source = Source { ssrc: 1, sequence: first, now: 1 };
        for _ in 0..talk {
            for packet in source.obey(&Step::Next, &mut stream) {
                prop_assert!(stream.rewrite(packet, source.now, 8_000).is_ok());
            }
        }
        let (high, last) = (stream.high(), stream.timestamp_at(source.now, 8_000));
        if hold { stream.resync() } else { source.ssrc = 2 }
        source.sequence = second;
        source.now += 1_000_000;
        let out = stream.rewrite(source.packet(second), source.now, 8_000).unwrap();
        prop_assert_eq!(stream.high(), high + 1);
        prop_assert!(out.marker);
        prop_assert_eq!(out.timestamp.wrapping_sub(last), 8_000, "a second has passed");
    }

    #[test]
    fn gaps_stay_gaps_over_any_wrap(first in any::<u16>(), gaps in prop::collection::vec(1_u16..2_000, 1..200)) {
        let mut stream = Rewriter::new(7, 3, 9);
        let source = Source { ssrc: 1, sequence: first, now: 1 };
        let mut sequence = first;
        let mut last = stream.rewrite(source.packet(sequence), 1, 8_000).unwrap();
        for gap in gaps {
            sequence = sequence.wrapping_add(gap);
            let out = stream.rewrite(source.packet(sequence), 1, 8_000).unwrap();
            prop_assert_eq!(out.sequence.wrapping_sub(last.sequence), gap);
            last = out;
        }
    }
}

fn packet(ssrc: u32, sequence: u16) -> Fields {
    Fields {
        ssrc,
        sequence,
        timestamp: u32::from(sequence) * 160,
        marker: false,
    }
}

#[test]
fn a_restarted_source_is_believed_at_its_second_packet() {
    let mut stream = Rewriter::new(7, 0, 0);
    stream.rewrite(packet(1, 10), 1, 8_000).unwrap();
    assert_eq!(
        stream.rewrite(packet(1, 40_000), 2, 8_000),
        Err(Refusal::Jump)
    );
    assert_eq!(
        stream.rewrite(packet(1, 11), 3, 8_000).unwrap().sequence,
        2,
        "the old run goes on"
    );
    assert_eq!(
        stream.rewrite(packet(1, 40_000), 4, 8_000),
        Err(Refusal::Jump)
    );
    let out = stream.rewrite(packet(1, 40_001), 5, 8_000).unwrap();
    assert_eq!((out.sequence, out.marker), (3, true));
}

#[test]
fn late_packets_of_the_former_source_do_not_bring_it_back() {
    let mut stream = Rewriter::new(7, 0, 0);
    stream.rewrite(packet(1, 10), 1, 8_000).unwrap();
    stream.rewrite(packet(2, 90), 1_000, 8_000).unwrap();
    assert_eq!(
        stream.rewrite(packet(1, 11), 2_000, 8_000),
        Err(Refusal::Late)
    );
    assert_eq!(
        stream
            .rewrite(packet(2, 91), 3_000, 8_000)
            .unwrap()
            .sequence,
        3
    );
    assert_eq!(
        stream
            .rewrite(packet(1, 12), 900_000, 8_000)
            .unwrap()
            .sequence,
        4,
        "but its real return does"
    );
}

#[test]
fn a_packet_older_than_the_window_is_refused_and_one_within_passes_once() {
    let mut stream = Rewriter::new(7, 0, 0);
    stream.rewrite(packet(1, 10), 1, 8_000).unwrap();
    stream.rewrite(packet(1, 300), 2, 8_000).unwrap();
    assert_eq!(stream.rewrite(packet(1, 172), 3, 8_000), Err(Refusal::Late));
    assert!(stream.rewrite(packet(1, 173), 4, 8_000).is_ok());
    assert_eq!(
        stream.rewrite(packet(1, 173), 5, 8_000),
        Err(Refusal::Duplicate)
    );
}
