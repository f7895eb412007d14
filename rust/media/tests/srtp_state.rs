//! Replay windows, roll-over counters, key lifetimes: what is remembered, and that only authentic packets change it.

use sealtone_media::srtp::{
    MAX_STREAMS, REPLAY_WINDOW, SrtpError, SrtpReceiver, SrtpSender, Suite, ZrtpCipher, ZrtpTag,
};

const SSRC: u32 = 0xfeed_beef;

fn pair(suite: Suite) -> (SrtpSender, SrtpReceiver) {
    let (key, salt) = (vec![7; suite.key_len()], vec![9; suite.salt_len()]);
    (
        SrtpSender::new(suite, &key, &salt).unwrap(),
        SrtpReceiver::new(suite, &key, &salt).unwrap(),
    )
}

fn rekeyed(suite: Suite) -> (SrtpSender, SrtpReceiver) {
    let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
    (
        SrtpSender::new(suite, &key, &salt).unwrap(),
        SrtpReceiver::new(suite, &key, &salt).unwrap(),
    )
}

fn try_protect(sender: &mut SrtpSender, ssrc: u32, sequence: u16) -> Result<Vec<u8>, SrtpError> {
    let mut packet = vec![0; 12 + 40 + 16];
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let len = sender.protect(&mut packet, 52)?;
    packet.truncate(len);
    Ok(packet)
}

fn protect(sender: &mut SrtpSender, sequence: u16) -> Vec<u8> {
    try_protect(sender, SSRC, sequence).unwrap()
}

fn unprotect(receiver: &mut SrtpReceiver, protected: &[u8]) -> Result<usize, SrtpError> {
    let mut packet = protected.to_vec();
    receiver.unprotect(&mut packet, protected.len())
}

fn protect_rtcp(sender: &mut SrtpSender, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0; 8 + 20];
    packet[..4].copy_from_slice(&[0x80, 201, 0, 1]);
    packet[4..8].copy_from_slice(&ssrc.to_be_bytes());
    let len = sender.protect_rtcp(&mut packet, 8).unwrap();
    packet.truncate(len);
    packet
}

fn unprotect_rtcp(receiver: &mut SrtpReceiver, protected: &[u8]) -> Result<usize, SrtpError> {
    let mut packet = protected.to_vec();
    receiver.unprotect_rtcp(&mut packet, protected.len())
}

#[test]
fn none_of_a_thousand_replays_is_accepted() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut heard = Vec::new();
        for ssrc in [SSRC, 1, 2] {
            for sequence in 65_400..65_650_u32 {
                heard.push(try_protect(&mut sender, ssrc, sequence as u16).unwrap());
            }
        }
        for packet in &heard {
            assert_eq!(unprotect(&mut receiver, packet), Ok(52));
        }
        let mut accepted = 0;
        for packet in heard.iter().chain(heard.iter().rev()) {
            accepted += usize::from(unprotect(&mut receiver, packet).is_ok());
        }
        let control: Vec<_> = (0..250).map(|n| protect_rtcp(&mut sender, n % 3)).collect();
        for packet in &control {
            assert_eq!(unprotect_rtcp(&mut receiver, packet), Ok(8));
        }
        for packet in control.iter().chain(control.iter().rev()) {
            accepted += usize::from(unprotect_rtcp(&mut receiver, packet).is_ok());
        }
        assert_eq!(accepted, 0);
    }
}

#[test]
fn packets_of_the_other_direction_are_no_use_either() {
    let suite = Suite::AesCm128HmacSha1_80;
    let (mut ours, _) = pair(suite);
    let (_, mut from_them) = rekeyed(suite);
    for sequence in 0..100 {
        let reflected = protect(&mut ours, sequence);
        assert_eq!(
            unprotect(&mut from_them, &reflected),
            Err(SrtpError::NotAuthentic)
        );
    }
}

