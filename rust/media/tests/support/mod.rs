//! Phones on loopback and an engine between them.

#![allow(dead_code, reason = "each test program uses its part")]

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use sealtone_media::demux::Kind;
use sealtone_media::engine::{Engine, EngineConfig, Key, LegPlan, OpenedLeg};
use sealtone_media::event::{MediaEvent, What};
use sealtone_media::rtp::RtpHeader;
use sealtone_media::srtp::{SrtpReceiver, SrtpSender, Suite};

pub const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

static NEXT_RANGE: AtomicU16 = AtomicU16::new(0);

/// A configuration with a port range of its own, below those the system gives to the phones.
pub fn config() -> EngineConfig {
    // Test programs may run side by side; each process has a stretch of its own.
    let stretch = 18_000 + (std::process::id() % 12) as u16 * 1_200;
    let first = stretch + NEXT_RANGE.fetch_add(1, Ordering::Relaxed) % 30 * 40;
    EngineConfig {
        workers: 1,
        cpus: Vec::new(),
        port_min: first,
        port_max: first + 39,
        tick: 250,
        coalesce_pps: 5_000,
        stock: 4,
        quarantine: 0,
        receive_buffer: 16_384,
        dscp: 0,
        silence: 300_000,
        local_ips: Vec::new(),
        codec_process: None,
    }
}

pub fn engine() -> Engine {
    Engine::start(&config()).unwrap()
}

/// A plan for a plain leg with PCMU and telephone events.
pub fn plan(remote: SocketAddr) -> LegPlan<'static> {
    LegPlan {
        remote: Some(remote),
        remote_rtcp: None,
        signalling_ip: None,
        rtcp_mux: false,
        send: true,
        receive: true,
        rx: None,
        tx: None,
        secure_required: false,
        payload_types: &[0, 101],
        clock_rate: 8_000,
        new_latch: false,
        sealed: false,
        formats: &[],
        transmit: &[],
    }
}

/// The same for a sealed leg.
pub fn sealed(remote: SocketAddr) -> LegPlan<'static> {
    LegPlan {
        sealed: true,
        ..plan(remote)
    }
}

/// The keys of a phone: what it sends with and what it is sent with.
#[derive(Clone)]
pub struct Keys {
    pub suite: Suite,
    pub phone: Vec<u8>,
    pub relay: Vec<u8>,
    pub salt: Vec<u8>,
}

impl Keys {
    pub fn new(suite: Suite, seed: u8) -> Self {
        Self {
            suite,
            phone: vec![seed; suite.key_len()],
            relay: vec![seed ^ 0xff; suite.key_len()],
            salt: vec![seed / 2; suite.salt_len()],
        }
    }

    pub fn rx(&self) -> Option<Key<'_>> {
        Some(Key {
            suite: self.suite,
            key: &self.phone,
            salt: &self.salt,
        })
    }

    pub fn tx(&self) -> Option<Key<'_>> {
        Some(Key {
            suite: self.suite,
            key: &self.relay,
            salt: &self.salt,
        })
    }

    pub fn sender(&self) -> SrtpSender {
        SrtpSender::new(self.suite, &self.phone, &self.salt).unwrap()
    }

    pub fn receiver(&self) -> SrtpReceiver {
        SrtpReceiver::new(self.suite, &self.relay, &self.salt).unwrap()
    }

    pub fn plan(&self, remote: SocketAddr) -> LegPlan<'_> {
        LegPlan {
            rx: self.rx(),
            tx: self.tx(),
            secure_required: true,
            ..plan(remote)
        }
    }
}

/// A packet as a phone got it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub header: RtpHeader,
    pub payload: Vec<u8>,
}

/// A phone: a socket, and SRTP contexts if it has keys.
pub struct Phone {
    pub socket: UdpSocket,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub tx: Option<SrtpSender>,
    pub rx: Option<SrtpReceiver>,
}

impl Phone {
    pub fn new(ssrc: u32) -> Self {
        Self::at("127.0.0.1", ssrc)
    }

