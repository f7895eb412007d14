//! Calls at a steady rate, both ends: INVITE, 407, ACK, INVITE, 180, 200, ACK, and after a while BYE, 200.
//!
//! A call is lost when it is not over with a 200 to its BYE, at both ends, within ten seconds.

use std::collections::{BTreeMap, HashMap};

use crate::histogram::Histogram;
use crate::json::{say, Object};
use crate::sys;

use super::callee::Callees;
use super::digest::{self, Algorithm};
use super::message::Message;
use super::registrations::User;
use super::sockets::{Side, Sockets, Timers};

const T1_NS: i64 = 500_000_000;
const T2_NS: i64 = 4_000_000_000;
const GIVE_UP_NS: i64 = 10_000_000_000;

pub struct Terms<'a> {
    pub sockets: &'a Sockets,
    /// The first half calls the second half.
    pub users: &'a [User],
    pub domain: &'a str,
    pub algorithm: Algorithm,
    /// Calls a second.
    pub rate: f64,
    pub warm_up_ns: i64,
    pub length_ns: i64,
    /// From 180 to 200.
    pub ring_ns: i64,
    /// From ACK to BYE.
    pub hold_ns: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Inviting,
    Proceeding,
    Talking,
    Leaving,
    Over,
}

struct Call {
    state: State,
    started: i64,
    sequence: u32,
    request: Vec<u8>,
    sent: i64,
    interval: i64,
    ack: Vec<u8>,
    dialog: String,
    target: String,
    bye_at: i64,
    rung: bool,
    measured: bool,
}

#[derive(Default)]
struct Counts {
    started: u64,
    completed: u64,
    lost: u64,
    lost_in: BTreeMap<&'static str, u64>,
    refused: BTreeMap<u16, u64>,
    retransmissions: u64,
    ringing: Histogram,
    ending: Histogram,
}

pub struct Load<'a> {
    terms: &'a Terms<'a>,
    marker: i64,
    calls: Vec<Call>,
    timers: Timers<usize>,
    counts: Counts,
    callees: Callees,
    open: u64,
}

/// Runs the calls; says `measuring`, `measured` and `result`.
pub fn run(terms: &Terms<'_>) {
    let mut load = Load {
        terms,
        marker: sys::monotonic_ns(),
        calls: Vec::new(),
        timers: Timers::default(),
        counts: Counts::default(),
        callees: Callees::new(terms.ring_ns),
        open: 0,
    };
    load.drive();
}

