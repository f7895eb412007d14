//! Diffie-Hellman on Curve3617 (GNU ZRTP's E414): x^2 + y^2 = 1 + 3617 x^2 y^2 modulo 2^414 - 17.
//!
//! Points travel as x and y, 52 octets each, big-endian; the shared secret is x. Private keys are cleared in their
//! lowest three bits, for the cofactor of eight, and cut to 414 bits, as GNU ZRTP does.

use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{CtAssign, CtEq, U448, const_monty_params};
use zeroize::{Zeroize, Zeroizing};

use crate::KeyAgreementError;

/// Length of private keys and of shared secrets in octets.
pub const PRIVATE_LEN: usize = 52;

/// Length of public values in octets.
pub const PUBLIC_LEN: usize = 2 * PRIVATE_LEN;

const_monty_params!(
    Prime,
    U448,
    "000000003fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffef",
    "2^414 - 17"
);

type Element = ConstMontyForm<Prime, { U448::LIMBS }>;

const D: Element = Element::new(&U448::from_u64(3617));
const BASE: Point = Point {
    x: Element::new(&U448::from_be_hex(
        "000000001a334905141443300218c0631c326e5fcd46369f44c03ec7f57ff35498a4ab4d6d6ba111301a73faa8537c64c4fd3812f3cbc595",
    )),
    y: Element::new(&U448::from_u64(34)),
    z: Element::ONE,
};

const WINDOW: u32 = 4;
const WINDOWS: u32 = 414_u32.div_ceil(WINDOW);

/// The public value for `private`.
///
/// # Errors
/// [`KeyAgreementError::BadPrivateKey`] when `private` has not 52 octets, or is zero once its bits are cleared.
pub fn public(private: &[u8]) -> Result<[u8; PUBLIC_LEN], KeyAgreementError> {
    let scalar = read_private(private)?;
    Ok(*BASE.multiply(&scalar).into_octets())
}

/// The shared secret of `private` and the peer's public value.
///
/// # Errors
/// [`KeyAgreementError::BadPrivateKey`] as for [`public`]; [`KeyAgreementError::BadPublicKey`] when `peer_public` has
/// not 104 octets, a coordinate is not below the prime, or the point is not on the curve or of small order.
pub fn shared(
    private: &[u8],
    peer_public: &[u8],
) -> Result<Zeroizing<[u8; PRIVATE_LEN]>, KeyAgreementError> {
    let scalar = read_private(private)?;
    let peer = read_point(peer_public)?;
    let octets = peer.multiply(&scalar).into_octets();
    let mut x = Zeroizing::new([0; PRIVATE_LEN]);
    x.copy_from_slice(&octets[..PRIVATE_LEN]);
    Ok(x)
}

fn read_private(private: &[u8]) -> Result<Zeroizing<U448>, KeyAgreementError> {
    if private.len() != PRIVATE_LEN {
        return Err(KeyAgreementError::BadPrivateKey);
    }
    let mut clamped = Zeroizing::new([0; PRIVATE_LEN]);
    clamped.copy_from_slice(private);
    clamped[0] &= 0x3f;
    clamped[PRIVATE_LEN - 1] &= !7;
    let scalar = Zeroizing::new(read(&*clamped));
    if bool::from(scalar.ct_eq(&U448::ZERO)) {
        return Err(KeyAgreementError::BadPrivateKey);
    }
    Ok(scalar)
}

fn read_point(public: &[u8]) -> Result<Point, KeyAgreementError> {
    if public.len() != PUBLIC_LEN {
        return Err(KeyAgreementError::BadPublicKey);
    }
    let (x, y) = public.split_at(PRIVATE_LEN);
    let (x, y) = (read(x), read(y));
    if x >= *Element::MODULUS.as_ref() || y >= *Element::MODULUS.as_ref() {
        return Err(KeyAgreementError::BadPublicKey);
    }
    let point = Point {
        x: Element::new(&x),
        y: Element::new(&y),
        z: Element::ONE,
    };
    let (xx, yy) = (point.x.square(), point.y.square());
    if xx + yy != Element::ONE + D * xx * yy {
        return Err(KeyAgreementError::BadPublicKey);
    }
    // The points whose order divides the cofactor come to the neutral point when doubled three times.
    let eightfold = point.double().double().double();
    if eightfold.x == Element::ZERO && eightfold.y == eightfold.z {
        return Err(KeyAgreementError::BadPublicKey);
    }
    Ok(point)
}

