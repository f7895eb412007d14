//! What one side protects, the other side reads, and nobody else can make.

use proptest::collection::vec;
use proptest::prelude::*;
use sealtone_media::rtp::RtpFields;
use sealtone_media::srtp::{
    MAX_RTCP_TRAILER, MAX_RTP_TRAILER, SrtpError, SrtpReceiver, SrtpSender, Suite,
};

fn pair(suite: Suite) -> (SrtpSender, SrtpReceiver) {
    let (key, salt) = (vec![7; suite.key_len()], vec![9; suite.salt_len()]);
    (
        SrtpSender::new(suite, &key, &salt).unwrap(),
        SrtpReceiver::new(suite, &key, &salt).unwrap(),
    )
}

fn rtp(sequence: u16, csrcs: &[u32], extension: Option<&[u8]>, payload: &[u8]) -> Vec<u8> {
    let fields = RtpFields {
        payload_type: 8,
        sequence,
        timestamp: 160,
        ssrc: 0xfeed_beef,
        csrcs,
        extension: extension.map(|data| (0xbede, data)),
        ..RtpFields::default()
    };
    let mut packet = vec![0; 2048];
    let len = fields.build(payload, &mut packet).unwrap();
    packet.truncate(len);
    packet
}

fn protect(sender: &mut SrtpSender, plain: &[u8]) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + MAX_RTP_TRAILER, 0);
    let len = sender.protect(&mut packet, plain.len()).unwrap();
    packet.truncate(len);
    packet
}

fn protect_rtcp(sender: &mut SrtpSender, plain: &[u8]) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + MAX_RTCP_TRAILER, 0);
    let len = sender.protect_rtcp(&mut packet, plain.len()).unwrap();
    packet.truncate(len);
    packet
}

fn unprotect(receiver: &mut SrtpReceiver, protected: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = protected.to_vec();
    let opened = receiver.unprotect(&mut packet, protected.len())?;
    packet.truncate(opened);
    Ok(packet)
}

fn unprotect_rtcp(receiver: &mut SrtpReceiver, protected: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = protected.to_vec();
    let opened = receiver.unprotect_rtcp(&mut packet, protected.len())?;
    packet.truncate(opened);
    Ok(packet)
}

const RTCP: [u8; 16] = [0x80, 201, 0, 1, 1, 2, 3, 4, 0x80, 203, 0, 1, 1, 2, 3, 4];

#[test]
fn every_length_comes_back_and_is_unreadable_on_the_way() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for len in 0..700_u16 {
            let payload = vec![0x55; usize::from(len)];
            let plain = rtp(len, &[], None, &payload);
            let protected = protect(&mut sender, &plain);
            assert_eq!(protected.len(), plain.len() + suite.rtp_tag_len());
            if len >= 16 {
                assert_ne!(protected[12..plain.len()], payload);
            }
            assert_eq!(protected[..12], plain[..12]);
            assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
        }
    }
}

#[test]
fn equal_packets_of_different_sequence_share_no_keystream() {
    for suite in Suite::ALL {
        let (mut sender, _) = pair(suite);
        let first = protect(&mut sender, &rtp(1, &[], None, &[0; 64]));
        let second = protect(&mut sender, &rtp(2, &[], None, &[0; 64]));
        assert!(
            first[12..76]
                .chunks(16)
                .all(|a| second[12..76].chunks(16).all(|b| a != b))
        );
    }
}

#[test]
fn any_one_flipped_bit_is_rejected_and_changes_nothing() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let plain = rtp(5, &[1, 2], Some(&[1, 2, 3, 4]), &[0x11; 50]);
        let protected = protect(&mut sender, &plain);
        let control = protect_rtcp(&mut sender, &RTCP);
        for bit in 0..8 * protected.len() {
            let mut forged = protected.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let before = forged.clone();
            let len = forged.len();
            assert!(receiver.unprotect(&mut forged, len).is_err(), "bit {bit}");
            assert_eq!(forged, before);
        }
        for bit in 0..8 * control.len() {
            let mut forged = control.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                unprotect_rtcp(&mut receiver, &forged).is_err(),
                "RTCP bit {bit}"
            );
        }
        assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
        assert_eq!(unprotect_rtcp(&mut receiver, &control), Ok(RTCP.to_vec()));
    }
}

#[test]
fn a_truncated_or_lengthened_packet_is_rejected() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let protected = protect(&mut sender, &rtp(5, &[], None, &[0x11; 50]));
        for len in 0..protected.len() {
            assert!(unprotect(&mut receiver, &protected[..len]).is_err());
        }
        let longer = [&protected[..], &[0]].concat();
        assert_eq!(
            unprotect(&mut receiver, &longer),
            Err(SrtpError::NotAuthentic)
        );
        assert!(unprotect(&mut receiver, &protected).is_ok());
    }
}

