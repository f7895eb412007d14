//! UDP sockets of a leg: making, connecting, receiving, sending. Every system call on a packet's
//! way stands here.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, connect_unspec,
    recv, recvfrom, send, sendto, socket_with, sockopt,
};

/// Room before a datagram, for a header that grows.
pub const HEADROOM: usize = 64;
/// The largest datagram taken in; more is dropped as malformed.
pub const MAX_DATAGRAM: usize = 2_048;
/// Room after a datagram, for an SRTP tag or an SRTCP index and tag.
pub const TAILROOM: usize = 64;

/// The RTP and RTCP sockets of one leg, bound to an even port and the next.
#[derive(Debug)]
pub struct Port {
    /// The local address.
    pub ip: IpAddr,
    /// The RTP port, even.
    pub number: u16,
    /// The RTP socket.
    pub rtp: OwnedFd,
    /// The RTCP socket, bound to `number + 1`.
    pub rtcp: OwnedFd,
}

/// What each socket is given.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    /// Receive buffer in bytes as asked of the kernel (which doubles it); charged only when used.
    pub receive_buffer: usize,
    /// Differentiated services code point, 0-63; 46 is expedited forwarding.
    pub dscp: u8,
}

/// Opens one UDP socket.
///
/// # Errors
/// The system's error: `ADDRINUSE` for a taken port, `MFILE` without descriptors, and so on.
pub fn open(ip: IpAddr, number: u16, options: SocketOptions) -> Result<OwnedFd, Errno> {
    let family = match ip {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, options.receive_buffer)?;
    let class = options.dscp << 2;
    match ip {
        IpAddr::V4(_) => sockopt::set_ip_tos(&socket, class)?,
        IpAddr::V6(_) => {
            sockopt::set_ipv6_v6only(&socket, true)?;
            sockopt::set_ipv6_tclass(&socket, u32::from(class))?;
        }
    }
    bind(&socket, &SocketAddr::new(ip, number))?;
    Ok(socket)
}

impl Port {
    /// Opens the pair of sockets at an even port.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(ip: IpAddr, number: u16, options: SocketOptions) -> Result<Self, Errno> {
        let rtp = open(ip, number, options)?;
        let rtcp = open(ip, number + 1, options)?;
        Ok(Self {
            ip,
            number,
            rtp,
            rtcp,
        })
    }
}

/// One datagram, with room to grow at both ends without moving its payload.
#[derive(Debug)]
pub struct Datagram {
    bytes: Box<[u8; HEADROOM + MAX_DATAGRAM + TAILROOM]>,
    start: usize,
    end: usize,
    /// Where it came from; `None` on a connected socket, which hears only its remote.
    pub source: Option<SocketAddr>,
}

impl Default for Datagram {
    fn default() -> Self {
        Self {
            bytes: Box::new([0; HEADROOM + MAX_DATAGRAM + TAILROOM]),
            start: HEADROOM,
            end: HEADROOM,
            source: None,
        }
    }
}

impl Datagram {
    /// The present content.
    #[inline]
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The content and the tailroom after it, with the content's length.
    #[inline]
    pub fn with_tailroom(&mut self) -> (&mut [u8], usize) {
        let length = self.end - self.start;
        (&mut self.bytes[self.start..], length)
    }

    /// Keeps the first `length` bytes of content and tailroom.
    #[inline]
    pub fn set_length(&mut self, length: usize) {
        self.end = (self.start + length).min(self.bytes.len());
    }

    /// Replaces the first `old` bytes of content by `header`, which may be longer by the headroom.
    #[inline]
    pub fn replace_header(&mut self, old: usize, header: &[u8]) {
        let payload = (self.start + old).min(self.end);
        self.start = payload - header.len();
        self.bytes[self.start..payload].copy_from_slice(header);
    }

    /// Fills the datagram with `content`, at most [`MAX_DATAGRAM`] bytes.
    pub fn fill(&mut self, content: &[u8]) {
        let length = content.len().min(MAX_DATAGRAM);
        self.start = HEADROOM;
        self.end = HEADROOM + length;
        self.bytes[HEADROOM..self.end].copy_from_slice(&content[..length]);
    }

    #[inline]
    fn space(&mut self) -> &mut [u8] {
        self.start = HEADROOM;
        &mut self.bytes[HEADROOM..HEADROOM + MAX_DATAGRAM]
    }
}

/// What a receive call found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A datagram.
    Datagram,
    /// Nothing is waiting.
    Nothing,
    /// An error reported for an earlier send (ICMP); the socket goes on, there may be more.
    Again,
}

/// Receives one datagram; `connected` sockets do not ask for its source.
#[inline]
pub fn receive(socket: &OwnedFd, connected: bool, datagram: &mut Datagram) -> Received {
    // TRUNC makes the kernel tell the true length, so that a datagram cut short is known as such.
    let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    let result = if connected {
        recv(socket, datagram.space(), flags).map(|(_, length)| (length, None))
    } else {
        recvfrom(socket, datagram.space(), flags).map(|(_, length, source)| {
            (
                length,
                source.and_then(|any| SocketAddr::try_from(any).ok()),
            )
        })
    };
    match result {
        Ok((length, source)) => {
            let length = if length > MAX_DATAGRAM { 0 } else { length };
            datagram.end = HEADROOM + length;
            datagram.source = source;
            Received::Datagram
        }
        Err(Errno::AGAIN) => Received::Nothing,
        Err(_) => Received::Again,
    }
}

