//! The mixer under simulated time.

use std::collections::HashMap;

use proptest::prelude::*;
use sealtone_codec::open;
use sealtone_codec_process::mixer::Mixer;
use sealtone_codec_process::outbox::Outbox;
use sealtone_codec_protocol::{
    CodecKind, CodecSpec, Format, LegId, Order, Packet, Report, reports,
};

const START: u64 = 1_000_000_000;

/// A mixer, its time, and what it sent.
struct Studio {
    mixer: Mixer,
    out: Outbox,
    now: u64,
    /// When each leg was sent a packet, and its payload type.
    sent: HashMap<LegId, Vec<(u64, u8, u32)>>,
    /// The last payload that each leg was sent.
    payload: HashMap<LegId, Vec<u8>>,
    told: Vec<String>,
}

impl Studio {
    fn new() -> Self {
        Self {
            mixer: Mixer::default(),
            out: Outbox::default(),
            now: START,
            sent: HashMap::new(),
            payload: HashMap::new(),
            told: Vec::new(),
        }
    }

    fn obey(&mut self, order: Order<'_>) {
        self.mixer.obey(order, self.now, &mut self.out);
    }

    fn set_up(&mut self, leg: LegId, format: Format) {
        self.obey(Order::SetUp {
            leg,
            formats: vec![format],
            transmit: vec![format],
        });
    }

    /// Time passes to `until`, tick by tick.
    fn pass(&mut self, until: u64) {
        while let Some(due) = self.mixer.next_due().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.mixer.advance(self.now, &mut self.out);
            self.collect();
        }
        self.now = until;
    }

    fn collect(&mut self) {
        let mut datagrams = Vec::new();
        assert!(self.out.flush(|datagram| {
            datagrams.push(datagram.to_vec());
            true
        }));
        for report in datagrams.iter().flat_map(|datagram| reports(datagram)) {
            match report.unwrap() {
                Report::Send(packet) => {
                    let sent = self.sent.entry(packet.leg).or_default();
                    sent.push((self.now, packet.payload_type, packet.timestamp));
                    self.payload.insert(packet.leg, packet.payload.to_vec());
                }
                other => self.told.push(format!("{other:?}")),
            }
        }
    }
}

fn pcmu() -> Format {
    Format {
        payload_type: 0,
        spec: CodecSpec::new(CodecKind::Pcmu, 8_000),
    }
}

fn pcma(packet_ms: u8) -> Format {
    let spec = CodecSpec::new(CodecKind::Pcma, 8_000);
    Format {
        payload_type: 8,
        spec: CodecSpec { packet_ms, ..spec },
    }
}

fn packet(leg: LegId, number: u16, at_us: u64) -> Order<'static> {
    Order::Packet(Packet {
        leg,
        sequence: number,
        timestamp: u32::from(number) * 160,
        payload_type: 0,
        marker: false,
        ssrc: 7,
        at_us,
        payload: &[0x55; 160],
    })
}

#[test]
fn a_leg_is_sent_a_packet_each_packet_time_whatever_the_other_sends() {
    for packet_ms in [10, 20, 30, 40, 60] {
        let mut studio = Studio::new();
        studio.set_up(1, pcmu());
        studio.set_up(2, pcma(packet_ms));
        studio.obey(Order::Hear {
            leg: 2,
            source: Some(1),
        });
        for number in 0..50 {
            // Nothing comes in the second half second.
            if number < 25 {
                studio.obey(packet(1, number, studio.now));
            }
            studio.pass(START + (u64::from(number) + 1) * 20_000);
        }
        let sent = &studio.sent[&2];
        let expected = 1_000 / usize::from(packet_ms);
        assert!(
            sent.len().abs_diff(expected) <= 3,
            "{} packets of {packet_ms} ms",
            sent.len()
        );
        assert!(sent.iter().all(|&(_, payload_type, _)| payload_type == 8));
        let units = u32::from(packet_ms) * 8;
        assert!(
            sent.windows(2)
                .all(|pair| pair[1].2.wrapping_sub(pair[0].2) == units)
        );
    }
}

