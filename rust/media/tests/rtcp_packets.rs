//! RTCP compounds: what is read, what is refused, what is built.

use proptest::collection::vec;
use proptest::prelude::*;
use sealtone_media::rtcp::{
    Compound, CompoundBuilder, PAYLOAD_FEEDBACK, ReportBlock, RtcpError, RtcpPacket, SenderInfo,
    is_rtcp,
};

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0x1111_2222,
    fraction_lost: 64,
    cumulative_lost: -3,
    highest_sequence: 0x0001_fffe,
    jitter: 77,
    last_sender_report: 0xaabb_ccdd,
    delay_since_last: 65_536,
};

const INFO: SenderInfo = SenderInfo {
    ntp: 0xe000_0001_8000_0000,
    rtp_timestamp: 160,
    packets: 10,
    octets: 1600,
};

fn compound(build: impl FnOnce(&mut CompoundBuilder<'_>)) -> Vec<u8> {
    let mut buffer = vec![0xff; 1500];
    let mut builder = CompoundBuilder::new(&mut buffer);
    build(&mut builder);
    let len = builder.len();
    buffer.truncate(len);
    buffer
}

#[test]
fn a_full_compound_is_built_and_read_back() {
    let data = compound(|b| {
        b.sender_report(5, &INFO, &[BLOCK, BLOCK]).unwrap();
        b.receiver_report(6, &[]).unwrap();
        b.cname(5, b"leg@example").unwrap();
        b.app(5, 3, *b"test", &[1, 2, 3]).unwrap();
        b.feedback(PAYLOAD_FEEDBACK, 1, 5, 6, &[]).unwrap();
        b.bye(&[5, 6], b"over").unwrap();
    });
    assert!(is_rtcp(&data));
    let read = Compound::parse(&data).unwrap();
    assert!(!read.is_reduced_size());
    let packets: Vec<_> = read.packets().collect();
    assert_eq!(packets.len(), 6);
    let RtcpPacket::SenderReport(report) = packets[0] else {
        panic!("{:?}", packets[0])
    };
    assert_eq!((report.ssrc, report.info), (5, INFO));
    assert_eq!(report.blocks.iter().collect::<Vec<_>>(), [BLOCK, BLOCK]);
    let RtcpPacket::ReceiverReport(report) = packets[1] else {
        panic!("{:?}", packets[1])
    };
    assert_eq!((report.ssrc, report.blocks.iter().count()), (6, 0));
    let RtcpPacket::SourceDescription(sdes) = packets[2] else {
        panic!("{:?}", packets[2])
    };
    assert_eq!(sdes.cname(), Some(&b"leg@example"[..]));
    assert_eq!(sdes.items().next().map(|item| item.ssrc), Some(5));
    let RtcpPacket::App(app) = packets[3] else {
        panic!("{:?}", packets[3])
    };
    assert_eq!(
        (app.ssrc, app.subtype, &app.name, app.data),
        (5, 3, b"test", &[1, 2, 3, 0][..])
    );
    let RtcpPacket::Feedback(feedback) = packets[4] else {
        panic!("{:?}", packets[4])
    };
    assert_eq!(
        (feedback.format, feedback.sender, feedback.media),
        (1, 5, 6)
    );
    let RtcpPacket::Bye(bye) = packets[5] else {
        panic!("{:?}", packets[5])
    };
    assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [5, 6]);
    assert_eq!(bye.reason, Some(&b"over"[..]));
}

#[test]
fn every_cname_length_ends_on_a_boundary_with_an_end_mark() {
    for len in 0..=255 {
        let name = vec![b'x'; len];
        let data = compound(|b| b.cname(1, &name).unwrap());
        assert_eq!(data.len() % 4, 0);
        assert_eq!(data.last(), Some(&0));
        let read = Compound::parse(&data).unwrap();
        let Some(RtcpPacket::SourceDescription(sdes)) = read.packets().next() else {
            panic!()
        };
        assert_eq!(sdes.cname(), Some(&name[..]));
        assert_eq!(sdes.items().count(), 1);
    }
}

#[test]
fn items_of_several_chunks_are_told_apart() {
    let data = [
        0x82, 202, 0, 6, // two chunks
        0, 0, 0, 1, 1, 3, b'a', b'b', b'c', 2, 1, b'n', 0, 0, 0,
        0, // CNAME, NAME, end and fill
        0, 0, 0, 2, 1, 1, b'd', 0,
    ];
    let read = Compound::parse(&data).unwrap();
    let Some(RtcpPacket::SourceDescription(sdes)) = read.packets().next() else {
        panic!()
    };
    let items: Vec<_> = sdes
        .items()
        .map(|item| (item.ssrc, item.item_type, item.text))
        .collect();
    assert_eq!(items, [(1, 1, &b"abc"[..]), (1, 2, b"n"), (2, 1, b"d")]);
}

