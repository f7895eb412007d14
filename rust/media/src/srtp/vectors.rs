//! Known answers that need the session keys, or are easiest to check against them: RFC 3711 B.2 and B.3, RFC 6188
//! section 7, RFC 7714 sections 16 and 17.

use super::cipher::BlockCipher;

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
    BlockCipher::aes(&hex(key))
        .unwrap()
        .xor_keystream(counter, &mut out);
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
