//! SRTP on single packets, for our own phone and for tests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::create_exception;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sealtone_media::srtp::{self, MAX_RTCP_TRAILER, SrtpReceiver, SrtpSender};

use crate::{MediaError, parse_suite};

create_exception!(
    sealtone.media,
    SrtpError,
    MediaError,
    "A packet was not protected, or not let through."
);

/// SRTP and SRTCP under one master key: use one for each direction.
#[pyclass(frozen, module = "sealtone.media._engine")]
pub struct Srtp {
    suite: &'static str,
    contexts: Mutex<(SrtpSender, SrtpReceiver)>,
}

fn to_exception(error: srtp::SrtpError) -> PyErr {
    SrtpError::new_err(error.to_string())
}

impl Srtp {
    fn contexts(&self) -> MutexGuard<'_, (SrtpSender, SrtpReceiver)> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs an operation in place on a copy of `packet` with room to grow.
fn on_copy<'py>(
    py: Python<'py>,
    packet: &[u8],
    operation: impl FnOnce(&mut [u8], usize) -> Result<usize, srtp::SrtpError>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_RTCP_TRAILER, 0);
    let length = operation(&mut buffer, packet.len()).map_err(to_exception)?;
    Ok(PyBytes::new(py, &buffer[..length]))
}

#[pymethods]
impl Srtp {
    #[new]
    fn new(suite: &str, key: &[u8], salt: &[u8]) -> PyResult<Self> {
        let suite = parse_suite(suite)?;
        let sender = SrtpSender::new(suite, key, salt).map_err(to_exception)?;
        let receiver = SrtpReceiver::new(suite, key, salt).map_err(to_exception)?;
        Ok(Self {
            suite: suite.name(),
            contexts: Mutex::new((sender, receiver)),
        })
    }

    #[getter]
    fn suite(&self) -> &'static str {
        self.suite
    }

    fn protect_rtp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        on_copy(py, packet, |buffer, length| {
            self.contexts().0.protect(buffer, length)
        })
    }

    fn unprotect_rtp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        on_copy(py, packet, |buffer, length| {
            self.contexts().1.unprotect(buffer, length)
        })
    }

    fn protect_rtcp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        on_copy(py, packet, |buffer, length| {
            self.contexts().0.protect_rtcp(buffer, length)
        })
    }

    fn unprotect_rtcp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        on_copy(py, packet, |buffer, length| {
            self.contexts().1.unprotect_rtcp(buffer, length)
        })
    }

    fn __repr__(&self) -> String {
        format!("Srtp({:?})", self.suite)
    }
}
