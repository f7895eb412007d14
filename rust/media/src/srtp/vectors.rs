//! Known answers that need the session keys, or are easiest to check against them: RFC 3711 B.2 and B.3, RFC 6188
//! section 7, RFC 7714 sections 16 and 17.

use super::cipher::BlockCipher;
use super::kdf::{Master, SessionKeys, Stream};
use super::transform::{GcmTransform, Position, Transform, rtcp_index};
use super::{SrtpError, Suite, ZrtpCipher, ZrtpTag};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn keystream(key: &str, counter: &str, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let counter = u128::from_be_bytes(hex(counter).try_into().unwrap());
    let key = hex(key);
    match key.len() {
        16 => Aes128Enc::new(&key)
            .unwrap()
            .xor_keystream(counter, &mut out),
        24 => Aes192Enc::new(&key)
            .unwrap()
            .xor_keystream(counter, &mut out),
        _ => Aes256Enc::new(&key)
            .unwrap()
            .xor_keystream(counter, &mut out),
    }
    out
}

#[test]
fn aes_128_counter_mode_gives_the_keystream_of_rfc_3711_b2() {
    let start = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000";
    let out = keystream("2B7E151628AED2A6ABF7158809CF4F3C", start, 0xff02 * 16);
    assert_eq!(
        out[..48],
        hex(
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"
        )
    );
    assert_eq!(
        out[0xfeff * 16..],
        hex(
            "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44"
        )
    );
}

#[test]
fn aes_256_counter_mode_gives_the_keystream_of_rfc_6188_7_1() {
    let key = "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98";
    let start = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000";
    let out = keystream(key, start, 0xff02 * 16);
    assert_eq!(
        out[..48],
        hex(
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31"
        )
    );
    assert_eq!(
        out[0xfeff * 16..],
        hex(
            "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d 6eb246913062a16891433e97dd01a57f"
        )
    );
}

#[test]
fn aes_192_counter_mode_gives_the_keystream_of_rfc_6188_7_3() {
    let key = "eab234764e517b2d3d160d587d8c8621 9740f65f99b6bcf7";
    let start = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000";
    assert_eq!(
        keystream(key, start, 48),
        hex(
            "35096cba4610028dc1b57503804ce37c 5de986291dcce161d5165ec4568f5c9a 474a40c77894bc17180202272a4c264d"
        )
    );
}

fn check_keys(suite: Suite, keys: &SessionKeys, cipher_key: &str, auth: &str, salt: &str) {
    assert_eq!(
        keys.cipher_key[..suite.key_len()],
        hex(cipher_key),
        "cipher key"
    );
    assert_eq!(keys.auth_key[..suite.auth_key_len()], hex(auth), "auth key");
    assert_eq!(keys.salt[..suite.salt_len()], hex(salt), "salt");
}

#[test]
fn keys_derive_as_in_rfc_3711_b3() {
    let suite = Suite::AesCm128HmacSha1_80;
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let master = Master::new(suite, &key, &hex("0EC675AD498AFEEBB6960B3AABE6")).unwrap();
    check_keys(
        suite,
        &master.session_keys::<Aes128Enc>(Stream::Rtp).unwrap(),
        "C61E7A93744F39EE10734AFE3FF7A087",
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
        "30CBBC08863D8C85D49DB34A9AE1",
    );
}

#[test]
fn keys_derive_as_in_rfc_6188_7_2() {
    let suite = Suite::AesCm256HmacSha1_80;
    let key = hex("f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6");
    let master = Master::new(suite, &key, &hex("3b04803de51ee7c96423ab5b78d2")).unwrap();
    check_keys(
        suite,
        &master.session_keys::<Aes256Enc>(Stream::Rtp).unwrap(),
        "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4",
        "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        "fa31791685ca444a9e07c6c64e93",
    );
}

#[test]
fn keys_derive_as_in_rfc_6188_7_4() {
    let suite = Suite::Zrtp(ZrtpCipher::Aes192, ZrtpTag::Hs80);
    let key = hex("73edc66c4fa15776fb57f9505c171365 50ffda71f3e8e5f1");
    let master = Master::new(suite, &key, &hex("c8522f3acd4ce86d5add78edbb11")).unwrap();
    check_keys(
        suite,
        &master.session_keys::<Aes192Enc>(Stream::Rtp).unwrap(),
        "31874736a8f1143870c26e4857d8a5b2 c4a354407faadabb",
        "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
        "2372b82d639b6d8503a47adc0a6c",
    );
}

const GCM_SALT: &str = "51756964 2070726f 2071756f";
const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn gcm(key: &str) -> Box<dyn Transform> {
    let key = hex(key);
    let mut salt = [0; 16];
    salt[..12].copy_from_slice(&hex(GCM_SALT));
    let salt = u128::from_be_bytes(salt);
    if key.len() == 16 {
        Box::new(GcmTransform::new(Aes128Enc::new(&key).unwrap(), salt))
    } else {
        Box::new(GcmTransform::new(Aes256Enc::new(&key).unwrap(), salt))
    }
}

#[test]
fn gcm_protects_rtp_as_in_rfc_7714_16() {
    let header = "8040f17b 8041f8d3 5501a0b2";
    let plain = hex(&format!(
        "{header} 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573"
    ));
    let cases = [
        (
            KEY_128,
            "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833
             899d7f27 beb16a91 52cf765e e4390cce",
        ),
        (
            KEY_256,
            "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b
             7aa3db36 dfffd6b0 f9bb7878 d7a76c13",
        ),
    ];
    for (key, sealed) in cases {
        let at = Position {
            ssrc: 0x5501_a0b2,
            index: 0xf17b,
        };
        let expected = [hex(header), hex(sealed)].concat();
        let mut packet = plain.clone();
        packet.resize(plain.len() + 16, 0);
        assert_eq!(
            gcm(key).seal_rtp(at, 12, &mut packet, plain.len(), 16),
            expected.len()
        );
        assert_eq!(packet, expected);
        assert_eq!(gcm(key).open_rtp(at, 12, &mut packet, 16), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

#[test]
fn gcm_protects_rtcp_as_in_rfc_7714_17() {
    let header = "81c8000d 4d617273";
    let plain = hex(&format!(
        "{header} 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
         deadbeef deadbeef deadbeef deadbeef deadbeef"
    ));
    let cases = [
        (
            KEY_128,
            "63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded
             0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        ),
        (
            KEY_256,
            "d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047
             6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
        ),
    ];
    for (key, sealed) in cases {
        let at = Position {
            ssrc: 0x4d61_7273,
            index: 0x5d4,
        };
        let expected = [hex(header), hex(sealed)].concat();
        let mut packet = plain.clone();
        packet.resize(plain.len() + 20, 0);
        assert_eq!(
            gcm(key).seal_rtcp(at, &mut packet, plain.len(), 16),
            expected.len()
        );
        assert_eq!(packet, expected);
        assert_eq!(rtcp_index(Suite::AeadAes128Gcm, &packet, 16), Ok(0x5d4));
        assert_eq!(gcm(key).open_rtcp(at, &mut packet, 16), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

#[test]
fn gcm_refuses_a_wrong_tag_and_leaves_the_packet_alone() {
    let at = Position { ssrc: 1, index: 2 };
    let mut packet = vec![0x80; 400];
    let len = gcm(KEY_256).seal_rtp(at, 12, &mut packet, 384, 16);
    packet[len - 1] ^= 1;
    let before = packet.clone();
    assert_eq!(
        gcm(KEY_256).open_rtp(at, 12, &mut packet, 16),
        Err(SrtpError::NotAuthentic)
    );
    assert_eq!(packet, before);
}