#[test]
fn each_of_many_legs_with_g722_hears_its_own_partner() {
    let g722 = Format {
        payload_type: 9,
        spec: CodecSpec::new(CodecKind::G722, 8_000),
    };
    let format = |leg: LegId| if leg.is_multiple_of(2) { pcmu() } else { g722 };
    let legs: Vec<LegId> = (0..80).collect();
    let codecs = || -> Vec<_> {
        let made = legs.iter();
        made.map(|&leg| open(&format(leg).spec).unwrap()).collect()
    };
    let (mut encoders, mut decoders) = (codecs(), codecs());
    // Every phone says one level, unlike that of every other.
    let octets: Vec<u8> = legs.iter().map(|&leg| 0x10 + leg as u8).collect();
    let mut levels = Vec::new();
    decoders[0].decode(&octets, &mut levels).unwrap();
    let mut studio = Studio::new();
    for &leg in &legs {
        studio.set_up(leg, format(leg));
    }
    for &leg in &legs {
        let source = Some(leg ^ 1);
        studio.obey(Order::Hear { leg, source });
    }
    for number in 0..40_u16 {
        for &leg in &legs {
            let Format { payload_type, spec } = format(leg);
            let sound = vec![levels[leg as usize]; spec.packet_samples()];
            let mut payload = Vec::new();
            encoders[leg as usize].encode(&sound, &mut payload).unwrap();
            studio.obey(Order::Packet(Packet {
                leg,
                sequence: number,
                timestamp: u32::from(number) * 160,
                payload_type,
                marker: false,
                ssrc: 7,
                at_us: studio.now,
                payload: &payload,
            }));
        }
        studio.pass(START + (u64::from(number) + 1) * 20_000);
        for &leg in &legs {
            let mut sound = Vec::new();
            let sent = studio.payload.remove(&leg).unwrap_or_default();
            let heard = decoders[leg as usize].decode(&sent, &mut sound);
            if number > 30 {
                assert_eq!(heard, Ok(()));
                let sum: i64 = sound.iter().map(|&sample| i64::from(sample)).sum();
                let mean = sum / sound.len() as i64;
                let distance = |leg: LegId| (mean - i64::from(levels[leg as usize])).abs();
                let nearest = legs.iter().min_by_key(|&&other| distance(other));
                assert_eq!(nearest, Some(&(leg ^ 1)), "{leg} hears {mean}");
            }
        }
    }
}

#[test]
fn many_legs_that_begin_together_are_not_served_together() {
    let mut studio = Studio::new();
    for leg in (0..200).step_by(2) {
        studio.set_up(leg, pcmu());
        studio.set_up(leg + 1, pcma(20));
        for (leg, source) in [(leg, leg + 1), (leg + 1, leg)] {
            studio.obey(Order::Hear {
                leg,
                source: Some(source),
            });
        }
    }
    studio.pass(START + 1_000_000);
    let mut by_millisecond = HashMap::<u64, usize>::new();
    for &(at, ..) in studio.sent.values().flatten() {
        *by_millisecond.entry(at / 1_000).or_default() += 1;
    }
    assert_eq!(studio.sent.len(), 200);
    assert_eq!(by_millisecond.values().max(), Some(&10));
}

#[test]
fn legs_that_begin_later_take_the_places_of_those_that_were_closed() {
    let mut studio = Studio::new();
    let begin = |studio: &mut Studio, legs: std::ops::Range<LegId>| {
        for leg in legs {
            studio.set_up(leg, pcma(20));
            studio.obey(Order::Hear { leg, source: None });
        }
    };
    begin(&mut studio, 0..40);
    studio.pass(START + 100_000);
    let place = |sent: &[(u64, u8, u32)]| sent[0].0 / 1_000 % 20;
    let of_early = |leg: &LegId| place(&studio.sent[leg]) < 10;
    let early: Vec<LegId> = (0..40).filter(of_early).collect();
    assert_eq!(early.len(), 20);
    for leg in early {
        studio.obey(Order::Close { leg });
    }
    studio.pass(START + 200_000);
    begin(&mut studio, 40..60);
    studio.pass(START + 300_000);
    let mut by_millisecond = [0; 20];
    for leg in 40..60 {
        by_millisecond[place(&studio.sent[&leg]) as usize] += 1;
    }
    let expected: [u32; 20] = std::array::from_fn(|at| if at < 10 { 2 } else { 0 });
    assert_eq!(by_millisecond, expected);
}