#[test]
fn late_packets_within_the_window_pass_once_and_older_ones_never() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    let packets: Vec<_> = (0..300)
        .map(|sequence| protect(&mut sender, sequence))
        .collect();
    assert!(unprotect(&mut receiver, &packets[0]).is_ok());
    assert!(unprotect(&mut receiver, &packets[299]).is_ok());
    let window = REPLAY_WINDOW as usize;
    for (sequence, packet) in packets.iter().enumerate().take(299).rev() {
        let expected = if 299 - sequence < window {
            Ok(52)
        } else {
            Err(SrtpError::TooOld)
        };
        assert_eq!(unprotect(&mut receiver, packet), expected, "{sequence}");
        let again = if 299 - sequence < window {
            SrtpError::Replayed
        } else {
            SrtpError::TooOld
        };
        assert_eq!(unprotect(&mut receiver, packet), Err(again), "{sequence}");
    }
}

#[test]
fn a_replay_is_refused_before_any_work_with_the_key() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    let mut packet = protect(&mut sender, 5);
    assert!(unprotect(&mut receiver, &packet).is_ok());
    *packet.last_mut().unwrap() ^= 1;
    assert_eq!(unprotect(&mut receiver, &packet), Err(SrtpError::Replayed));
}

#[test]
fn forged_packets_move_neither_window_nor_counter_nor_streams() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        assert!(unprotect(&mut receiver, &protect(&mut sender, 100)).is_ok());
        for n in 0..10_000_u32 {
            let mut forged = vec![0x5a; 12 + 40 + suite.rtp_tag_len()];
            forged[0] = 0x80;
            forged[2..4].copy_from_slice(&(101 + 37 * n).to_be_bytes()[2..]);
            let ssrc = if n % 3 == 0 { n } else { SSRC };
            forged[8..12].copy_from_slice(&ssrc.to_be_bytes());
            assert!(unprotect(&mut receiver, &forged).is_err());
            forged[1] = 200;
            forged[4..8].copy_from_slice(&ssrc.to_be_bytes());
            assert!(unprotect_rtcp(&mut receiver, &forged).is_err());
        }
        assert_eq!(receiver.roll_over_counter(SSRC), Some(0));
        assert_eq!(receiver.roll_over_counter(3), None);
        assert!(unprotect(&mut receiver, &protect(&mut sender, 101)).is_ok());
        assert!(unprotect_rtcp(&mut receiver, &protect_rtcp(&mut sender, SSRC)).is_ok());
    }
}

#[test]
fn the_counter_follows_three_wraps_with_loss_and_reordering() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut held = None;
        let mut delivered = 0;
        for index in 60_000..260_000_u32 {
            // A third is lost, always including the packets right at a wrap; every seventh comes late.
            let packet = protect(&mut sender, index as u16);
            if index % 3 == 0 || (index as u16) < 2 {
                continue;
            }
            if index % 7 == 0 {
                held = Some(packet);
                continue;
            }
            assert!(unprotect(&mut receiver, &packet).is_ok(), "{index}");
            delivered += 1;
            if let Some(late) = held.take() {
                assert!(unprotect(&mut receiver, &late).is_ok(), "late, at {index}");
                delivered += 1;
            }
        }
        assert!(delivered > 130_000);
        assert_eq!(receiver.roll_over_counter(SSRC), Some(3));
        assert_eq!(sender.roll_over_counter(SSRC), Some(3));
    }
}

#[test]
fn a_packet_from_before_the_wrap_may_come_after_it() {
    let (mut sender, mut receiver) = pair(Suite::AeadAes128Gcm);
    let before: Vec<_> = (65_500..=65_535)
        .map(|sequence| protect(&mut sender, sequence))
        .collect();
    let after: Vec<_> = (0..20)
        .map(|sequence| protect(&mut sender, sequence))
        .collect();
    assert!(unprotect(&mut receiver, &before[0]).is_ok());
    for packet in after.iter().chain(before[1..].iter().rev()) {
        assert!(unprotect(&mut receiver, packet).is_ok());
    }
    assert_eq!(receiver.roll_over_counter(SSRC), Some(1));
}

