//! Published answers: Skein 1.3 (appendix C, and `skein_golden_kat.txt` for the MAC), Twofish (`ecb_ival.txt`).

use sealtone_crypto::modp::Group;
use sealtone_crypto::skein::Skein512;
use sealtone_crypto::twofish::{BadKeyLength, Twofish};
use sealtone_crypto::{KeyAgreementError, curve3617, hmac};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn skein_hashes_as_in_its_appendix_c() {
    let counting: Vec<u8> = (0..64).map(|i| 0xff - i).collect();
    let cases = [
        (
            &[][..],
            "bc5b4c50925519c290cc634277ae3d6257212395cba733bbad37a4af0fa06af41fca7903d06564fea7a2d3730dbdb80c\
             1f85562dfcc070334ea4d1d9e72cba7a",
        ),
        (
            &[0xff],
            "71b7bce6fe6452227b9ced6014249e5bf9a9754c3ad618ccc4e0aae16b316cc8ca698d864307ed3e80b6ef1570812ac5\
             272dc409b5a012df2a579102f340617a",
        ),
        (
            &counting,
            "45863ba3be0c4dfc27e75d358496f4ac9a736a505d9313b42b2f5eada79fc17f63861e947afb1d056aa199575ad3f8c9\
             a3cc1780b5e5fa4cae050e989876625b",
        ),
    ];
    for (message, digest) in cases {
        assert_eq!(
            Skein512::hash(512).digest(message, &[])[..],
            hex(digest),
            "{} octets",
            message.len()
        );
    }
    assert_eq!(
        Skein512::hash(256).digest(&[], &[])[..32],
        hex("39ccc4554a8b31853b9de7a1fe638a24cce6b35a55f2431009e18780335d2621")
    );
}

const MAC_KEY: &str = "cb41f1706cde09651203c2d0efbaddf847a0d315cb2e53ff8bac41da0002672e920244c66e02d5f0dad3e94c42bb65f0\
                       d14157decf4105ef5609d5b0984457c1935df3061ff06e9f204192ba11e5bb2cac0430c1c370cb3d113fea5ec1021eb8\
                       75e5946d7a96ac69a1626c6206b7252736f24253c9ee9b85eb852dfc814631346c";
const MAC_MESSAGE: &str = "d3090c72167517f7c7ad82a70c2fd3f6443f608301591e598eadb195e8357135ba26fede2ee187417f816048d00fc235\
                           12737a2113709a77e4170c49a94b7fdff45ff579a72287743102e7766c35ca5abc5dfe2f63a1e726ce5fbd2926db03a2\
                           dd18b03fc1508a9aac45eb362440203a323e09edee6324ee2e37b4432c1867ed";

/// Octets of key and message, bits of output, output.
const MACS: [(usize, usize, u16, &str); 11] = [
    (
        129,
        0,
        512,
        "9bd43d2a2fcfa92becb9f69faab3936978f1b865b7e44338fc9c8f16aba949ba340291082834a1fc5aa81649e13d50cd98641a1d\
         0883062bfe2c16d1faa7e3aa",
    ),
    (
        64,
        1,
        512,
        "f0c0a10f031c8fc69cfabcd54154c318b5d6cd95d06b12cf20264402492211ee010d5cecc2dc37fd772afac0596b2bf71e6020ef\
         2dee7c860628b6e643ed9ff6",
    ),
    (
        32,
        8,
        512,
        "0c1f1921253dd8e5c2d4c5f4099f851042d91147892705829161f5fc64d89785226eb6e187068493ee4c78a4b7c0f55a8cbbb1a5\
         982c2daf638fc6a74b16b0d7",
    ),
    (
        65,
        24,
        512,
        "13c170bac1de35e5fb843f65fabecf214a54a6e0458a4ff6ea5df91915468f4efcd371effa8965a9e82c5388d84730490dcf3976\
         af157b8baf550655a5a6ab78",
    ),
    (
        129,
        64,
        512,
        "7690ba61f10e0bba312980b0212e6a9a51b0e9aadfde7ca535754a706e042335b29172aae29d8bad18efaf92d43e6406f3098e25\
         3f41f2931eda5911dc740352",
    ),
    (
        32,
        96,
        512,
        "d10e3ba81855ac087fbf5a3bc1f99b27d05f98ba22441138026225d34a418b93fd9e8dfaf5120757451adabe050d0eb59d271b0f\
         e1bbf04badbcf9ba25a8791b",
    ),
    (65, 128, 160, "5670b226156570dff3efe16661ab86eb24982cdf"),
    (
        129,
        128,
        224,
        "c41b9ff9753e6c0f8ed88866e320535e927fe4da552c289841a920db",
    ),
    (
        129,
        128,
        264,
        "669e770ebe7eacc2b64caaf049923ad297a5b37cfa61c283392d81ccfcb9bbbc09",
    ),
    (
        32,
        128,
        384,
        "dfbf5c1319a1d9d70efb2f1600fbcf694f935907f31d24a16d6cd2fb2d7855a769681766c0a29da778eed346cd1d740f",
    ),
    (
        64,
        128,
        512,
        "04d8cddb0ad931d54d195899a094684344e902286037272890bce98a41813edc37a3cee190a693fcca613ee30049ce7ec2bdff96\
         13f56778a13f8c28a21d167a",
    ),
];