/// Whether nothing waits on the socket.
pub fn is_empty(socket: &OwnedFd) -> bool {
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    recv(socket, &mut [0_u8; 1], flags).err() == Some(Errno::AGAIN)
}

/// Throws away what waits on the socket, at most `limit` datagrams; returns how many.
pub fn discard(socket: &OwnedFd, limit: u64) -> u64 {
    let take = |_| recv(socket, &mut [0_u8; 1], RecvFlags::DONTWAIT);
    let waiting = (0..limit)
        .map(take)
        .take_while(|taken| *taken != Err(Errno::AGAIN));
    waiting.filter(Result::is_ok).count() as u64
}

/// Sends one datagram; true if the kernel took it.
///
/// An error queued by an earlier packet (a refused port, say) is reported once in place of
/// sending, so the packet is tried once more: the socket itself is never given up.
#[inline]
pub fn transmit(socket: &OwnedFd, connected: bool, to: SocketAddr, content: &[u8]) -> bool {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let once = || {
        if connected {
            send(socket, content, flags)
        } else {
            sendto(socket, content, flags, &to)
        }
    };
    match once() {
        Ok(_) => true,
        Err(Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH) => once().is_ok(),
        Err(_) => false,
    }
}

/// Makes the kernel drop what does not come from `remote`; false if it would not.
pub fn attach(socket: &OwnedFd, remote: SocketAddr) -> bool {
    connect(socket, &remote).is_ok()
}

/// Lets the socket hear everybody again.
///
/// The socket keeps its port because it was bound to it by number.
pub fn detach(socket: &OwnedFd) -> bool {
    connect_unspec(socket).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    const OPTIONS: SocketOptions = SocketOptions {
        receive_buffer: 16_384,
        dscp: 46,
    };

    fn local(socket: &OwnedFd) -> SocketAddr {
        rustix::net::getsockname(socket)
            .unwrap()
            .try_into()
            .unwrap()
    }

    #[test]
    fn an_oversize_datagram_is_taken_as_empty() {
        let socket = open("127.0.0.1".parse().unwrap(), 0, OPTIONS).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender
            .send_to(&[0x80; MAX_DATAGRAM + 1], local(&socket))
            .unwrap();
        sender
            .send_to(&[0x80; MAX_DATAGRAM], local(&socket))
            .unwrap();
        let mut datagram = Datagram::default();
        assert_eq!(receive(&socket, false, &mut datagram), Received::Datagram);
        assert_eq!(datagram.content().len(), 0);
        assert_eq!(receive(&socket, false, &mut datagram), Received::Datagram);
        assert_eq!(datagram.content().len(), MAX_DATAGRAM);
        assert_eq!(datagram.source, Some(sender.local_addr().unwrap()));
        assert_eq!(receive(&socket, false, &mut datagram), Received::Nothing);
    }

    #[test]
    fn a_detached_socket_keeps_its_port_and_hears_others_again() {
        // A number given by the system would not survive: only an explicit one is kept.
        let number = local(&open("127.0.0.1".parse().unwrap(), 0, OPTIONS).unwrap()).port();
        let socket = open("127.0.0.1".parse().unwrap(), number, OPTIONS).unwrap();
        let bound = local(&socket);
        let friend = UdpSocket::bind("127.0.0.1:0").unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut datagram = Datagram::default();
        assert!(attach(&socket, friend.local_addr().unwrap()));
        let _ = stranger.send_to(b"no", bound); // refused by ICMP on some kernels
        assert_eq!(receive(&socket, true, &mut datagram), Received::Nothing);
        assert!(detach(&socket));
        assert_eq!(local(&socket), bound);
        stranger.send_to(b"yes", bound).unwrap();
        assert_eq!(receive(&socket, false, &mut datagram), Received::Datagram);
        assert_eq!(datagram.content(), b"yes");
    }

    #[test]
    fn a_refused_packet_does_not_stop_the_next() {
        let socket = open("127.0.0.1".parse().unwrap(), 0, OPTIONS).unwrap();
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote = gone.local_addr().unwrap();
        drop(gone);
        assert!(attach(&socket, remote));
        for _ in 0..10 {
            transmit(&socket, true, remote, b"to nobody");
        }
        let back = UdpSocket::bind(remote).unwrap();
        assert!(transmit(&socket, true, remote, b"hello"));
        let mut bytes = [0; 16];
        assert_eq!(back.recv(&mut bytes).unwrap(), 5);
    }

    #[test]
    fn a_header_is_replaced_without_moving_the_payload() {
        let mut datagram = Datagram::default();
        datagram.fill(b"HEADERpayload");
        datagram.replace_header(6, b"hd");
        assert_eq!(datagram.content(), b"hdpayload");
        datagram.replace_header(2, b"a longer header ");
        assert_eq!(datagram.content(), b"a longer header payload");
        let (bytes, length) = datagram.with_tailroom();
        bytes[length..length + 4].copy_from_slice(b"-tag");
        datagram.set_length(length + 4);
        assert_eq!(datagram.content(), b"a longer header payload-tag");
    }
}