#[test]
fn a_stream_whose_first_wrap_was_not_heard_is_still_understood() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    for sequence in 65_530..=65_535 {
        protect(&mut sender, sequence);
    }
    assert!(unprotect(&mut receiver, &protect(&mut sender, 40)).is_ok());
    assert_eq!(receiver.roll_over_counter(SSRC), Some(1));
}

#[test]
fn a_sender_refuses_every_index_it_has_used() {
    for suite in Suite::ALL {
        let (mut sender, _) = pair(suite);
        for sequence in [10, 12, 11, 400] {
            protect(&mut sender, sequence);
        }
        for sequence in [10, 11, 12, 400, 13, 272] {
            assert_eq!(
                try_protect(&mut sender, SSRC, sequence),
                Err(SrtpError::IndexReused),
                "{sequence}"
            );
        }
        assert!(try_protect(&mut sender, SSRC, 273).is_ok());
        // The same sequence numbers are new ones after a wrap.
        for sequence in [30_000, 60_000, 9, 10] {
            assert!(
                try_protect(&mut sender, SSRC, sequence).is_ok(),
                "{sequence}"
            );
        }
        assert_eq!(sender.roll_over_counter(SSRC), Some(1));
        assert_eq!(
            try_protect(&mut sender, SSRC, 10),
            Err(SrtpError::IndexReused)
        );
    }
}

#[test]
fn a_sender_does_not_go_back_before_its_first_packet() {
    let (mut sender, _) = pair(Suite::AesCm256HmacSha1_80);
    protect(&mut sender, 3);
    assert_eq!(
        try_protect(&mut sender, SSRC, 65_535),
        Err(SrtpError::IndexReused)
    );
    assert_eq!(sender.roll_over_counter(SSRC), Some(0));
}

#[test]
fn two_streams_under_one_key_have_keystreams_of_their_own_and_are_both_remembered() {
    let (mut sender, mut receiver) = pair(Suite::AeadAes256Gcm);
    let one = try_protect(&mut sender, 1, 7).unwrap();
    let two = try_protect(&mut sender, 2, 7).unwrap();
    assert_ne!(one[12..], two[12..]);
    for packet in [&one, &two] {
        assert!(unprotect(&mut receiver, packet).is_ok());
    }
    for packet in [&one, &two] {
        assert_eq!(unprotect(&mut receiver, packet), Err(SrtpError::Replayed));
    }
    assert_eq!(try_protect(&mut sender, 1, 7), Err(SrtpError::IndexReused));
    assert_eq!(try_protect(&mut sender, 2, 7), Err(SrtpError::IndexReused));
}

#[test]
fn streams_are_limited_and_none_is_forgotten_for_another() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_32);
    let most = MAX_STREAMS as u32;
    let packets: Vec<_> = (0..most)
        .map(|ssrc| try_protect(&mut sender, ssrc, 1).unwrap())
        .collect();
    assert_eq!(
        try_protect(&mut sender, most, 1),
        Err(SrtpError::TooManyStreams)
    );
    for packet in &packets {
        assert!(unprotect(&mut receiver, packet).is_ok());
    }
    let (mut again, _) = pair(Suite::AesCm128HmacSha1_32);
    let one_more = try_protect(&mut again, most, 1).unwrap();
    assert_eq!(
        unprotect(&mut receiver, &one_more),
        Err(SrtpError::TooManyStreams)
    );
    for (ssrc, packet) in packets.iter().enumerate() {
        assert_eq!(unprotect(&mut receiver, packet), Err(SrtpError::Replayed));
        let next = try_protect(&mut sender, ssrc as u32, 2).unwrap();
        assert!(unprotect(&mut receiver, &next).is_ok());
    }
}