#[test]
fn losses_of_24_bits_keep_their_sign() {
    for lost in [-0x80_0000, -1, 0, 1, 0x7f_ffff] {
        let block = ReportBlock {
            cumulative_lost: lost,
            ..BLOCK
        };
        let data = compound(|b| b.receiver_report(1, &[block]).unwrap());
        let read = Compound::parse(&data).unwrap();
        let Some(RtcpPacket::ReceiverReport(report)) = read.packets().next() else {
            panic!()
        };
        assert_eq!(report.blocks.iter().next(), Some(block));
    }
    let beyond = ReportBlock {
        cumulative_lost: 0x80_0000,
        ..BLOCK
    };
    let data = compound(|b| b.receiver_report(1, &[beyond]).unwrap());
    assert_eq!(data[13..16], [0x7f, 0xff, 0xff]);
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    let data = compound(|b| {
        b.sender_report(5, &INFO, &[BLOCK]).unwrap();
        b.cname(5, b"leg").unwrap();
    });
    for len in 0..data.len() {
        // The report alone is a compound of its own.
        assert_eq!(Compound::parse(&data[..len]).is_ok(), len == 52, "{len}");
    }
    assert!(matches!(Compound::parse(&[]), Err(RtcpError::Length)));
    let mut wrong = data.clone();
    wrong[3] += 1;
    assert!(Compound::parse(&wrong).is_err());
}

#[test]
fn versions_types_and_padding_are_checked_in_every_packet() {
    let data = compound(|b| {
        b.receiver_report(5, &[]).unwrap();
        b.cname(5, b"leg").unwrap();
    });
    for (at, value, error) in [
        (0, 0x40, RtcpError::Version),
        (8, 0x41, RtcpError::Version),
        (1, 96, RtcpError::Type),
        (9, 72, RtcpError::Type),
        (0, 0xa0, RtcpError::Padding),
        (8, 0xa1, RtcpError::Padding),
    ] {
        let mut wrong = data.clone();
        wrong[at] = value;
        assert_eq!(Compound::parse(&wrong).err(), Some(error), "{at} {value}");
    }
}

#[test]
fn padding_on_the_last_packet_is_taken_off() {
    let data = [0xa1, 203, 0, 3, 0, 0, 0, 9, 1, b'x', 0, 0, 0, 0, 0, 4];
    let read = Compound::parse(&data).unwrap();
    let Some(RtcpPacket::Bye(bye)) = read.packets().next() else {
        panic!()
    };
    assert_eq!(bye.reason, Some(&b"x"[..]));
    for count in [0, 3, 16, 255] {
        let mut wrong = data;
        wrong[15] = count;
        assert_eq!(
            Compound::parse(&wrong).err(),
            Some(RtcpError::Padding),
            "{count}"
        );
    }
}

#[test]
fn a_reduced_size_compound_is_read() {
    let data = compound(|b| {
        b.feedback(PAYLOAD_FEEDBACK, 1, 5, 6, &[1, 2, 3, 4])
            .unwrap()
    });
    let read = Compound::parse(&data).unwrap();
    assert!(read.is_reduced_size());
    let Some(RtcpPacket::Feedback(feedback)) = read.packets().next() else {
        panic!()
    };
    assert_eq!(feedback.control, [1, 2, 3, 4]);
}

#[test]
fn a_report_that_promises_more_blocks_than_it_has_is_not_read_as_one() {
    let data = [0x81, 201, 0, 1, 0, 0, 0, 9];
    let read = Compound::parse(&data).unwrap();
    assert!(matches!(read.packets().next(), Some(RtcpPacket::Other(other)) if other.count == 1));
}

#[test]
fn a_packet_that_does_not_fit_leaves_the_compound_as_it_was() {
    let mut buffer = [0; 20];
    let mut builder = CompoundBuilder::new(&mut buffer);
    builder.receiver_report(1, &[]).unwrap();
    assert_eq!(builder.sender_report(1, &INFO, &[]), Err(RtcpError::NoRoom));
    assert_eq!(
        builder.receiver_report(1, &[BLOCK; 32]),
        Err(RtcpError::NoRoom)
    );
    assert_eq!(builder.cname(1, &[b'x'; 256]), Err(RtcpError::NoRoom));
    assert_eq!(builder.cname(1, b"long name"), Err(RtcpError::NoRoom));
    assert_eq!(builder.len(), 8);
    builder.bye(&[1], b"").unwrap();
    assert_eq!(builder.len(), 16);
    assert_eq!(Compound::parse(&buffer[..16]).unwrap().packets().count(), 2);
}

#[test]
fn rtp_payload_types_are_not_taken_for_rtcp() {
    assert!(!is_rtcp(&[0x80]));
    for second in 0..=255 {
        assert_eq!(is_rtcp(&[0x80, second]), (192..=223).contains(&second));
        assert!(!is_rtcp(&[0x16, second]));
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_without_panic(
        mut data in vec(any::<u8>(), 0..200),
        packet_type in 190_u8..210,
        words in 0_u8..50,
    ) {
        if data.len() >= 4 {
            data[0] = data[0] & 0x3f | 0x80;
            data[1] = packet_type;
            data[2] = 0;
            data[3] = words;
        }
        if let Ok(read) = Compound::parse(&data) {
            for packet in read.packets() {
                match packet {
                    RtcpPacket::SenderReport(report) => { report.blocks.iter().for_each(drop); }
                    RtcpPacket::ReceiverReport(report) => { report.blocks.iter().for_each(drop); }
                    RtcpPacket::SourceDescription(sdes) => {
                        prop_assert!(sdes.items().count() <= data.len());
                    }
                    RtcpPacket::Bye(bye) => { bye.ssrcs().for_each(drop); }
                    _ => {}
                }
            }
        }
    }
}
