//! Diffie-Hellman in the 2048-bit and 3072-bit groups of RFC 3526 (ZRTP's DH2k and DH3k).
//!
//! Exponents are short, as RFC 6189 section 5.1.5 has it: twice as long as the key of the cipher that was agreed on.
//! That is as strong in these groups and several times faster. The generator is the same for ever, so its powers are
//! kept in a comb, which leaves a public value a third of the work that a shared secret takes.

use std::sync::LazyLock;

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{CtAssign, CtEq, U512, U2048, U3072, Uint, const_monty_params};
use zeroize::{Zeroize, Zeroizing};

use crate::KeyAgreementError;

/// Lengths of a private exponent in octets.
pub const PRIVATE_LEN: core::ops::RangeInclusive<usize> = 32..=EXPONENT_LEN;

const EXPONENT_LEN: usize = 64;

/// One of the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Group 14 (DH2k).
    Modp2048,
    /// Group 15 (DH3k).
    Modp3072,
}

const_monty_params!(
    Prime2048,
    U2048,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
     ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
     ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
     83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
     e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
     15728e5a8aacaa68ffffffffffffffff",
    "The prime of RFC 3526 section 3."
);

const_monty_params!(
    Prime3072,
    U3072,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
     ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
     ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
     83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
     e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
     15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7\
     abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c\
     bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff",
    "The prime of RFC 3526 section 4."
);

impl Group {
    /// Length of public values and of shared secrets in octets.
    #[must_use]
    pub const fn value_len(self) -> usize {
        match self {
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
        }
    }

    /// The public value `2^private`, big-endian, with leading zeros.
    ///
    /// # Errors
    /// [`KeyAgreementError::BadPrivateKey`] when `private`, big-endian, has not 32 to 64 octets or is zero.
    pub fn public(self, private: &[u8]) -> Result<Vec<u8>, KeyAgreementError> {
        static COMB_2048: LazyLock<Comb<Prime2048, { U2048::LIMBS }>> = LazyLock::new(Comb::new);
        static COMB_3072: LazyLock<Comb<Prime3072, { U3072::LIMBS }>> = LazyLock::new(Comb::new);
        let exponent = read_private(private)?;
        Ok(match self {
            Self::Modp2048 => octets(&COMB_2048.power(&exponent)),
            Self::Modp3072 => octets(&COMB_3072.power(&exponent)),
        })
    }

    /// The shared secret `peer_public^private`, big-endian, with leading zeros.
    ///
    /// # Errors
    /// [`KeyAgreementError::BadPrivateKey`] as for [`Self::public`]; [`KeyAgreementError::BadPublicKey`] when
    /// `peer_public` is not as long as the group's values are or not within 2 and p - 2 (RFC 6189 section 4.4.1.1).
    pub fn shared(
        self,
        private: &[u8],
        peer_public: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyAgreementError> {
        let exponent = read_private(private)?;
        let bits = 8 * private.len() as u32;
        if peer_public.len() != self.value_len() {
            return Err(KeyAgreementError::BadPublicKey);
        }
        match self {
            Self::Modp2048 => power::<Prime2048, { U2048::LIMBS }>(
                U2048::from_be_slice(peer_public),
                &exponent,
                bits,
            ),
            Self::Modp3072 => power::<Prime3072, { U3072::LIMBS }>(
                U3072::from_be_slice(peer_public),
                &exponent,
                bits,
            ),
        }
    }
}

fn read_private(private: &[u8]) -> Result<Zeroizing<U512>, KeyAgreementError> {
    if !PRIVATE_LEN.contains(&private.len()) {
        return Err(KeyAgreementError::BadPrivateKey);
    }
    let mut padded = Zeroizing::new([0; EXPONENT_LEN]);
    padded[EXPONENT_LEN - private.len()..].copy_from_slice(private);
    let exponent = Zeroizing::new(U512::from_be_slice(&*padded));
    if bool::from(exponent.ct_eq(&U512::ZERO)) {
        return Err(KeyAgreementError::BadPrivateKey);
    }
    Ok(exponent)
}

fn power<P: ConstMontyParams<LIMBS>, const LIMBS: usize>(
    public: Uint<LIMBS>,
    exponent: &U512,
    bits: u32,
) -> Result<Zeroizing<Vec<u8>>, KeyAgreementError> {
    let last = P::PARAMS.modulus().as_ref().wrapping_sub(&Uint::ONE);
    if public <= Uint::ONE || public >= last {
        return Err(KeyAgreementError::BadPublicKey);
    }
    let mut result = ConstMontyForm::<P, LIMBS>::new(&public).pow_bounded_exp(exponent, bits);
    let secret = Zeroizing::new(octets(&result));
    result.zeroize();
    Ok(secret)
}

fn octets<P: ConstMontyParams<LIMBS>, const LIMBS: usize>(
    value: &ConstMontyForm<P, LIMBS>,
) -> Vec<u8> {
    let number = Zeroizing::new(value.retrieve());
    let mut octets = Vec::with_capacity(8 * LIMBS);
    for word in number.as_words().iter().rev() {
        octets.extend_from_slice(&word.to_be_bytes());
    }
    octets
}

/// Bits of the exponent that the comb takes at once, and how far they lie apart.
const TEETH: usize = 5;
const SPACING: usize = (8 * EXPONENT_LEN).div_ceil(TEETH);

/// The products of `2^(2^(i * SPACING))` for every subset of the teeth i (Lim and Lee's method).
struct Comb<P: ConstMontyParams<LIMBS>, const LIMBS: usize> {
    products: [ConstMontyForm<P, LIMBS>; 1 << TEETH],
}

impl<P: ConstMontyParams<LIMBS>, const LIMBS: usize> Comb<P, LIMBS> {
    fn new() -> Self {
        let mut tooth = ConstMontyForm::ONE + ConstMontyForm::ONE;
        let mut products = [ConstMontyForm::ONE; 1 << TEETH];
        for i in 0..TEETH {
            let (done, rest) = products.split_at_mut(1 << i);
            for (product, before) in rest.iter_mut().zip(done) {
                *product = *before * tooth;
            }
            for _ in 0..SPACING {
                tooth = tooth.square();
            }
        }
        Self { products }
    }

    fn power(&self, exponent: &U512) -> ConstMontyForm<P, LIMBS> {
        let words = exponent.as_words();
        let mut result = ConstMontyForm::ONE;
        for place in (0..SPACING).rev() {
            let mut subset = 0;
            for i in (0..TEETH).rev() {
                let bit = place + i * SPACING;
                let word = words.get(bit / 64).copied().unwrap_or(0);
                subset = subset << 1 | (word >> (bit % 64) & 1);
            }
            // Every product is read, so that the cache does not tell which was wanted.
            let mut product = self.products[0];
            for (candidate, i) in self.products.iter().zip(0_u64..) {
                product.ct_assign(candidate, i.ct_eq(&subset));
            }
            result = result.square() * product;
        }
        result
    }
}