#[test]
fn packets_of_a_leg_whose_ear_nobody_needs_leave_the_clocks_of_others_apart() {
    let mut studio = Studio::new();
    let events = Format {
        payload_type: 101,
        spec: CodecSpec::new(CodecKind::TelephoneEvent, 8_000),
    };
    // Its keys come as events: nothing is to be found in its sound, and it is heard by nobody.
    studio.obey(Order::SetUp {
        leg: 1,
        formats: vec![pcmu(), events],
        transmit: vec![pcmu()],
    });
    for leg in 2..42 {
        for number in 0..19 {
            studio.obey(packet(1, number, START));
        }
        studio.set_up(leg, pcma(20));
        studio.obey(Order::Hear { leg, source: None });
    }
    studio.pass(START + 1_000_000);
    let mut by_millisecond = HashMap::<u64, usize>::new();
    for sent in studio.sent.values() {
        *by_millisecond.entry(sent[0].0 / 1_000 % 20).or_default() += 1;
    }
    assert_eq!(studio.sent.len(), 40);
    assert_eq!(
        by_millisecond.values().max(),
        Some(&2),
        "{by_millisecond:?}"
    );
}

#[test]
fn after_a_standstill_the_clock_goes_on_without_a_burst_and_its_time_is_right() {
    let mut studio = Studio::new();
    studio.set_up(1, pcmu());
    studio.set_up(2, pcma(20));
    studio.obey(Order::Hear {
        leg: 2,
        source: Some(1),
    });
    studio.pass(START + 200_000);
    let before = studio.sent[&2].len();
    studio.now = START + 3_200_000;
    studio.mixer.advance(studio.now, &mut studio.out);
    studio.collect();
    assert!(studio.sent[&2].len() - before <= 12, "a burst");
    assert!(studio.mixer.skipped > 100);
    studio.pass(START + 3_400_000);
    let sent = &studio.sent[&2];
    let (first, last) = (sent[0], sent[sent.len() - 1]);
    let passed_ms = (last.0 - first.0) / 1_000;
    let told_ms = u64::from(last.2.wrapping_sub(first.2)) / 8;
    assert!(
        passed_ms.abs_diff(told_ms) <= 20,
        "{passed_ms} against {told_ms}"
    );
}

#[test]
fn a_leg_that_is_closed_or_hushed_is_sent_nothing_more_and_its_partner_silence() {
    let mut studio = Studio::new();
    studio.set_up(1, pcmu());
    studio.set_up(2, pcma(20));
    for (leg, source) in [(1, 2), (2, 1)] {
        studio.obey(Order::Hear {
            leg,
            source: Some(source),
        });
    }
    studio.pass(START + 100_000);
    studio.obey(Order::Close { leg: 1 });
    studio.pass(START + 200_000);
    let (one, two) = (studio.sent[&1].len(), studio.sent[&2].len());
    studio.pass(START + 400_000);
    assert_eq!(studio.sent[&1].len(), one);
    assert_eq!(studio.sent[&2].len(), two + 10);
    studio.obey(Order::Hush { leg: 2 });
    studio.pass(START + 800_000);
    assert_eq!(studio.sent[&2].len(), two + 10);
    assert_eq!(studio.mixer.next_due(), None, "nothing is left to do");
}

#[test]
fn a_hook_flash_reaches_the_other_phone_and_is_told_as_no_digit() {
    let events = Format {
        payload_type: 101,
        spec: CodecSpec::new(CodecKind::TelephoneEvent, 8_000),
    };
    let mut studio = Studio::new();
    for (leg, voice) in [(1, pcmu()), (2, pcma(20))] {
        studio.obey(Order::SetUp {
            leg,
            formats: vec![voice, events],
            transmit: vec![voice, events],
        });
    }
    studio.obey(Order::Hear {
        leg: 2,
        source: Some(1),
    });
    let (flash, seven) = ([16, 0x8a, 1, 0x90], [7, 0x8a, 1, 0x90]);
    for (number, payload) in [&flash, &flash, &seven, &seven].into_iter().enumerate() {
        studio.obey(Order::Packet(Packet {
            leg: 1,
            sequence: number as u16,
            timestamp: number as u32 / 2 * 8_000,
            payload_type: 101,
            marker: false,
            ssrc: 7,
            at_us: studio.now,
            payload,
        }));
        studio.pass(studio.now + 200_000);
    }
    let told: Vec<_> = studio
        .told
        .iter()
        .filter(|told| told.starts_with("Digit"))
        .collect();
    assert_eq!(told, ["Digit { leg: 1, digit: 7, duration_ms: 50 }"]);
    let events = studio.sent[&2].iter().filter(|packet| packet.1 == 101);
    assert_eq!(events.count(), 10, "five packets for each of the two");
}

