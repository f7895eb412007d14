//! AES in CFB mode with feedback of whole blocks (NIST SP 800-38A 6.3), as Confirm and SASrelay are encrypted (RFC 6189
//! 5.7). Python has it too, but takes eight times as long to get to it.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc, Block};

/// One block in octets.
pub const BLOCK: usize = 16;

/// The key has none of the three lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeyLength;

/// Encrypts `data` in place. The key has 16, 24 or 32 octets.
pub fn encrypt(key: &[u8], iv: &[u8; BLOCK], data: &mut [u8]) -> Result<(), BadKeyLength> {
    run(key, iv, data, |chunk, feedback| {
        for (octet, mask) in chunk.iter_mut().zip(feedback.iter_mut()) {
            *octet ^= *mask;
            *mask = *octet;
        }
    })
}

/// Undoes [`encrypt`].
pub fn decrypt(key: &[u8], iv: &[u8; BLOCK], data: &mut [u8]) -> Result<(), BadKeyLength> {
    run(key, iv, data, |chunk, feedback| {
        for (octet, mask) in chunk.iter_mut().zip(feedback.iter_mut()) {
            (*octet, *mask) = (*octet ^ *mask, *octet);
        }
    })
}

/// `mask` applies an encrypted block to a chunk and leaves the chunk's ciphertext in its place.
fn run(
    key: &[u8],
    iv: &[u8; BLOCK],
    data: &mut [u8],
    mask: impl Fn(&mut [u8], &mut Block),
) -> Result<(), BadKeyLength> {
    match key.len() {
        16 => with(Aes128Enc::new_from_slice(key), iv, data, mask),
        24 => with(Aes192Enc::new_from_slice(key), iv, data, mask),
        32 => with(Aes256Enc::new_from_slice(key), iv, data, mask),
        _ => Err(BadKeyLength),
    }
}

fn with<C: BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>, E>(
    cipher: Result<C, E>,
    iv: &[u8; BLOCK],
    data: &mut [u8],
    mask: impl Fn(&mut [u8], &mut Block),
) -> Result<(), BadKeyLength> {
    let cipher = cipher.map_err(|_| BadKeyLength)?;
    let mut feedback = Block::from(*iv);
    for chunk in data.chunks_mut(BLOCK) {
        cipher.encrypt_block(&mut feedback);
        mask(chunk, &mut feedback);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IV: [u8; BLOCK] = [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
        0x0f,
    ];
    const PLAIN: [u8; 32] = [
        0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17,
        0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf,
        0x8e, 0x51,
    ];

    /// SP 800-38A F.3.13.
    #[test]
    fn the_published_answer_comes_out_and_back() {
        let key = [
            0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf,
            0x4f, 0x3c,
        ];
        let mut data = PLAIN;
        encrypt(&key, &IV, &mut data).unwrap();
        assert_eq!(
            data,
            [
                0x3b, 0x3f, 0xd9, 0x2e, 0xb7, 0x2d, 0xad, 0x20, 0x33, 0x34, 0x49, 0xf8, 0xe8, 0x3c,
                0xfb, 0x4a, 0xc8, 0xa6, 0x45, 0x37, 0xa0, 0xb3, 0xa9, 0x3f, 0xcd, 0xe3, 0xcd, 0xad,
                0x9f, 0x1c, 0xe5, 0x8b,
            ]
        );
        decrypt(&key, &IV, &mut data).unwrap();
        assert_eq!(data, PLAIN);
    }

    #[test]
    fn any_length_of_data_comes_back_and_no_other_length_of_key_is_taken() {
        for key in [&[7; 16][..], &[7; 24], &[7; 32]] {
            for length in 0..40 {
                let plain: Vec<u8> = (0..length).collect();
                let mut data = plain.clone();
                encrypt(key, &IV, &mut data).unwrap();
                assert!(length < 8 || data != plain);
                decrypt(key, &IV, &mut data).unwrap();
                assert_eq!(data, plain);
            }
        }
        assert_eq!(encrypt(&[0; 17], &IV, &mut []), Err(BadKeyLength));
    }
}
