//! The Python module of the media core: `sealtone.media._engine`.
//!
//! A thin skin: it turns Python's arguments into those of `sealtone_media::engine::Engine` and its
//! errors into exceptions. Wherever a call may wait, other Python threads run meanwhile.

mod formats;
mod primitives;
mod sip_head;
mod srtp;
mod stats;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sealtone_codec_protocol::RecordingFormat;
use sealtone_media::demux::Kind;
use sealtone_media::engine::{self, EngineError, Key, LegPlan};
use sealtone_media::event::What;
use sealtone_media::srtp::Suite;

use crate::formats::{FormatArguments, parse_formats};
use crate::stats::{EngineStats, LegStats};

create_exception!(
    sealtone.media,
    MediaError,
    PyException,
    "The media engine could not do what was asked."
);
create_exception!(
    sealtone.media,
    PortsExhausted,
    MediaError,
    "No media port or socket is to be had."
);
create_exception!(
    sealtone.media,
    UnknownLeg,
    MediaError,
    "There is no such call or leg, or it is closed."
);
create_exception!(
    sealtone.media,
    EngineStopped,
    MediaError,
    "The media engine has been stopped."
);
create_exception!(
    sealtone.media,
    EngineBusy,
    MediaError,
    "A media worker has not taken commands for a second."
);
create_exception!(
    sealtone.media,
    NoCodecs,
    MediaError,
    "Nothing can be heard, played or recorded through codecs here; the text says why."
);

/// A host and a port, as Python gives them.
type Address = (String, u16);
/// Suite name, master key, master salt.
type KeyArguments = (String, Vec<u8>, Vec<u8>);
/// Leg, kind of event, address, datagram, numbers, text.
type EventTuple = (
    u64,
    &'static str,
    Option<Address>,
    Option<Py<PyBytes>>,
    (u64, u64),
    String,
);

fn to_exception(error: EngineError) -> PyErr {
    let text = error.to_string();
    match error {
        EngineError::Unknown => UnknownLeg::new_err(text),
        EngineError::Ports(_) => PortsExhausted::new_err(text),
        EngineError::Stopped => EngineStopped::new_err(text),
        EngineError::NoCodecs(_) => NoCodecs::new_err(text),
        EngineError::Busy => EngineBusy::new_err(text),
        EngineError::Key(_) | EngineError::Invalid(_) | EngineError::ForeignLeg => {
            PyValueError::new_err(text)
        }
        EngineError::Start(_) => MediaError::new_err(text),
    }
}

fn parse_ip(text: &str) -> PyResult<IpAddr> {
    text.parse()
        .map_err(|_| PyValueError::new_err(format!("not an IP address: {text:?}")))
}

fn parse_address(address: Option<Address>) -> PyResult<Option<SocketAddr>> {
    address
        .map(|(ip, port)| Ok(SocketAddr::new(parse_ip(&ip)?, port)))
        .transpose()
}

fn parse_suite(name: &str) -> PyResult<Suite> {
    Suite::from_name(name)
        .ok_or_else(|| PyValueError::new_err(format!("unknown SRTP suite: {name:?}")))
}

fn parse_key(key: Option<&KeyArguments>) -> PyResult<Option<Key<'_>>> {
    key.map(|(suite, key, salt)| {
        Ok(Key {
            suite: parse_suite(suite)?,
            key,
            salt,
        })
    })
    .transpose()
}

fn micros(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e6) as u64
}

