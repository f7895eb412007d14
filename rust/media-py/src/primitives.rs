//! The primitives that the ZRTP of our own needs and Python's `cryptography` lacks.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sealtone_crypto::modp::Group;
use sealtone_crypto::skein::Skein512;
use sealtone_crypto::twofish::Twofish;
use sealtone_crypto::{KeyAgreementError, aes_cfb as cfb, curve3617, hmac};
use zeroize::Zeroizing;

fn to_exception(error: KeyAgreementError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn unknown(what: &str, name: &str) -> PyErr {
    PyValueError::new_err(format!("unknown {what}: {name:?}"))
}

fn digest_len(name: &str) -> PyResult<u16> {
    match name {
        "SKN2" => Ok(32),
        "SKN3" => Ok(48),
        "Skein-512" => Ok(64),
        _ => Err(unknown("hash", name)),
    }
}

#[pyfunction]
pub fn zrtp_hash<'py>(py: Python<'py>, name: &str, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let len = digest_len(name)?;
    let digest = Skein512::hash(8 * len).digest(data, &[]);
    Ok(PyBytes::new(py, &digest[..usize::from(len)]))
}

#[pyfunction]
pub fn zrtp_mac<'py>(
    py: Python<'py>,
    name: &str,
    key: &[u8],
    data: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    match name {
        "S256" => return Ok(PyBytes::new(py, &*Zeroizing::new(hmac::sha256(key, data)))),
        "S384" => return Ok(PyBytes::new(py, &*Zeroizing::new(hmac::sha384(key, data)))),
        _ => {}
    }
    let len = digest_len(name)?;
    let mac = Zeroizing::new(Skein512::mac(key, 8 * len).digest(data, &[]));
    Ok(PyBytes::new(py, &mac[..usize::from(len)]))
}

#[pyfunction]
pub fn aes_cfb<'py>(
    py: Python<'py>,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
    encrypt: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let iv = iv
        .try_into()
        .map_err(|_| PyValueError::new_err("an AES IV has 16 bytes"))?;
    let mut out = Zeroizing::new(data.to_vec());
    let done = if encrypt {
        cfb::encrypt(key, iv, &mut out)
    } else {
        cfb::decrypt(key, iv, &mut out)
    };
    done.map_err(|_| PyValueError::new_err("an AES key has 16, 24 or 32 bytes"))?;
    Ok(PyBytes::new(py, &out))
}

#[pyfunction]
pub fn twofish_cfb<'py>(
    py: Python<'py>,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
    encrypt: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let cipher = Twofish::new(key)
        .map_err(|_| PyValueError::new_err("a Twofish key has 16, 24 or 32 bytes"))?;
    let iv = iv
        .try_into()
        .map_err(|_| PyValueError::new_err("a Twofish IV has 16 bytes"))?;
    let mut out = Zeroizing::new(data.to_vec());
    if encrypt {
        cipher.encrypt_cfb(iv, &mut out);
    } else {
        cipher.decrypt_cfb(iv, &mut out);
    }
    Ok(PyBytes::new(py, &out))
}

#[pyfunction]
pub fn crc32c<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &sealtone_crypto::crc32c::crc32c(data).to_le_bytes())
}

#[pyfunction]
pub fn dh_public<'py>(
    py: Python<'py>,
    name: &str,
    private: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let public = py.detach(|| match name {
        "DH2k" => Group::Modp2048.public(private).map_err(to_exception),
        "DH3k" => Group::Modp3072.public(private).map_err(to_exception),
        "E414" => curve3617::public(private)
            .map(Vec::from)
            .map_err(to_exception),
        _ => Err(unknown("key agreement", name)),
    })?;
    Ok(PyBytes::new(py, &public))
}

#[pyfunction]
pub fn dh_shared<'py>(
    py: Python<'py>,
    name: &str,
    private: &[u8],
    peer_public: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let secret = py.detach(|| match name {
        "DH2k" => Group::Modp2048
            .shared(private, peer_public)
            .map_err(to_exception),
        "DH3k" => Group::Modp3072
            .shared(private, peer_public)
            .map_err(to_exception),
        "E414" => curve3617::shared(private, peer_public)
            .map(|x| Zeroizing::new(x.to_vec()))
            .map_err(to_exception),
        _ => Err(unknown("key agreement", name)),
    })?;
    Ok(PyBytes::new(py, &secret))
}
