//! RTP headers: what is read, what is refused, what is built.

use proptest::collection::vec;
use proptest::prelude::*;
use sealtone_media::rtp::{
    RtpError, RtpFields, RtpHeader, set_marker, set_payload_type, set_sequence, set_ssrc,
    set_timestamp,
};

const PACKET: [u8; 36] = [
    0xb2, 0x88, 0x12, 0x34, 0, 0, 0x03, 0x20, 0xca, 0xfe, 0xba,
    0xbe, // padding, extension, 2 CSRCs
    0, 0, 0, 1, 0, 0, 0, 2, // CSRCs
    0xbe, 0xde, 0, 1, 9, 8, 7, 6, // extension
    b'a', b'b', b'c', b'd', b'e', 0, 0, 3,
];

#[test]
fn every_field_is_read() {
    let header = RtpHeader::parse(&PACKET).unwrap();
    assert_eq!((header.payload_type, header.marker), (8, true));
    assert_eq!(
        (header.sequence, header.timestamp, header.ssrc),
        (0x1234, 800, 0xcafe_babe)
    );
    assert_eq!(header.header_len, 28);
    assert_eq!(header.csrcs(&PACKET).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        header.extension_data(&PACKET),
        Some((0xbede, &[9, 8, 7, 6][..]))
    );
    assert_eq!(&PACKET[header.payload(&PACKET).unwrap()], b"abcde");
}

#[test]
fn a_packet_shorter_than_its_header_is_refused() {
    for len in 0..28 {
        assert_eq!(
            RtpHeader::parse(&PACKET[..len]),
            Err(RtpError::Truncated),
            "{len}"
        );
    }
    assert!(RtpHeader::parse(&PACKET[..28]).is_ok());
}

#[test]
fn other_versions_are_refused() {
    for version in [0, 1, 3] {
        let mut packet = PACKET;
        packet[0] = packet[0] & 0x3f | version << 6;
        assert_eq!(RtpHeader::parse(&packet), Err(RtpError::Version));
    }
}

#[test]
fn impossible_padding_is_refused_and_full_padding_is_an_empty_payload() {
    let header = RtpHeader::parse(&PACKET).unwrap();
    let mut packet = PACKET;
    for (count, expected) in [
        (0, None),
        (1, Some(28..35)),
        (8, Some(28..28)),
        (9, None),
        (255, None),
    ] {
        packet[35] = count;
        assert_eq!(header.payload(&packet).ok(), expected, "{count}");
    }
    assert_eq!(header.payload(&packet[..28]), Err(RtpError::Padding));
    assert_eq!(header.payload(&packet[..20]), Err(RtpError::Truncated));
}

#[test]
fn an_extension_longer_than_a_header_can_be_is_refused() {
    let mut packet = vec![0; 300_000];
    packet[0] = 0x90;
    packet[14..16].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(RtpHeader::parse(&packet), Err(RtpError::Truncated));
}

#[test]
fn fields_are_rewritten_in_place_and_nothing_else_is() {
    let mut packet = PACKET;
    set_payload_type(&mut packet, 0);
    set_marker(&mut packet, false);
    set_sequence(&mut packet, 7);
    set_timestamp(&mut packet, 8);
    set_ssrc(&mut packet, 9);
    let header = RtpHeader::parse(&packet).unwrap();
    assert_eq!((header.payload_type, header.marker), (0, false));
    assert_eq!((header.sequence, header.timestamp, header.ssrc), (7, 8, 9));
    assert_eq!(packet[0], PACKET[0]);
    assert_eq!(packet[12..], PACKET[12..]);
    let mut short = [0; 1];
    set_payload_type(&mut short, 1);
    set_ssrc(&mut short, 1);
    assert_eq!(short, [0]);
}

#[test]
fn what_does_not_fit_is_not_built() {
    let fields = RtpFields {
        ssrc: 1,
        ..RtpFields::default()
    };
    assert_eq!(fields.build(&[0; 5], &mut [0; 16]), Err(RtpError::NoRoom));
    assert_eq!(fields.build(&[0; 4], &mut [0; 16]), Ok(16));
    let many = RtpFields {
        csrcs: &[0; 16],
        ..fields
    };
    assert_eq!(many.build(&[], &mut [0; 200]), Err(RtpError::NoRoom));
    let odd = RtpFields {
        extension: Some((0, &[0; 3])),
        ..fields
    };
    assert_eq!(odd.build(&[], &mut [0; 200]), Err(RtpError::NoRoom));
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        payload_type in 0_u8..128,
        marker: bool,
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
        csrcs in vec(any::<u32>(), 0..16),
        extension in proptest::option::of(vec(any::<[u8; 4]>(), 0..30)),
        payload in vec(any::<u8>(), 0..300),
    ) {
        let extension = extension.map(|words| words.concat());
        let fields = RtpFields {
            payload_type, marker, sequence, timestamp, ssrc,
            csrcs: &csrcs,
            extension: extension.as_deref().map(|data| (0x1000, data)),
        };
        let mut buffer = [0xff; 1000];
        let len = fields.build(&payload, &mut buffer).unwrap();
        let packet = &buffer[..len];
        let header = RtpHeader::parse(packet).unwrap();
        prop_assert_eq!(
            (header.payload_type, header.marker, header.sequence, header.timestamp, header.ssrc),
            (payload_type, marker, sequence, timestamp, ssrc)
        );
        prop_assert_eq!(header.csrcs(packet).collect::<Vec<_>>(), csrcs);
        prop_assert_eq!(header.extension_data(packet).map(|(_, data)| data.to_vec()), extension);
        prop_assert_eq!(&packet[header.payload(packet).unwrap()], &payload[..]);
    }

    #[test]
    fn any_octets_are_read_within_bounds(mut data in vec(any::<u8>(), 0..120), force: bool) {
        if force && !data.is_empty() {
            data[0] = data[0] & 0x3f | 0x80;
        }
        if let Ok(header) = RtpHeader::parse(&data) {
            prop_assert!(usize::from(header.header_len) <= data.len());
            prop_assert_eq!(header.csrcs(&data).count(), usize::from(header.csrc_count));
            if let Ok(range) = header.payload(&data) {
                prop_assert!(range.start <= range.end && range.end <= data.len());
            }
            let _ = header.extension_data(&data);
        }
    }
}
