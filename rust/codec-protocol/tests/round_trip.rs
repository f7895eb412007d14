//! What one side writes the other reads, and nothing else.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sealtone_codec_protocol::*;

fn format() -> impl Strategy<Value = Format> {
    let spec = (
        0..CodecKind::ALL.len(),
        any::<(u32, u32, u8, u32, u8, bool, bool)>(),
    );
    (0..128_u8, spec).prop_map(|(payload_type, (kind, rest))| Format {
        payload_type,
        spec: CodecSpec {
            kind: CodecKind::ALL[kind],
            clock_rate: rest.0,
            sample_rate: rest.1,
            packet_ms: rest.2,
            bitrate: rest.3,
            frame_ms: rest.4,
            fec: rest.5,
            dtx: rest.6,
        },
    })
}

fn leaked(octets: Vec<u8>) -> &'static [u8] {
    Box::leak(octets.into_boxed_slice())
}

fn order() -> impl Strategy<Value = Order<'static>> {
    let leg = any::<u64>;
    prop_oneof![
        (
            leg(),
            vec(format(), 0..=MAX_FORMATS),
            vec(format(), 0..=MAX_FORMATS)
        )
            .prop_map(|(leg, formats, transmit)| Order::SetUp {
                leg,
                formats,
                transmit
            }),
        (leg(), option::of(leg())).prop_map(|(leg, source)| Order::Hear { leg, source }),
        leg().prop_map(|leg| Order::Hush { leg }),
        (
            (leg(), any::<u16>(), any::<u32>(), 0..128_u8, any::<bool>()),
            any::<u32>(),
            any::<u64>(),
            vec(any::<u8>(), 0..=MAX_PAYLOAD)
        )
            .prop_map(
                |((leg, sequence, timestamp, payload_type, marker), ssrc, at_us, payload)| {
                    Order::Packet(Packet {
                        leg,
                        sequence,
                        timestamp,
                        payload_type,
                        marker,
                        ssrc,
                        at_us,
                        payload: leaked(payload),
                    })
                }
            ),
        (
            leg(),
            any::<u32>(),
            any::<bool>(),
            any::<bool>(),
            vec(0..MAX_SOUNDS as u16, 0..=MAX_SOUNDS)
        )
            .prop_map(|(leg, playing, repeat, over, sounds)| Order::Play {
                leg,
                playing,
                repeat,
                over,
                sounds
            }),
        leg().prop_map(|leg| Order::StopPlaying { leg }),
        (
            0..MAX_SOUNDS as u16,
            8_000..=48_000_u32,
            0..1_000_u32,
            vec(any::<[u8; 2]>(), 0..=MAX_DATA / 2)
        )
            .prop_map(|(sound, rate, from, pcm)| Order::Sound {
                sound,
                rate,
                samples: from + pcm.len() as u32,
                from,
                pcm: leaked(pcm.concat()),
            }),
        (leg(), 0..16_u8, any::<u16>()).prop_map(|(leg, digit, duration_ms)| Order::Digit {
            leg,
            digit,
            duration_ms
        }),
        (
            leg(),
            leg(),
            option::of(leg()),
            prop_oneof![
                Just(RecordingFormat::OggOpus),
                Just(RecordingFormat::Wav),
                Just(RecordingFormat::Flac)
            ]
        )
            .prop_map(|(recording, left, right, format)| Order::Record {
                recording,
                left,
                right,
                format
            }),
        leg().prop_map(|recording| Order::StopRecording { recording }),
        leg().prop_map(|leg| Order::Close { leg }),
        (leg(), 0..=100_u8).prop_map(|(leg, percent)| Order::ExpectLoss { leg, percent }),
    ]
}