fn read(octets: &[u8]) -> U448 {
    let mut padded = Zeroizing::new([0; 56]);
    padded[56 - PRIVATE_LEN..].copy_from_slice(octets);
    U448::from_be_slice(&*padded)
}

fn write(value: &Element, out: &mut [u8]) {
    let number = Zeroizing::new(value.retrieve());
    let mut padded = Zeroizing::new([0; 56]);
    for (octets, word) in padded
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(number.as_words().iter().rev())
    {
        *octets = word.to_be_bytes();
    }
    out.copy_from_slice(&padded[56 - PRIVATE_LEN..]);
}

/// A point in projective coordinates: (x/z, y/z).
#[derive(Clone, Copy)]
struct Point {
    x: Element,
    y: Element,
    z: Element,
}

impl Point {
    const NEUTRAL: Self = Self {
        x: Element::ZERO,
        y: Element::ONE,
        z: Element::ONE,
    };

    /// The complete addition of Bernstein and Lange (EFD add-2007-bl), good for any two points: 3617 is not a square.
    fn add(&self, other: &Self) -> Self {
        let a = self.z * other.z;
        let b = a.square();
        let c = self.x * other.x;
        let d = self.y * other.y;
        let e = D * c * d;
        let f = b - e;
        let g = b + e;
        let cross = (self.x + self.y) * (other.x + other.y) - c - d;
        Self {
            x: a * f * cross,
            y: a * g * (d - c),
            z: f * g,
        }
    }

    /// EFD dbl-2007-bl.
    fn double(&self) -> Self {
        let b = (self.x + self.y).square();
        let c = self.x.square();
        let d = self.y.square();
        let e = c + d;
        let h = self.z.square();
        let j = e - h - h;
        Self {
            x: (b - e) * j,
            y: e * (c - d),
            z: e * j,
        }
    }

    /// `scalar` times this point, in the same time for every scalar of 414 bits.
    fn multiply(&self, scalar: &U448) -> Self {
        let mut multiples = [Self::NEUTRAL; 1 << WINDOW];
        for i in 1..multiples.len() {
            multiples[i] = multiples[i - 1].add(self);
        }
        let words = scalar.as_words();
        let mut result = Self::NEUTRAL;
        for window in (0..WINDOWS).rev() {
            for _ in 0..WINDOW {
                result = result.double();
            }
            let bit = WINDOW * window;
            let wanted = words[bit as usize / 64] >> (bit % 64) & ((1 << WINDOW) - 1);
            let mut multiple = Self::NEUTRAL;
            for (candidate, i) in multiples.iter().zip(0_u64..) {
                let hit = i.ct_eq(&wanted);
                multiple.x.ct_assign(&candidate.x, hit);
                multiple.y.ct_assign(&candidate.y, hit);
                multiple.z.ct_assign(&candidate.z, hit);
            }
            result = result.add(&multiple);
        }
        result
    }

    /// The octets of x and of y, and an end to this point.
    fn into_octets(mut self) -> Zeroizing<[u8; PUBLIC_LEN]> {
        // z is never zero: the addition is complete.
        let inverse = self.z.invert().unwrap_or(Element::ZERO);
        self.x *= inverse;
        self.y *= inverse;
        let mut octets = Zeroizing::new([0; PUBLIC_LEN]);
        let (x, y) = octets.split_at_mut(PRIVATE_LEN);
        write(&self.x, x);
        write(&self.y, y);
        self.x.zeroize();
        self.y.zeroize();
        self.z.zeroize();
        octets
    }
}