#[test]
fn after_a_new_key_counters_go_on_or_restart_as_the_peer_does() {
    for goes_on in [true, false] {
        let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
        for sequence in [65_000, 65_535, 100, 20_000, 40_000] {
            assert!(unprotect(&mut receiver, &protect(&mut sender, sequence)).is_ok());
        }
        let (mut new_sender, mut new_receiver) = rekeyed(Suite::AeadAes128Gcm);
        new_receiver.continue_from(&receiver);
        if goes_on {
            new_sender.continue_from(&sender);
        }
        assert!(unprotect(&mut new_receiver, &protect(&mut new_sender, 40_001)).is_ok());
        assert_eq!(
            new_receiver.roll_over_counter(SSRC),
            Some(u32::from(goes_on))
        );
        assert!(unprotect(&mut new_receiver, &protect(&mut new_sender, 40_002)).is_ok());
        assert_eq!(
            unprotect(&mut new_receiver, &protect(&mut sender, 40_003)),
            Err(SrtpError::NotAuthentic)
        );
    }
}

#[test]
fn counters_go_on_over_a_key_under_which_nothing_came() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    for sequence in [65_000, 65_535, 100, 20_000] {
        assert!(unprotect(&mut receiver, &protect(&mut sender, sequence)).is_ok());
    }
    let (mut silent_sender, mut silent_receiver) = rekeyed(Suite::AeadAes128Gcm);
    silent_sender.continue_from(&sender);
    silent_receiver.continue_from(&receiver);
    let (mut new_sender, mut new_receiver) = pair(Suite::AeadAes256Gcm);
    new_sender.continue_from(&sender);
    new_receiver.continue_from(&silent_receiver);
    assert!(unprotect(&mut new_receiver, &protect(&mut new_sender, 20_001)).is_ok());
    assert_eq!(new_receiver.roll_over_counter(SSRC), Some(1));
}

#[test]
fn rtcp_that_is_not_encrypted_is_refused() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let protected = protect_rtcp(&mut sender, SSRC);
        let mut cleared = protected.clone();
        let at = if suite.rtp_tag_len() == 16 {
            protected.len() - 4
        } else {
            protected.len() - 4 - suite.rtcp_tag_len()
        };
        assert_eq!(cleared[at] & 0x80, 0x80);
        cleared[at] &= 0x7f;
        assert_eq!(
            unprotect_rtcp(&mut receiver, &cleared),
            Err(SrtpError::Unencrypted)
        );
        assert!(unprotect_rtcp(&mut receiver, &protected).is_ok());
    }
}

/// Some of the suites with which phones disagree on the length of SRTCP tags.
const SHORT_TAGS: [Suite; 4] = [
    Suite::AesCm128HmacSha1_32,
    Suite::AesCm256HmacSha1_32,
    Suite::Zrtp(ZrtpCipher::Aes192, ZrtpTag::Hs32),
    Suite::Zrtp(ZrtpCipher::Twofish256, ZrtpTag::Hs32),
];

/// What phones that keep 32-bit tags on SRTCP send: the 80-bit tag cut short.
fn shortened(protected: &[u8]) -> Vec<u8> {
    protected[..protected.len() - 6].to_vec()
}

#[test]
fn short_rtcp_tags_are_accepted_with_32_bit_hmac_only() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let short = shortened(&protect_rtcp(&mut sender, SSRC));
        assert_eq!(
            unprotect_rtcp(&mut receiver, &short).is_ok(),
            suite.rtp_tag_len() == 4 && suite.rtcp_tag_len() == 10,
            "{}",
            suite.name()
        );
    }
}

#[test]
fn a_peer_that_sent_long_rtcp_tags_is_not_believed_with_short_ones() {
    for suite in SHORT_TAGS {
        let (mut sender, mut receiver) = pair(suite);
        assert!(unprotect_rtcp(&mut receiver, &protect_rtcp(&mut sender, SSRC)).is_ok());
        let short = shortened(&protect_rtcp(&mut sender, SSRC));
        assert!(unprotect_rtcp(&mut receiver, &short).is_err());
    }
}