fn report() -> impl Strategy<Value = Report<'static>> {
    let leg = any::<u64>;
    let text = || "[a-zé ]{0,200}".prop_map(|text| &*Box::leak(text.into_boxed_str()));
    prop_oneof![
        (
            any::<u16>(),
            any::<bool>(),
            vec((0..CodecKind::ALL.len(), "[a-zé ]{0,200}"), 0..=11)
        )
            .prop_map(|(version, landlock, codecs)| Report::Hello {
                version,
                landlock,
                codecs: codecs
                    .into_iter()
                    .map(|(kind, missing)| Availability {
                        kind: CodecKind::ALL[kind],
                        missing
                    })
                    .collect(),
            }),
        (
            leg(),
            0..128_u8,
            any::<bool>(),
            any::<[u32; 2]>(),
            vec(any::<u8>(), 0..=MAX_PAYLOAD)
        )
            .prop_map(
                |(leg, payload_type, marker, [stream, timestamp], payload)| {
                    Report::Send(Sent {
                        leg,
                        payload_type,
                        marker,
                        stream,
                        timestamp,
                        payload: leaked(payload),
                    })
                }
            ),
        (leg(), 0..16_u8, any::<u16>()).prop_map(|(leg, digit, duration_ms)| Report::Digit {
            leg,
            digit,
            duration_ms
        }),
        (leg(), any::<u32>()).prop_map(|(leg, playing)| Report::Played { leg, playing }),
        (leg(), vec(any::<u8>(), 0..=MAX_DATA)).prop_map(|(recording, data)| Report::Recorded {
            recording,
            data: leaked(data)
        }),
        (leg(), text(), any::<u64>()).prop_map(|(recording, reason, milliseconds)| {
            Report::RecordingEnded {
                recording,
                reason,
                milliseconds,
            }
        }),
        (leg(), any::<[u64; 6]>(), any::<u32>()).prop_map(|(leg, counts, delay_ms)| {
            Report::Statistics {
                leg,
                statistics: Statistics {
                    received: counts[0],
                    lost: counts[1],
                    concealed_ms: counts[2],
                    fec_used: counts[3],
                    late: counts[4],
                    discarded: counts[5],
                    delay_ms,
                },
            }
        }),
        (leg(), text()).prop_map(|(leg, reason)| Report::Fault { leg, reason }),
    ]
}

proptest! {
    #[test]
    fn orders_are_read_as_they_were_written(written in vec(order(), 1..20)) {
        let mut batch = Batch::default();
        let fitting: Vec<_> = written.into_iter().filter(|order| batch.order(order)).collect();
        prop_assert!(batch.datagram().len() <= MAX_BATCH);
        let read: Vec<_> = orders(batch.datagram()).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, fitting);
    }

    #[test]
    fn reports_are_read_as_they_were_written(written in vec(report(), 1..20)) {
        let mut batch = Batch::default();
        let fitting: Vec<_> = written.into_iter().filter(|report| batch.report(report)).collect();
        let read: Vec<_> = reports(batch.datagram()).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, fitting);
    }

    #[test]
    fn what_was_cut_short_or_made_longer_is_malformed(order in order(), report in report(), cut in 1..40_usize) {
        let mut batch = Batch::default();
        prop_assume!(batch.order(&order));
        let whole = batch.datagram();
        let cut = cut.min(whole.len() - 1);
        prop_assert!(orders(&whole[..whole.len() - cut]).any(|read| read == Err(Malformed)));
        batch.clear();
        prop_assume!(batch.report(&report));
        let mut longer = batch.datagram().to_vec();
        longer.extend_from_slice(&[0xff; 2]);
        prop_assert!(reports(&longer).any(|read| read == Err(Malformed)));
    }

    #[test]
    fn octets_of_any_kind_are_read_to_an_end(octets in vec(any::<u8>(), 0..600)) {
        prop_assert!(orders(&octets).count() <= octets.len());
        prop_assert!(reports(&octets).count() <= octets.len());
    }
}

#[test]
fn a_full_batch_takes_no_more_and_stays_as_it_was() {
    let mut batch = Batch::default();
    let data = vec![7; MAX_DATA];
    let record = Report::Recorded {
        recording: 1,
        data: &data,
    };
    let fitting = (0..10).filter(|_| batch.report(&record)).count();
    assert_eq!(fitting, MAX_BATCH / (MAX_DATA + 11));
    assert_eq!(
        reports(batch.datagram()).filter(Result::is_ok).count(),
        fitting
    );
}

#[test]
fn a_text_that_would_break_a_journals_line_is_malformed() {
    for reason in ["two\nlines", "\u{1b}[2J", "\u{85}"] {
        let mut batch = Batch::default();
        assert!(batch.report(&Report::Fault { leg: 1, reason }));
        assert_eq!(reports(batch.datagram()).next(), Some(Err(Malformed)));
    }
}