#[test]
fn skein_macs_as_in_its_known_answers() {
    let (key, message) = (hex(MAC_KEY), hex(MAC_MESSAGE));
    for (key_len, len, bits, expected) in MACS {
        let mac = Skein512::mac(&key[..key_len], bits);
        let expected = hex(expected);
        assert_eq!(
            mac.digest(&message[..len], &[])[..expected.len()],
            expected,
            "{len} octets"
        );
        // Wherever the message is cut, the MAC is the same.
        for cut in len.saturating_sub(64)..len {
            let (data, suffix) = message[..len].split_at(cut);
            assert_eq!(
                mac.digest(data, suffix)[..expected.len()],
                expected,
                "{len} cut at {cut}"
            );
        }
    }
}

/// The values of `ecb_ival.txt`: each key is made of the two ciphertexts before it, each plaintext is the ciphertext
/// before it; the 49th ciphertext.
#[test]
fn twofish_encrypts_as_in_the_intermediate_value_test() {
    let cases = [
        (16, "5d9d4eeffa9151575524f115815a12e0"),
        (24, "e75449212beef9f4a390bd860a640941"),
        (32, "37fe26ff1cf66175f5ddf4c33b97a205"),
    ];
    for (key_len, last) in cases {
        let mut key = [0; 32];
        let mut block = [0; 16];
        for _ in 0..49 {
            let cipher = Twofish::new(&key[..key_len]).unwrap();
            let plain = block;
            cipher.encrypt_block(&mut block);
            let head = plain;
            key.copy_within(..16, 16);
            key[..16].copy_from_slice(&head);
        }
        assert_eq!(block[..], hex(last), "{key_len} octets of key");
    }
}

#[test]
fn twofish_encrypts_the_first_blocks_of_the_paper() {
    let key = hex("0123456789abcdeffedcba98765432100011223344556677 8899aabbccddeeff");
    let cases = [
        (&[0; 16][..], "9f589f5cf6122c32b6bfec2f2ae8c35a"),
        (&key[..24], "cfd1d2e5a9be9cdf501f13b892bd2248"),
        (&key[..], "37527be0052334b89f0cfccae87cfa20"),
    ];
    for (key, expected) in cases {
        let mut block = [0; 16];
        Twofish::new(key).unwrap().encrypt_block(&mut block);
        assert_eq!(block[..], hex(expected));
    }
}

#[test]
fn cfb_comes_back_at_every_length_and_chains_the_ciphertext() {
    let cipher = Twofish::new(&[7; 24]).unwrap();
    let plain: Vec<u8> = (0..100).collect();
    for len in 0..plain.len() {
        let mut data = plain[..len].to_vec();
        cipher.encrypt_cfb(&[9; 16], &mut data);
        if len >= 32 {
            let mut mask: [u8; 16] = data[..16].try_into().unwrap();
            cipher.encrypt_block(&mut mask);
            let second: Vec<u8> = mask
                .iter()
                .zip(&plain[16..32])
                .map(|(a, b)| a ^ b)
                .collect();
            assert_eq!(data[16..32], second);
        }
        cipher.decrypt_cfb(&[9; 16], &mut data);
        assert_eq!(data, plain[..len]);
    }
}

#[test]
fn twofish_refuses_keys_of_other_lengths() {
    for len in (0..40).filter(|len| ![16, 24, 32].contains(len)) {
        assert_eq!(Twofish::new(&vec![0; len]).err(), Some(BadKeyLength));
    }
}

#[test]
fn both_sides_of_a_key_agreement_come_to_the_same_secret() {
    for group in [Group::Modp2048, Group::Modp3072] {
        for len in [32, 48, 64] {
            let (a, b) = (vec![0xa5; len], vec![0x3c; len]);
            let (public_a, public_b) = (group.public(&a).unwrap(), group.public(&b).unwrap());
            let secret = group.shared(&a, &public_b).unwrap();
            assert_eq!(secret.len(), group.value_len());
            assert_eq!(*secret, *group.shared(&b, &public_a).unwrap());
        }
    }
    let (a, b) = ([0xa5; 52], [0x3c; 52]);
    let (public_a, public_b) = (
        curve3617::public(&a).unwrap(),
        curve3617::public(&b).unwrap(),
    );
    assert_eq!(
        *curve3617::shared(&a, &public_b).unwrap(),
        *curve3617::shared(&b, &public_a).unwrap()
    );
}

#[test]
fn private_keys_of_other_lengths_and_zero_are_refused() {
    for bad in [&[][..], &[1; 31], &[1; 65], &[0; 32], &[0; 64]] {
        assert_eq!(
            Group::Modp2048.public(bad),
            Err(KeyAgreementError::BadPrivateKey)
        );
    }
    let mut cleared = [0; 52];
    cleared[0] = 0xc0;
    cleared[51] = 7;
    for bad in [&[1; 51][..], &[1; 53], &cleared] {
        assert_eq!(
            curve3617::public(bad),
            Err(KeyAgreementError::BadPrivateKey)
        );
    }
}

#[test]
fn hmac_gives_the_second_and_sixth_answers_of_rfc_4231() {
    let (key, data) = (b"Jefe", b"what do ya want for nothing?");
    assert_eq!(
        hmac::sha256(key, data)[..],
        hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    );
    assert_eq!(
        hmac::sha384(key, data)[..],
        hex(
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
        )
    );
    let long = [0xaa; 131];
    let data = b"Test Using Larger Than Block-Size Key - Hash Key First";
    assert_eq!(
        hmac::sha256(&long, data)[..],
        hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    );
    assert_eq!(
        hmac::sha384(&long, data)[..],
        hex(
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952"
        )
    );
}
