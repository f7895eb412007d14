//! One direction of a leg: plain RTP, or SRTP by the code of Sealtone's media core.
//!
//! That code proves itself against another here: rtpengine (libsrtp) takes what it makes, and the other way round.

use sealtone_media::srtp::{SrtpReceiver, SrtpSender, Suite};

pub enum Outbound {
    Plain,
    Srtp(SrtpSender),
}

pub enum Inbound {
    Plain,
    Srtp(SrtpReceiver),
}

fn octets(hexadecimal: &str) -> Result<Vec<u8>, String> {
    if hexadecimal.len() & 1 == 1 {
        return Err("a key has an odd number of hexadecimal digits".into());
    }
    (0..hexadecimal.len())
        .step_by(2)
        .map(|at| {
            let pair = hexadecimal
                .get(at..at + 2)
                .ok_or("a key is not hexadecimal")?;
            u8::from_str_radix(pair, 16).map_err(|_| "a key is not hexadecimal".to_owned())
        })
        .collect()
}

fn suite_named(name: &str) -> Result<Suite, String> {
    Suite::from_name(name).ok_or_else(|| format!("unknown suite {name}"))
}

impl Outbound {
    pub fn plain() -> Self {
        Outbound::Plain
    }

    /// Key and salt in hexadecimal.
    pub fn srtp(suite: &str, key: &str, salt: &str) -> Result<Self, String> {
        SrtpSender::new(suite_named(suite)?, &octets(key)?, &octets(salt)?)
            .map(Outbound::Srtp)
            .map_err(|error| error.to_string())
    }

    /// Protects `buffer[..length]` in place; 0 when that cannot be.
    pub fn protect(&mut self, buffer: &mut [u8], length: usize) -> usize {
        match self {
            Outbound::Plain => length,
            Outbound::Srtp(sender) => sender.protect(buffer, length).unwrap_or(0),
        }
    }
}

impl Inbound {
    pub fn plain() -> Self {
        Inbound::Plain
    }

    /// Key and salt in hexadecimal.
    pub fn srtp(suite: &str, key: &str, salt: &str) -> Result<Self, String> {
        SrtpReceiver::new(suite_named(suite)?, &octets(key)?, &octets(salt)?)
            .map(Inbound::Srtp)
            .map_err(|error| error.to_string())
    }

    /// Checks and decrypts `buffer[..length]` in place; None for what is not authentic or a replay.
    pub fn unprotect(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        match self {
            Inbound::Plain => Some(length),
            Inbound::Srtp(receiver) => receiver.unprotect(buffer, length).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{octets, Inbound, Outbound};

    const KEY: &str = "000102030405060708090a0b0c0d0e0f";
    const SALT: &str = "101112131415161718191a1b1c1d";
    const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

    #[test]
    fn what_one_side_protects_the_other_reads_once() {
        let mut outbound = Outbound::srtp(SUITE, KEY, SALT).expect("a good key");
        let mut inbound = Inbound::srtp(SUITE, KEY, SALT).expect("a good key");
        let mut packet = [0u8; 256];
        packet[0] = 0x80;
        packet[12..172].fill(0xD5);
        let length = outbound.protect(&mut packet, 172);
        assert_eq!(length, 182);
        let mut again = packet;
        assert_eq!(inbound.unprotect(&mut packet, length), Some(172));
        assert_eq!(packet[12..172], [0xD5; 160]);
        assert_eq!(inbound.unprotect(&mut again, length), None);
    }

    #[test]
    fn keys_that_are_not_hexadecimal_are_refused() {
        assert_eq!(octets("0aff"), Ok(vec![0x0a, 0xff]));
        assert!(octets("0af").is_err());
        assert!(octets("zz").is_err());
        assert!(octets("ä1é").is_err());
    }
}
