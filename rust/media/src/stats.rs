//! Counters of a leg: one worker writes them, any thread reads them, nobody waits.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::clock::Micros;

/// A number written by one thread only. Adding is a plain load and store, not a locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`; only the owning worker may call this.
    #[inline]
    pub fn add(&self, amount: u64) {
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(amount), Ordering::Relaxed);
    }

    /// Replaces the value; only the owning worker may call this.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The present value, from any thread.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A [`Counter`] of what is rare, in half the space: it stays at its largest value, 2^32 - 1.
#[derive(Debug, Default)]
pub struct SmallCounter(AtomicU32);

impl SmallCounter {
    /// Adds `amount`; only the owning worker may call this.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.set(self.get().saturating_add(amount));
    }

    /// Replaces the value; only the owning worker may call this.
    #[inline]
    pub fn set(&self, value: u64) {
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        self.0.store(value, Ordering::Relaxed);
    }

    /// The present value, from any thread.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed).into()
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        /// The live counters of a leg, shared between its worker and readers.
        #[derive(Debug, Default)]
        pub struct LegCounters {
            $($(#[$doc])* pub $name: $kind,)*
            /// Where the leg is latched.
            pub latched: SharedAddress,
        }

        /// A copy of a leg's counters.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct LegStats {
            $($(#[$doc])* pub $name: u64,)*
            /// The address the leg's media comes from and goes to, once known by a packet.
            pub latched: Option<SocketAddr>,
        }

        impl LegCounters {
            /// Reads every counter; each is exact, the set is not one instant.
            #[must_use]
            pub fn snapshot(&self) -> LegStats {
                LegStats {
                    $($name: self.$name.get(),)*
                    latched: self.latched.get(),
                }
            }
        }

        impl LegStats {
            /// Every counter with its name.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// RTP packets accepted from the remote.
    rx_packets: Counter,
    /// RTP payload octets accepted from the remote.
    rx_octets: Counter,
    /// When the last RTP packet was accepted, in microseconds of the engine's clock; 0 is never.
    last_rx_us: Counter,
    /// RTP packets sent to the remote.
    tx_packets: Counter,
    /// RTP payload octets sent to the remote.
    tx_octets: Counter,
    /// RTP packets that were expected from the remote and never came.
    rx_lost: SmallCounter,
    /// Runs of such packets, one after the other.
    rx_gaps: SmallCounter,
    /// Interarrival jitter of what the remote sends (RFC 3550 A.8), microseconds.
    rx_jitter_us: SmallCounter,
    /// Round trip to the remote measured by its reception reports, microseconds; 0 is unknown.
    rtt_us: SmallCounter,
    /// Packets of ours that the remote reports as lost.
    remote_lost: SmallCounter,
    /// The remote's latest report of the fraction lost, in 1/256.
    remote_fraction_lost: SmallCounter,
    /// The remote's latest report of jitter, microseconds.
    remote_jitter_us: SmallCounter,
    /// Packets that failed SRTP or SRTCP authentication.
    auth_failures: SmallCounter,
    /// SRTP or SRTCP packets that were replayed or too old.
    replays: SmallCounter,
    /// Packets from an address the leg may not be latched to.
    source_drops: SmallCounter,
    /// Packets not even tried for authentication, their strange source being over its rate.
    trial_drops: SmallCounter,
    /// Packets stopped by the leg's send or receive gate, because no bridge stands, or left from before the
    /// leg was sealed or unsealed.
    gate_drops: SmallCounter,
    /// Packets stopped because the leg must be secure and has no keys, or is sealed and the other is not.
    insecure_drops: SmallCounter,
    /// Packets of a payload type that was not negotiated.
    payload_type_drops: SmallCounter,
    /// Packets not sent because their number was sent before or is too old.
    duplicate_drops: SmallCounter,
    /// Packets thrown away unread because the engine was behind.
    overload_drops: SmallCounter,
    /// Datagrams that are no RTP, RTCP or other known packet.
    malformed: SmallCounter,
    /// Packets the kernel did not take.
    send_errors: SmallCounter,
    /// Times the leg was latched to an address.
    latches: SmallCounter,
    /// RTCP compounds accepted.
    rtcp_rx: SmallCounter,
    /// RTCP compounds sent.
    rtcp_tx: SmallCounter,
    /// RTCP feedback messages (RTPFB and PSFB) taken in.
    feedback_rx: SmallCounter,
    /// STUN packets seen.
    stun_rx: SmallCounter,
    /// DTLS packets seen.
    dtls_rx: SmallCounter,
    /// ZRTP packets seen.
    zrtp_rx: SmallCounter,
    /// ZRTP packets sent to the remote: ours, and those of the phone at the other sealed leg.
    zrtp_tx: SmallCounter,
    /// ZRTP packets of a sealed leg not passed on, over its rate.
    zrtp_drops: SmallCounter,
    /// Packets given to the codec process.
    codec_packets: SmallCounter,
    /// Packets sent to the remote that the codec process made.
    codec_tx_packets: SmallCounter,
    /// Packets of the codec process that were not sent: more than anybody can use, or none of the leg's formats.
    codec_refused: SmallCounter,
    /// Milliseconds of sound made up where the remote's packets were lost or late.
    concealed_ms: SmallCounter,
    /// Packets whose sound was taken from the redundancy of the next.
    fec_used: SmallCounter,
    /// Packets that came too late to be heard.
    late: SmallCounter,
    /// Packets that could not be decoded, or were too many.
    undecoded: SmallCounter,
    /// Mean time that sound of the remote waits in the jitter buffer, ms.
    jitter_buffer_ms: SmallCounter,
    /// Codec processes that died while they worked on the leg; after three it is heard through none any more.
    codec_deaths: SmallCounter,
    /// Digits the remote sent.
    digits: SmallCounter,
    /// STUN, DTLS and ZRTP packets not handed up, over the leg's rate or the queue full.
    slow_path_drops: SmallCounter,
}

/// A socket address that one thread writes and others read, by sequence lock.
#[derive(Debug, Default)]
pub struct SharedAddress {
    version: AtomicU64,
    ip_high: AtomicU64,
    ip_low: AtomicU64,
    /// Bit 17: is set; bit 16: is IPv4; the rest is the port.
    port: AtomicU64,
}

const ADDRESS_SET: u64 = 1 << 17;
const ADDRESS_IPV4: u64 = 1 << 16;

impl SharedAddress {
    /// Publishes `address`; only the owning worker may call this.
    pub fn set(&self, address: Option<SocketAddr>) {
        let (high, low, port) = address.map_or((0, 0, 0), pack);
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.ip_high.store(high, Ordering::Relaxed);
        self.ip_low.store(low, Ordering::Relaxed);
        self.port.store(port, Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// The published address; an answer torn by the writer is read again.
    #[must_use]
    pub fn get(&self) -> Option<SocketAddr> {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let high = self.ip_high.load(Ordering::Relaxed);
            let low = self.ip_low.load(Ordering::Relaxed);
            let port = self.port.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && before == self.version.load(Ordering::Relaxed) {
                return unpack(high, low, port);
            }
            std::hint::spin_loop();
        }
    }
}

fn pack(address: SocketAddr) -> (u64, u64, u64) {
    let (bits, family) = match address.ip() {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), ADDRESS_IPV4),
        IpAddr::V6(ip) => (ip.to_bits(), 0),
    };
    let port = ADDRESS_SET | family | u64::from(address.port());
    ((bits >> 64) as u64, bits as u64, port)
}

fn unpack(high: u64, low: u64, port: u64) -> Option<SocketAddr> {
    if port & ADDRESS_SET == 0 {
        return None;
    }
    let ip = if port & ADDRESS_IPV4 != 0 {
        IpAddr::V4((low as u32).into())
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(
            (u128::from(high) << 64) | u128::from(low),
        ))
    };
    Some(SocketAddr::new(ip, (port & 0xffff) as u16))
}

impl LegStats {
    /// Time since the last accepted RTP packet, or `None` if there was none.
    #[must_use]
    pub fn last_rx_age(&self, now: Micros) -> Option<Micros> {
        (self.last_rx_us != 0).then(|| now.saturating_sub(self.last_rx_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_counter_stays_at_its_largest_value() {
        let counter = SmallCounter::default();
        counter.add(u64::from(u32::MAX) - 1);
        counter.add(1);
        assert_eq!(counter.get(), u64::from(u32::MAX));
        counter.add(1);
        counter.set(u64::MAX);
        assert_eq!(counter.get(), u64::from(u32::MAX));
        counter.set(7);
        assert_eq!(counter.get(), 7);
    }

    #[test]
    fn an_address_is_read_as_it_was_written() {
        let shared = SharedAddress::default();
        assert_eq!(shared.get(), None);
        for text in [
            "192.0.2.7:65535",
            "0.0.0.0:0",
            "[2001:db8::7]:4000",
            "[::]:1",
        ] {
            let address: SocketAddr = text.parse().unwrap();
            shared.set(Some(address));
            assert_eq!(shared.get(), Some(address));
        }
        shared.set(None);
        assert_eq!(shared.get(), None);
    }

    #[test]
    fn a_reader_never_sees_half_an_address() {
        let shared = SharedAddress::default();
        let one: SocketAddr = "[1111:1111:1111:1111:1111:1111:1111:1111]:4369"
            .parse()
            .unwrap();
        let two: SocketAddr = "[2222:2222:2222:2222:2222:2222:2222:2222]:8738"
            .parse()
            .unwrap();
        shared.set(Some(one));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    shared.set(Some(two));
                    shared.set(Some(one));
                }
            });
            for _ in 0..20_000 {
                let seen = shared.get().unwrap();
                assert!(seen == one || seen == two, "torn: {seen}");
            }
        });
    }
}