/// The media engine: its worker threads, its ports, its calls.
#[pyclass(frozen, module = "sealtone.media._engine")]
struct Engine {
    inner: engine::Engine,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, workers, cpus, port_min, port_max, tick_us, coalesce_pps, pool_size, quarantine_s,
                        receive_buffer, dscp, silence_s, local_ips, codec_process))]
    #[allow(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python constructor"
    )]
    fn new(
        py: Python<'_>,
        workers: usize,
        cpus: Vec<usize>,
        port_min: u16,
        port_max: u16,
        tick_us: u64,
        coalesce_pps: u64,
        pool_size: usize,
        quarantine_s: f64,
        receive_buffer: usize,
        dscp: u8,
        silence_s: f64,
        local_ips: Vec<String>,
        codec_process: Option<PathBuf>,
    ) -> PyResult<Self> {
        let config = engine::EngineConfig {
            workers,
            cpus,
            port_min,
            port_max,
            tick: tick_us,
            coalesce_pps,
            stock: pool_size,
            quarantine: micros(quarantine_s),
            receive_buffer,
            dscp,
            silence: micros(silence_s),
            local_ips: local_ips
                .iter()
                .map(|ip| parse_ip(ip))
                .collect::<PyResult<_>>()?,
            codec_process,
        };
        let inner = py
            .detach(|| engine::Engine::start(&config))
            .map_err(to_exception)?;
        Ok(Self { inner })
    }

    fn event_fd(&self) -> i32 {
        self.inner.event_descriptor().as_raw_fd()
    }

    fn events(&self, py: Python<'_>) -> Vec<EventTuple> {
        self.inner
            .events()
            .into_iter()
            .map(|event| event_tuple(py, event.leg, event.what))
            .collect()
    }

    fn open_call(&self) -> PyResult<u64> {
        self.inner.open_call().map_err(to_exception)
    }

    fn open_leg(&self, py: Python<'_>, call: u64, local_ip: &str) -> PyResult<(u64, u16, u16)> {
        let ip = parse_ip(local_ip)?;
        let leg = py
            .detach(|| self.inner.open_leg(call, ip))
            .map_err(to_exception)?;
        Ok((leg.id, leg.rtp_port, leg.rtcp_port))
    }

    fn move_leg(&self, py: Python<'_>, leg: u64, call: u64) -> PyResult<()> {
        py.detach(|| self.inner.move_leg(leg, call))
            .map_err(to_exception)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the fields of one plan, without a Python object to take apart"
    )]
    fn update_leg(
        &self,
        py: Python<'_>,
        leg: u64,
        remote: Option<Address>,
        remote_rtcp: Option<Address>,
        signalling_ip: Option<&str>,
        rtcp_mux: bool,
        send: bool,
        receive: bool,
        rx: Option<KeyArguments>,
        tx: Option<KeyArguments>,
        secure_required: bool,
        payload_types: Vec<u8>,
        clock_rate: u32,
        new_latch: bool,
        sealed: bool,
        formats: Vec<FormatArguments>,
        transmit: Vec<FormatArguments>,
    ) -> PyResult<()> {
        let (rx, tx) = (rx.map(Wiped), tx.map(Wiped));
        let (formats, transmit) = (parse_formats(formats)?, parse_formats(transmit)?);
        let plan = LegPlan {
            remote: parse_address(remote)?,
            remote_rtcp: parse_address(remote_rtcp)?,
            signalling_ip: signalling_ip.map(parse_ip).transpose()?,
            rtcp_mux,
            send,
            receive,
            rx: parse_key(rx.as_ref().map(|wiped| &wiped.0))?,
            tx: parse_key(tx.as_ref().map(|wiped| &wiped.0))?,
            secure_required,
            payload_types: &payload_types,
            clock_rate,
            new_latch,
            sealed,
            formats: &formats,
            transmit: &transmit,
        };
        py.detach(|| self.inner.update_leg(leg, &plan))
            .map_err(to_exception)
    }

    fn bridge(
        &self,
        py: Python<'_>,
        leg_a: u64,
        leg_b: u64,
        map_ab: Option<Vec<(u8, u8)>>,
        map_ba: Option<Vec<(u8, u8)>>,
    ) -> PyResult<()> {
        py.detach(|| {
            self.inner
                .bridge(leg_a, leg_b, map_ab.as_deref(), map_ba.as_deref())
        })
        .map_err(to_exception)
    }

    fn unbridge(&self, py: Python<'_>, leg: u64) -> PyResult<()> {
        py.detach(|| self.inner.unbridge(leg)).map_err(to_exception)
    }

    fn echo(&self, py: Python<'_>, leg: u64) -> PyResult<()> {
        py.detach(|| self.inner.echo(leg)).map_err(to_exception)
    }

    fn transcode(&self, py: Python<'_>, leg_a: u64, leg_b: u64) -> PyResult<()> {
        py.detach(|| self.inner.transcode(leg_a, leg_b))
            .map_err(to_exception)
    }

    fn play(
        &self,
        py: Python<'_>,
        leg: u64,
        sounds: Vec<String>,
        repeat: bool,
        over: bool,
    ) -> PyResult<u32> {
        py.detach(|| self.inner.play(leg, &sounds, repeat, over))
            .map_err(to_exception)
    }

    fn stop_playing(&self, py: Python<'_>, leg: u64) -> PyResult<()> {
        py.detach(|| self.inner.stop_playing(leg))
            .map_err(to_exception)
    }

    fn start_recording(
        &self,
        py: Python<'_>,
        leg_a: u64,
        leg_b: Option<u64>,
        path: PathBuf,
        kind: &str,
        recipients: Vec<String>,
    ) -> PyResult<u64> {
        let format = match kind {
            "opus" => RecordingFormat::OggOpus,
            "wav" => RecordingFormat::Wav,
            "flac" => RecordingFormat::Flac,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "no kind of recording: {kind:?}"
                )));
            }
        };
        py.detach(|| {
            self.inner
                .start_recording(leg_a, leg_b, &path, format, &recipients)
        })
        .map_err(to_exception)
    }

    fn stop_recording(&self, py: Python<'_>, recording: u64) -> PyResult<()> {
        py.detach(|| self.inner.stop_recording(recording))
            .map_err(to_exception)
    }

    fn send_digit(&self, py: Python<'_>, leg: u64, digit: &str, duration_ms: u16) -> PyResult<()> {
        let event = formats::event(digit);
        py.detach(|| self.inner.send_digit(leg, event, duration_ms))
            .map_err(to_exception)
    }

    fn load_sound(&self, py: Python<'_>, name: &str, rate: u32, pcm: &[u8]) -> PyResult<()> {
        py.detach(|| self.inner.load_sound(name, rate, pcm))
            .map_err(to_exception)
    }

    fn codecs(&self) -> Vec<(&'static str, String)> {
        formats::availability(self.inner.available_codecs())
    }

    fn has_landlock(&self) -> bool {
        self.inner.has_landlock()
    }

    fn send_packet(&self, py: Python<'_>, leg: u64, data: &[u8]) -> PyResult<()> {
        py.detach(|| self.inner.send_packet(leg, data))
            .map_err(to_exception)
    }

    fn close_leg(&self, py: Python<'_>, leg: u64) -> PyResult<()> {
        py.detach(|| self.inner.close_leg(leg))
            .map_err(to_exception)
    }

    fn close_call(&self, py: Python<'_>, call: u64) -> PyResult<Vec<(u64, LegStats)>> {
        let legs = py
            .detach(|| self.inner.close_call(call))
            .map_err(to_exception)?;
        let now = self.inner.now();
        Ok(legs
            .into_iter()
            .map(|(leg, stats)| (leg, LegStats::new(&stats, now)))
            .collect())
    }

    fn leg_stats(&self, leg: u64) -> PyResult<LegStats> {
        let stats = self.inner.leg_stats(leg).map_err(to_exception)?;
        Ok(LegStats::new(&stats, self.inner.now()))
    }

    fn gather_commands(&self) {
        self.inner.gather_commands();
    }

    fn wake(&self) {
        self.inner.wake();
    }

    fn stats(&self) -> EngineStats {
        EngineStats::new(&self.inner.state())
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.inner.stop());
    }
}