    pub fn at(ip: &str, ssrc: u32) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        Self {
            socket,
            ssrc,
            sequence: 1_000,
            timestamp: 160_000,
            tx: None,
            rx: None,
        }
    }

    pub fn secure(ssrc: u32, keys: &Keys) -> Self {
        let mut phone = Self::new(ssrc);
        phone.tx = Some(keys.sender());
        phone.rx = Some(keys.receiver());
        phone
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// The next packet of the stream as it goes on the wire.
    pub fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let plain = rtp(
            payload_type,
            self.sequence,
            self.timestamp,
            self.ssrc,
            payload,
        );
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.protect(plain)
    }

    pub fn protect(&mut self, plain: Vec<u8>) -> Vec<u8> {
        let Some(tx) = &mut self.tx else {
            return plain;
        };
        let length = plain.len();
        let mut buffer = plain;
        buffer.resize(length + 32, 0);
        let length = tx.protect(&mut buffer, length).unwrap();
        buffer.truncate(length);
        buffer
    }

    pub fn send(&mut self, leg: &OpenedLeg, payload: &[u8]) {
        let packet = self.packet(0, payload);
        self.send_raw(leg, &packet);
    }

    pub fn send_raw(&self, leg: &OpenedLeg, packet: &[u8]) {
        self.socket.send_to(packet, (leg.ip, leg.rtp_port)).unwrap();
    }

    /// The next RTP packet, decrypted; panics if none comes or it does not decrypt.
    #[track_caller]
    pub fn hear(&mut self) -> Heard {
        self.try_hear().expect("a packet")
    }

    pub fn try_hear(&mut self) -> Option<Heard> {
        loop {
            let mut bytes = [0; 2_048];
            let length = self.socket.recv(&mut bytes).ok()?;
            if (192..=223).contains(&bytes[1]) {
                continue;
            }
            let length = match &mut self.rx {
                Some(rx) => rx.unprotect(&mut bytes, length).unwrap(),
                None => length,
            };
            let header = RtpHeader::parse(&bytes[..length]).unwrap();
            let payload = bytes[usize::from(header.header_len)..length].to_vec();
            return Some(Heard { header, payload });
        }
    }

    /// Everything that comes within `time`, as it is on the wire.
    pub fn collect(&self, time: Duration) -> Vec<Vec<u8>> {
        let until = Instant::now() + time;
        let mut all = Vec::new();
        while let Some(left) = until
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            self.socket.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 2_048];
            if let Ok(length) = self.socket.recv(&mut bytes) {
                all.push(bytes[..length].to_vec());
            }
        }
        self.socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        all
    }

    pub fn hears_nothing_for(&self, time: Duration) {
        let all = self.collect(time);
        assert!(
            all.is_empty(),
            "heard {} packets, first {:?}",
            all.len(),
            all[0]
        );
    }
}

pub fn rtp(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A ZRTP packet (first octet 0x10) or a fragment of a post-quantum one (0x11), with a number of its own.
pub fn zrtp(first: u8, number: u16, length: usize) -> Vec<u8> {
    let mut packet = vec![first, 0];
    packet.extend(number.to_be_bytes());
    packet.extend(b"ZRTP");
    packet.resize(length, number as u8);
    packet
}

/// The next datagram as it is on the wire.
pub fn raw(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = [0; 2_100];
    let length = socket.recv(&mut bytes).expect("a packet");
    bytes[..length].to_vec()
}

/// A pair of neighbouring ports, as a phone without rtcp-mux has.
pub fn neighbours() -> (UdpSocket, UdpSocket) {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = rtp.local_addr().unwrap().port();
        if let (0, Ok(rtcp)) = (port % 2, UdpSocket::bind(("127.0.0.1", port + 1))) {
            for socket in [&rtp, &rtcp] {
                let patience = Some(Duration::from_millis(500));
                socket.set_read_timeout(patience).unwrap();
            }
            return (rtp, rtcp);
        }
    }
}

/// The ZRTP packets of a leg that the control plane was shown.
pub fn packets_shown(engine: &Engine, leg: &OpenedLeg) -> Vec<Vec<u8>> {
    let shown = |event: MediaEvent| match event.what {
        What::Packet {
            kind: Kind::Zrtp,
            data,
            ..
        } if event.leg == leg.id => Some(data),
        _ => None,
    };
    engine.events().into_iter().filter_map(shown).collect()
}

/// The next so many of them.
pub fn wait_shown(engine: &Engine, leg: &OpenedLeg, count: usize) -> Vec<Vec<u8>> {
    let mut shown = Vec::new();
    wait_for("ZRTP for the control plane", || {
        shown.extend(packets_shown(engine, leg));
        shown.len() >= count
    });
    assert_eq!(shown.len(), count);
    shown
}

/// A call of two legs between two phones, planned and bridged.
pub struct Call {
    pub id: u64,
    pub a: OpenedLeg,
    pub b: OpenedLeg,
}

pub fn call(engine: &Engine, plan_a: &LegPlan<'_>, plan_b: &LegPlan<'_>) -> Call {
    let id = engine.open_call().unwrap();
    let a = engine.open_leg(id, LOCAL).unwrap();
    let b = engine.open_leg(id, LOCAL).unwrap();
    engine.update_leg(a.id, plan_a).unwrap();
    engine.update_leg(b.id, plan_b).unwrap();
    engine.bridge(a.id, b.id, None, None).unwrap();
    settle();
    Call { id, a, b }
}

/// Time for the worker to obey commands.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(15));
}

pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} never came");
}

/// Waits for an event that fits, keeping nothing of the others.
pub fn wait_event(engine: &Engine, what: &str, fits: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
    let mut found = None;
    wait_for(what, || {
        found = found
            .take()
            .or_else(|| engine.events().into_iter().find(|event| fits(event)));
        found.is_some()
    });
    found.unwrap()
}
