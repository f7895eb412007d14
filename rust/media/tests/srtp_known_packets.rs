//! Packets that libsrtp 2.5.0 made: what we send equals them octet by octet, and what it sends we read.

use sealtone_media::srtp::{SrtpError, SrtpReceiver, SrtpSender, Suite};

/// Made with master key 01 02 03 .. and master salt a0 a1 a2 ..
struct Known {
    suite: &'static str,
    /// Sequence 65534, 20 octets of payload.
    before_wrap: &'static str,
    /// Sequence 65535, no payload.
    empty: &'static str,
    /// Sequence 0 after the wrap, two CSRCs, an extension, 33 octets of payload.
    after_wrap: &'static str,
    /// Sequence 1, 300 octets of payload: the tag over all of it.
    long_tag: &'static str,
    /// The first SRTCP packet; libsrtp begins at index 1.
    rtcp: &'static str,
}

const KNOWN: [Known; 6] = [
    Known {
        suite: "AES_CM_128_HMAC_SHA1_80",
        before_wrap: "8088fffe009ffec0cafebabea7e32c097ebf1f871b1d59b314f0669a8c7f781626e9535c\
              59a5bf9df265",
        empty: "8088ffff009fff60cafebabebb09e18fbfbad9b67697",
        after_wrap: "9288000000000000cafebabe0102030405060708bede000200010203040506071d23bc50\
              7f329c9680590047257737464bd8aec4995144be1e59acd816cd6ef2cbaa0a83e635f935\
              c9777d",
        long_tag: "23f29318659622ecfd5d",
        rtcp: "80c90001cafebabe6be695476e539bf7c7f50137c6273c4a5b7380000001fdc7a0c0f3a1\
              1a373331",
    },
    Known {
        suite: "AES_CM_128_HMAC_SHA1_32",
        before_wrap: "8088fffe009ffec0cafebabea7e32c097ebf1f871b1d59b314f0669a8c7f781626e9535c",
        empty: "8088ffff009fff60cafebabebb09e18f",
        after_wrap: "9288000000000000cafebabe0102030405060708bede000200010203040506071d23bc50\
              7f329c9680590047257737464bd8aec4995144be1e59acd816cd6ef2cbaa0a83e6",
        long_tag: "23f29318",
        rtcp: "80c90001cafebabe6be695476e539bf7c7f50137c6273c4a5b7380000001fdc7a0c0f3a1\
              1a373331",
    },
    Known {
        suite: "AES_256_CM_HMAC_SHA1_80",
        before_wrap: "8088fffe009ffec0cafebabe9d164b45470be2c6ff37d81aaf33fc64b5487d3117f15cd5\
              70343fe666f4",
        empty: "8088ffff009fff60cafebabece187e0b7d435d3cacf5",
        after_wrap: "9288000000000000cafebabe0102030405060708bede000200010203040506078add189e\
              87613b3c79058991c88dd0919f5149dbfad661fb6588acd39f39597ad6aeafd93064887e\
              77b6e6",
        long_tag: "cb2cac2153c96fe03ac7",
        rtcp: "80c90001cafebabea4293014663f07a2a1f84ee8c2f96c6040f280000001e7baa7cb75c2\
              bd0e2db2",
    },
    Known {
        suite: "AES_256_CM_HMAC_SHA1_32",
        before_wrap: "8088fffe009ffec0cafebabe9d164b45470be2c6ff37d81aaf33fc64b5487d3117f15cd5",
        empty: "8088ffff009fff60cafebabece187e0b",
        after_wrap: "9288000000000000cafebabe0102030405060708bede000200010203040506078add189e\
              87613b3c79058991c88dd0919f5149dbfad661fb6588acd39f39597ad6aeafd930",
        long_tag: "cb2cac21",
        rtcp: "80c90001cafebabea4293014663f07a2a1f84ee8c2f96c6040f280000001e7baa7cb75c2\
              bd0e2db2",
    },
    Known {
        suite: "AEAD_AES_128_GCM",
        before_wrap: "8088fffe009ffec0cafebabeb24f2a7ba36b7a425b0a6716a0324c4ec28969fd4de86411\
              c805f4bff316fb8fb8af6c50",
        empty: "8088ffff009fff60cafebabe62391c4ff14bcac5c66bf41c876131b9",
        after_wrap: "9288000000000000cafebabe0102030405060708bede00020001020304050607cce78d6f\
              bef29251369fcee60ab7f31e0e47e60686f672f2d6e75146df7a1f2a6cade791a63e0c24\
              16477f04acaeeb55d3",
        long_tag: "591b7652e9320a1f64a74b8fffa38581",
        rtcp: "80c90001cafebabe891d79d69108d8a343fe1015dc5bd6efa55beddc65ed33a5edd1c9c1\
              16b4ee44cac580000001",
    },
    Known {
        suite: "AEAD_AES_256_GCM",
        before_wrap: "8088fffe009ffec0cafebabe6e5a0274c301af84b0317ce8c2dd6e9be5fafbfc449d1ecc\
              cb00213777b7d49a9206465a",
        empty: "8088ffff009fff60cafebabe729a2bbcf752045a431322fd0fac1dc0",
        after_wrap: "9288000000000000cafebabe0102030405060708bede000200010203040506076039d932\
              93754e73f68dd3ce649071811ee326c8399ded6db37942c161bfc4ebebd9560dae47ff24\
              068a27eb0c9e56d003",
        long_tag: "af2258e47252fa3a93377910a0024144",
        rtcp: "80c90001cafebabe014aa95ff2fc528e4e0364b84d003289d2bc8a8f3689f282dfe11272\
              c0bc678f4b5d80000001",
    },
];