/// Key arguments, wiped when the call is over.
struct Wiped(KeyArguments);

impl Drop for Wiped {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.0.1.zeroize();
        self.0.2.zeroize();
    }
}

const NONE: (u64, u64) = (0, 0);

fn event_tuple(py: Python<'_>, leg: u64, what: What) -> EventTuple {
    let address = |address: SocketAddr| Some((address.ip().to_string(), address.port()));
    match what {
        What::Latched(source) => (leg, "latched", address(source), None, NONE, String::new()),
        What::Silent => (leg, "silent", None, None, NONE, String::new()),
        What::Heard => (leg, "heard", None, None, NONE, String::new()),
        What::Digit { digit, duration_ms } => {
            let digit = formats::digit(digit).to_owned();
            (leg, "digit", None, None, (u64::from(duration_ms), 0), digit)
        }
        What::Unmapped(payload_type) => (
            leg,
            "unmapped",
            None,
            None,
            (u64::from(payload_type), 0),
            String::new(),
        ),
        What::Played(playing) => (
            leg,
            "played",
            None,
            None,
            (u64::from(playing), 0),
            String::new(),
        ),
        What::RecordingEnded {
            reason,
            octets,
            milliseconds,
        } => (
            leg,
            "recording-ended",
            None,
            None,
            (octets, milliseconds),
            reason,
        ),
        What::CodecFault(reason) => (leg, "codec-fault", None, None, NONE, reason),
        What::CodecsLost(worker) => (
            leg,
            "codecs-lost",
            None,
            None,
            (worker as u64, 0),
            String::new(),
        ),
        What::Packet { kind, source, data } => {
            let name = match kind {
                Kind::Stun => "stun",
                Kind::Dtls => "dtls",
                Kind::Zrtp => "zrtp",
                Kind::Rtp | Kind::Rtcp | Kind::Unknown => "unknown",
            };
            (
                leg,
                name,
                address(source),
                Some(PyBytes::new(py, &data).unbind()),
                NONE,
                String::new(),
            )
        }
    }
}

#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<Engine>()?;
    module.add_class::<EngineStats>()?;
    module.add_class::<LegStats>()?;
    module.add_class::<srtp::Srtp>()?;
    module.add_class::<sip_head::HeadReader>()?;
    module.add_function(wrap_pyfunction!(primitives::zrtp_hash, module)?)?;
    module.add_function(wrap_pyfunction!(primitives::zrtp_mac, module)?)?;
    module.add_function(wrap_pyfunction!(primitives::aes_cfb, module)?)?;
    module.add_function(wrap_pyfunction!(primitives::twofish_cfb, module)?)?;
    module.add_function(wrap_pyfunction!(primitives::crc32c, module)?)?;
    module.add_function(wrap_pyfunction!(primitives::dh_public, module)?)?;
    module.add_function(wrap_pyfunction!(primitives::dh_shared, module)?)?;
    module.add("MediaError", py.get_type::<MediaError>())?;
    module.add("PortsExhausted", py.get_type::<PortsExhausted>())?;
    module.add("UnknownLeg", py.get_type::<UnknownLeg>())?;
    module.add("EngineStopped", py.get_type::<EngineStopped>())?;
    module.add("EngineBusy", py.get_type::<EngineBusy>())?;
    module.add("NoCodecs", py.get_type::<NoCodecs>())?;
    module.add("SrtpError", py.get_type::<srtp::SrtpError>())
}