#[test]
fn a_codec_that_is_not_here_is_told_as_a_fault_and_stops_nothing() {
    let mut studio = Studio::new();
    let odd = Format {
        payload_type: 100,
        spec: CodecSpec {
            packet_ms: 17,
            ..CodecSpec::new(CodecKind::Silk, 8_000)
        },
    };
    studio.set_up(1, pcmu());
    studio.set_up(2, odd);
    for (leg, source) in [(1, 2), (2, 1)] {
        studio.obey(Order::Hear {
            leg,
            source: Some(source),
        });
    }
    studio.pass(START + 100_000);
    studio.collect();
    assert!(
        studio
            .told
            .iter()
            .any(|told| told.starts_with("Fault { leg: 2")),
        "{:?}",
        studio.told
    );
    assert!(!studio.sent.contains_key(&2));
    assert!(studio.sent[&1].len() >= 4);
}

fn any_order() -> impl Strategy<Value = Order<'static>> {
    let leg = || 1..4_u64;
    prop_oneof![
        (leg(), 0..CodecKind::ALL.len(), 0..128_u8, any::<[u8; 3]>()).prop_map(
            |(leg, kind, payload_type, [clock, packet_ms, frame_ms])| {
                let clocks = [0, 1, 7_999, 8_000, 16_000, 24_000, 48_000, u32::MAX];
                let mut spec = CodecSpec::new(
                    CodecKind::ALL[kind],
                    clocks[usize::from(clock) % clocks.len()],
                );
                if packet_ms > 128 {
                    (spec.packet_ms, spec.frame_ms) = (packet_ms, frame_ms);
                }
                let format = Format { payload_type, spec };
                Order::SetUp {
                    leg,
                    formats: vec![format, pcmu()],
                    transmit: vec![format],
                }
            }
        ),
        (leg(), proptest::option::of(leg())).prop_map(|(leg, source)| Order::Hear { leg, source }),
        leg().prop_map(|leg| Order::Hush { leg }),
        leg().prop_map(|leg| Order::Close { leg }),
        (
            leg(),
            any::<u16>(),
            0..128_u8,
            proptest::collection::vec(any::<u8>(), 0..400)
        )
            .prop_map(
                |(leg, sequence, payload_type, payload)| Order::Packet(Packet {
                    leg,
                    sequence,
                    timestamp: u32::from(sequence) * 160,
                    payload_type,
                    marker: false,
                    ssrc: 1,
                    at_us: START,
                    payload: Box::leak(payload.into_boxed_slice()),
                })
            ),
        (
            leg(),
            any::<[bool; 2]>(),
            proptest::collection::vec(0..4_u16, 0..3)
        )
            .prop_map(|(leg, [repeat, over], sounds)| Order::Play {
                leg,
                playing: 1,
                repeat,
                over,
                sounds
            }),
        (0..4_u16, 8_000..48_000_u32, 0..3_u32).prop_map(|(sound, rate, samples)| Order::Sound {
            sound,
            rate,
            samples,
            from: 0,
            pcm: &[1, 2, 3, 4, 5, 6][..samples as usize * 2],
        }),
        (leg(), 0..16_u8, any::<u16>()).prop_map(|(leg, digit, duration_ms)| Order::Digit {
            leg,
            digit,
            duration_ms
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_orders_in_any_order_make_it_fail(orders in proptest::collection::vec(any_order(), 1..60)) {
        let mut studio = Studio::new();
        for order in orders {
            studio.obey(order);
            studio.pass(studio.now + 7_000);
        }
        studio.pass(studio.now + 200_000);
    }
}
