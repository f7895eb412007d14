//! SRTP and SRTCP: whatever comes, nothing unauthentic passes or changes a packet, nothing passes twice, and the
//! legitimate stream beside it goes on.
//!
//! The first octet picks the suite. Then follow records of one octet of kind, one of length and that many octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealtone_media::srtp::{SrtpReceiver, SrtpSender, Suite};

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else {
        return;
    };
    let suite = Suite::ALL[usize::from(*first) % Suite::ALL.len()];
    let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
    let mut sender = SrtpSender::new(suite, &key, &salt).expect("key fits");
    let mut careless = SrtpSender::new(suite, &vec![3; suite.key_len()], &salt).expect("key fits");
    let mut receiver = SrtpReceiver::new(suite, &key, &salt).expect("key fits");
    let mut sequence = 0_u16;
    let mut last = Vec::new();
    while let Some(([kind, len], after)) = rest.split_first_chunk::<2>() {
        let (record, after) = after.split_at(usize::from(*len).min(after.len()));
        rest = after;
        match kind % 6 {
            0 => hostile(&mut receiver, record, SrtpReceiver::unprotect),
            1 => hostile(&mut receiver, record, SrtpReceiver::unprotect_rtcp),
            2 => {
                // A good packet, a jump ahead of it, passes once.
                sequence = sequence.wrapping_add(1 + u16::from(*len) * 64);
                last = good(&mut sender, sequence, record);
                pass_once(&mut receiver, &last);
            }
            3 => damaged(&mut receiver, &last, record),
            4 => good_rtcp(&mut sender, &mut receiver, record),
            _ => {
                // Senders take any packet without a panic, and never the same one twice.
                let mut packet = [record, &[0; 20]].concat();
                let used = careless.protect(&mut packet, record.len()).is_ok();
                packet[..record.len()].copy_from_slice(record);
                assert!(!used || careless.protect(&mut packet, record.len()).is_err());
                packet[..record.len()].copy_from_slice(record);
                let _ = careless.protect_rtcp(&mut packet, record.len());
            }
        }
    }
});

type Operation =
    fn(&mut SrtpReceiver, &mut [u8], usize) -> Result<usize, sealtone_media::srtp::SrtpError>;

fn hostile(receiver: &mut SrtpReceiver, record: &[u8], operation: Operation) {
    let mut packet = record.to_vec();
    // Guessing a tag of 32 bits is possible, of 80 it is not; libFuzzer would have to be luckier than either.
    assert!(operation(receiver, &mut packet, record.len()).is_err());
    assert_eq!(packet, record);
}

fn good(sender: &mut SrtpSender, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0xff, 0xee, 0xdd, 0xcc]);
    packet.extend(payload);
    let len = packet.len();
    packet.resize(len + 16, 0);
    let protected = sender.protect(&mut packet, len).expect("is new");
    packet.truncate(protected);
    packet
}

/// A good RTCP packet passes once. Cut short as some phones do, it passes only with the suites where they do.
fn good_rtcp(sender: &mut SrtpSender, receiver: &mut SrtpReceiver, body: &[u8]) {
    let plain = [&[0x80, 201, 0, 1, 0xff, 0xee, 0xdd, 0xcc], body].concat();
    let mut packet = plain.clone();
    packet.resize(plain.len() + 20, 0);
    let len = sender
        .protect_rtcp(&mut packet, plain.len())
        .expect("has indices left");
    packet.truncate(len);
    let suite = sender.suite();
    let short = body.first().is_some_and(|octet| octet % 2 == 1) && len > plain.len() + 10;
    let cut = if short { len - 6 } else { len };
    let mut first = packet[..cut].to_vec();
    let opened = receiver.unprotect_rtcp(&mut first, cut);
    match opened {
        Ok(opened) => assert_eq!(first[..opened], plain),
        Err(_) => assert!(short, "a whole packet passes"),
    }
    assert!(opened.is_err() || !short || (suite.rtp_tag_len() == 4 && suite.rtcp_tag_len() == 10));
    let mut again = packet[..cut].to_vec();
    assert!(receiver.unprotect_rtcp(&mut again, cut).is_err());
}

fn pass_once(receiver: &mut SrtpReceiver, protected: &[u8]) {
    let mut packet = protected.to_vec();
    assert!(receiver.unprotect(&mut packet, protected.len()).is_ok());
    let mut packet = protected.to_vec();
    assert!(receiver.unprotect(&mut packet, protected.len()).is_err());
}

fn damaged(receiver: &mut SrtpReceiver, last: &[u8], record: &[u8]) {
    let mut packet = last.to_vec();
    for (octet, change) in packet.iter_mut().zip(record) {
        *octet ^= change;
    }
    let len = packet.len();
    // Unchanged, it is a replay; changed, a forgery.
    assert!(receiver.unprotect(&mut packet, len).is_err());
}