const RTCP: &str = "80c90001cafebabe81ca0004cafebabe010770686f6e652d6100";

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn keys(suite: Suite) -> (Vec<u8>, Vec<u8>) {
    let key = (1..=suite.key_len() as u8).collect();
    (key, (0xa0..0xa0 + suite.salt_len() as u8).collect())
}

fn plain(sequence: u16, len: usize, long_header: bool) -> Vec<u8> {
    let mut packet = vec![if long_header { 0x92 } else { 0x80 }, 0x88];
    packet.extend(sequence.to_be_bytes());
    packet.extend((160 * u32::from(sequence)).to_be_bytes());
    packet.extend(0xcafe_babe_u32.to_be_bytes());
    if long_header {
        packet.extend(hex("0102030405060708bede00020001020304050607"));
    }
    packet.extend((0..len).map(|n| (n * 7 + usize::from(sequence)) as u8));
    packet
}

fn protect(sender: &mut SrtpSender, plain: &[u8]) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + 16, 0);
    let len = sender.protect(&mut packet, plain.len()).unwrap();
    packet.truncate(len);
    packet
}

#[test]
fn rtp_packets_equal_those_of_libsrtp_over_a_wrap() {
    for known in &KNOWN {
        let suite = Suite::from_name(known.suite).unwrap();
        let (key, salt) = keys(suite);
        let mut sender = SrtpSender::new(suite, &key, &salt).unwrap();
        assert_eq!(
            protect(&mut sender, &plain(65534, 20, false)),
            hex(known.before_wrap)
        );
        assert_eq!(
            protect(&mut sender, &plain(65535, 0, false)),
            hex(known.empty)
        );
        assert_eq!(
            protect(&mut sender, &plain(0, 33, true)),
            hex(known.after_wrap)
        );
        let long = protect(&mut sender, &plain(1, 300, false));
        assert_eq!(
            long[long.len() - suite.rtp_tag_len()..],
            hex(known.long_tag)
        );
        assert_eq!(sender.roll_over_counter(0xcafe_babe), Some(1));
    }
}

#[test]
fn rtp_packets_of_libsrtp_are_read_over_a_wrap() {
    for known in &KNOWN {
        let suite = Suite::from_name(known.suite).unwrap();
        let (key, salt) = keys(suite);
        let mut receiver = SrtpReceiver::new(suite, &key, &salt).unwrap();
        let cases = [
            (known.before_wrap, plain(65534, 20, false)),
            (known.empty, plain(65535, 0, false)),
            (known.after_wrap, plain(0, 33, true)),
        ];
        for (protected, plain) in cases {
            let mut packet = hex(protected);
            let len = packet.len();
            assert_eq!(
                receiver.unprotect(&mut packet, len),
                Ok(plain.len()),
                "{}",
                known.suite
            );
            assert_eq!(packet[..plain.len()], plain);
        }
    }
}

#[test]
fn an_rtcp_packet_of_libsrtp_is_read_once() {
    for known in &KNOWN {
        let suite = Suite::from_name(known.suite).unwrap();
        let (key, salt) = keys(suite);
        let mut receiver = SrtpReceiver::new(suite, &key, &salt).unwrap();
        let mut packet = hex(known.rtcp);
        let len = packet.len();
        let opened = receiver.unprotect_rtcp(&mut packet, len).unwrap();
        assert_eq!(packet[..opened], hex(RTCP));
        let mut again = hex(known.rtcp);
        assert_eq!(
            receiver.unprotect_rtcp(&mut again, len),
            Err(SrtpError::Replayed)
        );
    }
}

#[test]
fn our_second_rtcp_packet_equals_the_first_of_libsrtp() {
    for known in &KNOWN {
        let suite = Suite::from_name(known.suite).unwrap();
        let (key, salt) = keys(suite);
        let mut sender = SrtpSender::new(suite, &key, &salt).unwrap();
        let plain = hex(RTCP);
        let mut packet = vec![0; plain.len() + 20];
        for _ in 0..2 {
            packet[..plain.len()].copy_from_slice(&plain);
            assert_eq!(
                sender.protect_rtcp(&mut packet, plain.len()),
                Ok(known.rtcp.len() / 2)
            );
        }
        assert_eq!(packet[..known.rtcp.len() / 2], hex(known.rtcp));
    }
}