#[test]
fn forged_rtcp_teaches_nothing_about_the_peers_tags() {
    for suite in SHORT_TAGS {
        let (mut phone, mut receiver) = pair(suite);
        let (mut sender, _) = rekeyed(suite);
        let authentic = protect_rtcp(&mut phone, SSRC);
        for octet in 8..authentic.len() - 6 {
            let mut forged = shortened(&authentic);
            forged[octet] ^= 1;
            assert!(unprotect_rtcp(&mut receiver, &forged).is_err());
            sender.match_rtcp_tags(&receiver);
            assert_eq!(protect_rtcp(&mut sender, SSRC).len(), 8 + 4 + 10);
        }
        assert_eq!(unprotect_rtcp(&mut receiver, &authentic), Ok(8));
    }
}

#[test]
fn a_peer_that_sent_short_rtcp_tags_may_turn_to_long_ones() {
    for suite in SHORT_TAGS {
        let (mut sender, mut receiver) = pair(suite);
        for _ in 0..3 {
            let short = shortened(&protect_rtcp(&mut sender, SSRC));
            assert_eq!(unprotect_rtcp(&mut receiver, &short), Ok(8));
            assert_eq!(
                unprotect_rtcp(&mut receiver, &short),
                Err(SrtpError::Replayed)
            );
        }
        assert_eq!(
            unprotect_rtcp(&mut receiver, &protect_rtcp(&mut sender, SSRC)),
            Ok(8)
        );
        let short = shortened(&protect_rtcp(&mut sender, SSRC));
        assert!(unprotect_rtcp(&mut receiver, &short).is_err());
    }
}

#[test]
fn rtcp_goes_out_with_tags_as_long_as_the_peers() {
    for suite in SHORT_TAGS {
        let (mut phone, mut receiver) = pair(suite);
        let (mut sender, _) = rekeyed(suite);
        assert_eq!(protect_rtcp(&mut sender, SSRC).len(), 8 + 4 + 10);
        sender.match_rtcp_tags(&receiver);
        assert_eq!(protect_rtcp(&mut sender, SSRC).len(), 8 + 4 + 10);
        let short = shortened(&protect_rtcp(&mut phone, SSRC));
        assert!(unprotect_rtcp(&mut receiver, &short).is_ok());
        sender.match_rtcp_tags(&receiver);
        assert_eq!(protect_rtcp(&mut sender, SSRC).len(), 8 + 4 + 4);
        assert!(unprotect_rtcp(&mut receiver, &protect_rtcp(&mut phone, SSRC)).is_ok());
        sender.match_rtcp_tags(&receiver);
        assert_eq!(protect_rtcp(&mut sender, SSRC).len(), 8 + 4 + 10);
    }
}

#[test]
fn skein_tags_on_rtcp_are_as_long_as_on_rtp() {
    for (tag, len) in [(ZrtpTag::Sk32, 4), (ZrtpTag::Sk64, 8)] {
        let (mut sender, mut receiver) = pair(Suite::Zrtp(ZrtpCipher::Twofish256, tag));
        let protected = protect_rtcp(&mut sender, SSRC);
        assert_eq!(protected.len(), 8 + 4 + len);
        assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(8));
    }
}

#[test]
fn a_suite_without_short_tags_never_shortens_them() {
    let (mut phone, mut receiver) = pair(Suite::AesCm128HmacSha1_32);
    let short = shortened(&protect_rtcp(&mut phone, SSRC));
    assert!(unprotect_rtcp(&mut receiver, &short).is_ok());
    let (mut sender, _) = rekeyed(Suite::AesCm128HmacSha1_80);
    sender.match_rtcp_tags(&receiver);
    assert_eq!(protect_rtcp(&mut sender, SSRC).len(), 8 + 4 + 10);
}
