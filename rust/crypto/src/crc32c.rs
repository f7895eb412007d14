//! The CRC that ends each ZRTP packet (RFC 6189, section 5): CRC-32C, as in RFC 9260, appendix A.
//!
//! It is no cryptography. It is here because a handshake makes and checks two dozen, which costs Python more than most
//! of the hashes do.

/// Castagnoli's polynomial 0x1EDC6F41 with its bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// What each octet becomes once it has passed through the register.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let mut crc = octet as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[octet] = crc;
        octet += 1;
    }
    table
};

/// The CRC of `data`, which stands on the wire with its least significant octet first.
#[must_use]
pub fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, octet| {
        crc >> 8 ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ octet)]
    })
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    /// RFC 3720, appendix B.4, and the usual check value.
    #[test]
    fn known_values_come_out() {
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
    }
}