impl Load<'_> {
    fn drive(&mut self) {
        let start = sys::monotonic_ns();
        let measure_from = start + self.terms.warm_up_ns;
        let until = measure_from + self.terms.length_ns;
        let interval = 1e9 / self.terms.rate;
        let (mut said_measuring, mut said_measured) = (false, false);
        let mut buffer = [0u8; 65536];
        let mut elapsed = 0;
        loop {
            let now = sys::monotonic_ns();
            if !said_measuring && now >= measure_from {
                said_measuring = true;
                say("{\"event\":\"measuring\"}");
            }
            if !said_measured && now >= until {
                said_measured = true;
                elapsed = now - measure_from;
                say("{\"event\":\"measured\"}");
            }
            if now >= until && self.open == 0 {
                break;
            }
            let mut next = start + (self.calls.len() as f64 * interval) as i64;
            while next <= now && now < until {
                self.begin(now, now >= measure_from);
                next = start + (self.calls.len() as f64 * interval) as i64;
            }
            while let Some(index) = self.timers.due(now) {
                self.on_timer(index, now);
            }
            self.callees.on_time(self.terms.sockets, now);
            self.take_arrivals(&mut buffer);
            let mut wake = sys::monotonic_ns() + 20_000_000;
            for at in [self.timers.next_at(), self.callees.next_at()] {
                wake = wake.min(at.unwrap_or(wake));
            }
            if now < until {
                wake = wake.min(next);
            }
            self.terms.sockets.wait(wake - sys::monotonic_ns());
        }
        self.report(elapsed);
    }

    fn take_arrivals(&mut self, buffer: &mut [u8]) {
        // Bounded, so that calls start on time under a flood.
        for _ in 0..64 {
            let Some(length) = self.terms.sockets.receive(Side::Caller, buffer) else {
                break;
            };
            if let Some(message) = Message::parse(&buffer[..length]) {
                self.on_caller(&message, sys::monotonic_ns());
            }
        }
        for _ in 0..64 {
            let Some(length) = self.terms.sockets.receive(Side::Callee, buffer) else {
                break;
            };
            if let Some(message) = Message::parse(&buffer[..length]) {
                let now = sys::monotonic_ns();
                self.callees
                    .on_message(self.terms.sockets, &message, Side::Callee, now);
            }
        }
    }

    fn names(&self, index: usize) -> (&str, &str) {
        let half = self.terms.users.len() / 2;
        let caller = &self.terms.users[index % half].name;
        let callee = &self.terms.users[half + index % (self.terms.users.len() - half)].name;
        (caller, callee)
    }

    fn begin(&mut self, now: i64, measured: bool) {
        let index = self.calls.len();
        let (_, callee) = self.names(index);
        let uri = format!("sip:{callee}@{}", self.terms.domain);
        self.calls.push(Call {
            state: State::Inviting,
            started: now,
            sequence: 1,
            request: Vec::new(),
            sent: now,
            interval: T1_NS,
            ack: Vec::new(),
            dialog: String::new(),
            target: uri,
            bye_at: 0,
            rung: false,
            measured,
        });
        self.counts.started += u64::from(measured);
        self.open += 1;
        let invite = self.invite(index, "");
        self.transmit(index, invite, now);
        self.timers.set(now + T1_NS, index);
    }

    fn transmit(&mut self, index: usize, request: Vec<u8>, now: i64) {
        self.terms.sockets.send(Side::Caller, &request);
        let call = &mut self.calls[index];
        call.request = request;
        call.sent = now;
        call.interval = T1_NS;
    }

    /// The lines that every request of a call begins with; `to` is the value of To.
    fn head(&self, index: usize, method: &str, branch: &str, to: &str) -> String {
        let port = self.terms.sockets.ports[Side::Caller as usize];
        let call = &self.calls[index];
        let (caller, _) = self.names(index);
        let (domain, marker, sequence) = (self.terms.domain, self.marker, call.sequence);
        let target = &call.target;
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKc{marker:x}.{index}.{branch}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{caller}@{domain}>;tag=c{index}\r\n\
             To: {to}\r\n\
             Call-ID: c{marker:x}-{index}\r\n\
             CSeq: {sequence} {method}\r\n"
        )
    }

    fn invite(&self, index: usize, credentials: &str) -> Vec<u8> {
        let (caller, callee) = self.names(index);
        let to = format!("<sip:{callee}@{}>", self.terms.domain);
        let branch = format!("i{}", self.calls[index].sequence);
        let head = self.head(index, "INVITE", &branch, &to);
        let port = self.terms.sockets.ports[Side::Caller as usize];
        let sdp = session(30_000);
        let length = sdp.len();
        format!(
            "{head}Contact: <sip:{caller}@127.0.0.1:{port}>\r\n{credentials}\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: sealtone-loadgen\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
        )
        .into_bytes()
    }

    fn on_timer(&mut self, index: usize, now: i64) {
        let call = &mut self.calls[index];
        if call.state == State::Over {
            return;
        }
        if now - call.started > GIVE_UP_NS + self.terms.ring_ns + self.terms.hold_ns {
            let word = match call.state {
                State::Inviting => "inviting",
                State::Proceeding => "proceeding",
                State::Talking => "talking",
                _ => "leaving",
            };
            if call.measured {
                *self.counts.lost_in.entry(word).or_default() += 1;
                self.counts.lost += 1;
            }
            self.finish(index);
            return;
        }
        match call.state {
            State::Talking => {
                if now >= call.bye_at {
                    self.leave(index, now);
                    self.timers.set(now + T1_NS, index);
                } else {
                    self.timers.set(call.bye_at, index);
                }
            }
            // A provisional response stops the retransmissions of an INVITE: only giving up is left.
            State::Proceeding => self.timers.set(call.started + GIVE_UP_NS, index),
            _ => {
                if now - call.sent >= call.interval {
                    self.terms.sockets.send(Side::Caller, &call.request);
                    self.counts.retransmissions += 1;
                    call.sent = now;
                    call.interval = (call.interval * 2).min(T2_NS);
                }
                let at = call.sent + call.interval;
                self.timers.set(at, index);
            }
        }
    }

    fn leave(&mut self, index: usize, now: i64) {
        let call = &mut self.calls[index];
        call.state = State::Leaving;
        call.sequence += 1;
        let bye = self.in_dialog(index, "BYE");
        self.transmit(index, bye, now);
    }

    fn in_dialog(&self, index: usize, method: &str) -> Vec<u8> {
        let call = &self.calls[index];
        let (to, routes) = call.dialog.split_once('\n').unwrap_or((&call.dialog, ""));
        let branch = format!("{method}{}", call.sequence);
        let head = self.head(index, method, &branch, to);
        format!("{head}{routes}User-Agent: sealtone-loadgen\r\nContent-Length: 0\r\n\r\n")
            .into_bytes()
    }

    fn finish(&mut self, index: usize) {
        let call = &mut self.calls[index];
        call.state = State::Over;
        call.request = Vec::new();
        call.ack = Vec::new();
        self.open -= 1;
    }

    fn on_caller(&mut self, message: &Message<'_>, now: i64) {
        let Some(status) = message.status() else {
            // A request towards the caller: only a server that ends the call itself sends one.
            let sockets = self.terms.sockets;
            self.callees.on_message(sockets, message, Side::Caller, now);
            return;
        };
        let Some(index) = self.index_of(message) else {
            return;
        };
        match (message.method(), status) {
            ("INVITE", 100..=199) => self.on_provisional(index, status, now),
            ("INVITE", 200..=299) => self.on_answer(index, message, now),
            ("INVITE", _) => self.on_refusal(index, message, status, now),
            ("BYE", 200..) if self.calls[index].state == State::Leaving => {
                let call = &self.calls[index];
                if call.measured {
                    if status < 300 {
                        self.counts.completed += 1;
                        self.counts.ending.record_ns(now - call.bye_at);
                    } else {
                        *self.counts.refused.entry(status).or_default() += 1;
                    }
                }
                self.finish(index);
            }
            _ => {}
        }
    }

    fn index_of(&self, message: &Message<'_>) -> Option<usize> {
        let (marker, index) = message.get("Call-ID")?.strip_prefix('c')?.split_once('-')?;
        let ours = i64::from_str_radix(marker, 16).ok()? == self.marker;
        let index: usize = index.parse().ok()?;
        (ours && index < self.calls.len()).then_some(index)
    }

    fn on_provisional(&mut self, index: usize, status: u16, now: i64) {
        let call = &mut self.calls[index];
        if call.state == State::Inviting {
            call.state = State::Proceeding;
        }
        if status > 100 && call.state == State::Proceeding && !call.rung {
            call.rung = true;
            if call.measured {
                self.counts.ringing.record_ns(now - call.started);
            }
        }
    }

    fn on_answer(&mut self, index: usize, message: &Message<'_>, now: i64) {
        let call = &mut self.calls[index];
        match call.state {
            State::Inviting | State::Proceeding => {
                let to = message.get("To").unwrap_or("");
                let mut dialog = format!("{to}\n");
                for route in message.record_routes().iter().rev() {
                    dialog.push_str(&format!("Route: {route}\r\n"));
                }
                call.dialog = dialog;
                if let Some(target) = message.contact_uri() {
                    call.target = target.to_owned();
                }
                call.state = State::Talking;
                call.bye_at = now + self.terms.hold_ns;
                let bye_at = call.bye_at;
                let ack = self.in_dialog(index, "ACK");
                self.terms.sockets.send(Side::Caller, &ack);
                self.calls[index].ack = ack;
                self.timers.set(bye_at, index);
            }
            // The 200 again: our ACK was lost.
            _ => self.terms.sockets.send(Side::Caller, &call.ack),
        }
    }

    fn on_refusal(&mut self, index: usize, message: &Message<'_>, status: u16, now: i64) {
        let to = message.get("To").unwrap_or("").to_owned();
        let sequence = message.sequence();
        let current = self.calls[index].sequence;
        let branch = format!("i{sequence}");
        self.calls[index].sequence = sequence;
        let head = self.head(index, "ACK", &branch, &to);
        self.calls[index].sequence = current;
        let ack = format!("{head}Content-Length: 0\r\n\r\n");
        self.terms.sockets.send(Side::Caller, ack.as_bytes());
        let call = &self.calls[index];
        if sequence != current || !matches!(call.state, State::Inviting | State::Proceeding) {
            return;
        }
        if matches!(status, 401 | 407) && current == 1 {
            let user = &self.terms.users[index % (self.terms.users.len() / 2)];
            let algorithm = self.terms.algorithm;
            let target = &call.target;
            let answer = digest::answer(
                message,
                algorithm,
                &user.name,
                &user.secret,
                "INVITE",
                target,
            );
            if let Some(credentials) = answer {
                self.calls[index].sequence = 2;
                self.calls[index].state = State::Inviting;
                let invite = self.invite(index, &credentials);
                self.transmit(index, invite, now);
                self.timers.set(now + T1_NS, index);
                return;
            }
        }
        if call.measured {
            *self.counts.refused.entry(status).or_default() += 1;
        }
        self.finish(index);
    }

    fn report(&self, elapsed: i64) {
        let counts = &self.counts;
        say(&Object::new()
            .word("event", "result")
            .number("started", counts.started as f64)
            .number("completed", counts.completed as f64)
            .number("lost", counts.lost as f64)
            .counts("lost_in", counts.lost_in.iter())
            .counts("refused", counts.refused.iter())
            .number("retransmissions", counts.retransmissions as f64)
            .number(
                "callee_retransmissions",
                self.callees.retransmissions as f64,
            )
            .number("unfinished_callees", self.callees.unfinished() as f64)
            .number("elapsed_s", elapsed as f64 / 1e9)
            .raw("ringing", &counts.ringing.to_json())
            .raw("ending", &counts.ending.to_json())
            .finish());
    }
}

/// A session description of a phone with G.711.
pub fn session(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Kept here for the callee: what identifies its dialogs.
pub type Dialogs<T> = HashMap<String, T>;
