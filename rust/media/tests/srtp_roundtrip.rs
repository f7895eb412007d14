//! What one side protects, the other side reads.

use sealtone_media::srtp::{SrtpReceiver, SrtpSender, Suite};

#[test]
fn every_suite_gives_back_what_was_protected() {
    for suite in Suite::ALL {
        let (key, salt) = (vec![7; suite.key_len()], vec![9; suite.salt_len()]);
        let mut tx = SrtpSender::new(suite, &key, &salt).unwrap();
        let mut rx = SrtpReceiver::new(suite, &key, &salt).unwrap();
        for n in 0..400usize {
            let mut b = vec![0x80, 0, 0, n as u8, 0, 0, 0, 0, 1, 2, 3, 4];
            b[2] = (n >> 8) as u8;
            b.extend(std::iter::repeat_n(0x55, n));
            let plain = b.clone();
            b.resize(n + 12 + 16, 0);
            let l = tx.protect(&mut b, n + 12).unwrap();
            assert_eq!(l, n + 12 + suite.rtp_tag_len());
            assert_eq!(rx.unprotect(&mut b, l).unwrap(), n + 12);
            assert_eq!(&b[..n + 12], plain);
        }
    }
}