#[test]
fn plain_packets_and_the_other_directions_key_are_rejected() {
    for suite in Suite::ALL {
        let (mut sender, _) = pair(suite);
        let other_key = vec![8; suite.key_len()];
        let mut receiver =
            SrtpReceiver::new(suite, &other_key, &vec![9; suite.salt_len()]).unwrap();
        let plain = rtp(5, &[], None, &[0x11; 160]);
        assert_eq!(
            unprotect(&mut receiver, &plain),
            Err(SrtpError::NotAuthentic)
        );
        let protected = protect(&mut sender, &plain);
        assert_eq!(
            unprotect(&mut receiver, &protected),
            Err(SrtpError::NotAuthentic)
        );
        assert!(unprotect_rtcp(&mut receiver, &RTCP).is_err());
    }
}

#[test]
fn keys_of_another_length_than_the_suites_are_refused() {
    for suite in Suite::ALL {
        let key = vec![0; suite.key_len()];
        let salt = vec![0; suite.salt_len()];
        assert!(matches!(
            SrtpSender::new(suite, &key[1..], &salt),
            Err(SrtpError::BadKey)
        ));
        assert!(matches!(
            SrtpReceiver::new(suite, &key, &salt[1..]),
            Err(SrtpError::BadKey)
        ));
        assert_eq!(Suite::from_name(suite.name()), Some(suite));
    }
    assert_eq!(Suite::from_name("NULL_HMAC_SHA1_80"), None);
}

#[test]
fn a_buffer_without_tailroom_is_refused_untouched() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let plain = rtp(5, &[], None, &[0x11; 160]);
        let mut tight = [&plain[..], &vec![0; suite.rtp_tag_len() - 1]].concat();
        let before = tight.clone();
        assert_eq!(
            sender.protect(&mut tight, plain.len()),
            Err(SrtpError::NoRoom)
        );
        assert_eq!(tight, before);
        let mut control = [&RTCP[..], &vec![0; 3 + suite.rtcp_tag_len()]].concat();
        assert_eq!(
            sender.protect_rtcp(&mut control, RTCP.len()),
            Err(SrtpError::NoRoom)
        );
        // The refusals used up no index.
        let protected = protect(&mut sender, &plain);
        assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
    }
}

#[test]
fn debug_output_shows_no_key() {
    for suite in Suite::ALL {
        let (key, salt) = (vec![0xab; suite.key_len()], vec![0xcd; suite.salt_len()]);
        let sender = SrtpSender::new(suite, &key, &salt).unwrap();
        let receiver = SrtpReceiver::new(suite, &key, &salt).unwrap();
        let shown = format!("{sender:?} {receiver:?}");
        assert!(!shown.contains("171") && !shown.contains("205"), "{shown}");
        assert!(
            !shown.contains("ab, ") && !shown.contains("fingerprint"),
            "{shown}"
        );
    }
}

#[test]
fn a_sender_knows_its_own_key() {
    let suite = Suite::AeadAes256Gcm;
    let (sender, receiver) = pair(suite);
    let (key, salt) = (vec![7; suite.key_len()], vec![9; suite.salt_len()]);
    assert!(sender.has_key(suite, &key, &salt) && receiver.has_key(suite, &key, &salt));
    assert!(!sender.has_key(suite, &salt, &salt));
    assert!(!sender.has_key(Suite::AesCm256HmacSha1_80, &key, &[9; 14]));
    let mut other = salt.clone();
    other[11] ^= 1;
    assert!(!sender.has_key(suite, &key, &other) && !receiver.has_key(suite, &key, &other));
}

fn any_suite() -> impl Strategy<Value = Suite> {
    proptest::sample::select(&Suite::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_packet_comes_back(
        suite in any_suite(),
        sequence: u16,
        csrcs in vec(any::<u32>(), 0..16),
        words in proptest::option::of(0_usize..20),
        payload in vec(any::<u8>(), 0..600),
    ) {
        let (mut sender, mut receiver) = pair(suite);
        let extension = words.map(|words| vec![0x5a; 4 * words]);
        let plain = rtp(sequence, &csrcs, extension.as_deref(), &payload);
        let protected = protect(&mut sender, &plain);
        prop_assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
    }

    #[test]
    fn any_rtcp_comes_back(suite in any_suite(), body in vec(any::<u8>(), 0..600)) {
        let (mut sender, mut receiver) = pair(suite);
        let plain = [&[0x80, 201, 0, 1, 1, 2, 3, 4], &body[..]].concat();
        for _ in 0..3 {
            let protected = protect_rtcp(&mut sender, &plain);
            prop_assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(plain.clone()));
        }
    }

    #[test]
    fn noise_never_passes_and_never_panics(suite in any_suite(), noise in vec(any::<u8>(), 0..200)) {
        let (mut sender, mut receiver) = pair(suite);
        prop_assert!(unprotect(&mut receiver, &noise).is_err());
        prop_assert!(unprotect_rtcp(&mut receiver, &noise).is_err());
        let mut buffer = noise.clone();
        let _ = sender.protect(&mut buffer, noise.len());
        let _ = sender.protect_rtcp(&mut buffer, noise.len() / 2);
        let _ = sender.protect_rtcp(&mut buffer, noise.len() + 1);
    }
}
