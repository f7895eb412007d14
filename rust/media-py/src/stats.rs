//! Statistics as Python sees them.

use pyo3::prelude::*;
use sealtone_media::engine::EngineState;
use sealtone_media::stats;

fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1e3
}

macro_rules! leg_stats {
    ($($name:ident,)*) => {
        /// Counters of a leg at one moment.
        #[pyclass(frozen, get_all, module = "sealtone.media._engine")]
        #[derive(Clone, Debug)]
        pub struct LegStats {
            $($name: u64,)*
            rx_jitter_ms: f64,
            rtt_ms: Option<f64>,
            remote_jitter_ms: f64,
            remote_fraction_lost: f64,
            last_rx_age_s: Option<f64>,
            latched: Option<(String, u16)>,
        }

        impl LegStats {
            pub fn new(stats: &stats::LegStats, now: u64) -> Self {
                Self {
                    $($name: stats.$name,)*
                    rx_jitter_ms: milliseconds(stats.rx_jitter_us),
                    rtt_ms: (stats.rtt_us > 0).then(|| milliseconds(stats.rtt_us)),
                    remote_jitter_ms: milliseconds(stats.remote_jitter_us),
                    remote_fraction_lost: stats.remote_fraction_lost as f64 / 256.0,
                    last_rx_age_s: stats.last_rx_age(now).map(|age| age as f64 / 1e6),
                    latched: stats.latched.map(|address| (address.ip().to_string(), address.port())),
                }
            }
        }
    };
}

leg_stats! {
    rx_packets, rx_octets, tx_packets, tx_octets, rx_lost, rx_gaps, remote_lost, auth_failures, replays, source_drops,
    trial_drops, gate_drops, insecure_drops, payload_type_drops, duplicate_drops, overload_drops, malformed,
    send_errors, latches, rtcp_rx, rtcp_tx, feedback_rx, stun_rx, dtls_rx, zrtp_rx, zrtp_tx, zrtp_drops,
    slow_path_drops, codec_packets, codec_tx_packets, codec_refused, concealed_ms, fec_used, late, undecoded,
    jitter_buffer_ms, digits, codec_deaths,
}

#[pymethods]
impl LegStats {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

/// Totals over the engine at one moment.
#[pyclass(frozen, get_all, module = "sealtone.media._engine")]
#[derive(Clone, Debug)]
pub struct EngineStats {
    calls: usize,
    legs: usize,
    datagrams: u64,
    rounds: u64,
    behind: u64,
    faults: u64,
    events_dropped: u64,
    codec_packets: u64,
    codec_dropped: u64,
    codec_lost: u64,
    codec_refused: u64,
    ports_ready: usize,
    ports_free: usize,
    ports_resting: usize,
    ports_in_use: usize,
    ports_exhausted: u64,
}

impl EngineStats {
    pub fn new(state: &EngineState) -> Self {
        Self {
            calls: state.calls,
            legs: state.legs,
            datagrams: state.datagrams,
            rounds: state.rounds,
            behind: state.behind,
            faults: state.faults,
            events_dropped: state.events_dropped,
            codec_packets: state.codec_packets,
            codec_dropped: state.codec_dropped,
            codec_lost: state.codec_lost,
            codec_refused: state.codec_refused,
            ports_ready: state.ports.ready,
            ports_free: state.ports.free,
            ports_resting: state.ports.resting,
            ports_in_use: state.ports.in_use,
            ports_exhausted: state.ports.exhausted,
        }
    }
}

#[pymethods]
impl EngineStats {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}
