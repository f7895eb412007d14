//! Registrations with digest: REGISTER, 401, REGISTER with credentials, 200; a fixed number under way at any time.

use std::collections::BTreeMap;

use crate::histogram::Histogram;
use crate::json::{say, Object};
use crate::sys;

use super::digest::{self, Algorithm};
use super::message::Message;
use super::sockets::{Side, Sockets, Timers};

const T1_NS: i64 = 500_000_000;
const GIVE_UP_NS: i64 = 8_000_000_000;

pub struct User {
    pub name: String,
    pub secret: String,
}

/// Who registers where.
pub struct Terms<'a> {
    pub sockets: &'a Sockets,
    pub users: &'a [User],
    pub domain: &'a str,
    pub algorithm: Algorithm,
}

pub enum Amount {
    /// Every user once.
    Everyone,
    /// User after user, again and again, after a warm-up: both in ns.
    For { warm_up_ns: i64, length_ns: i64 },
}

struct Attempt {
    user: usize,
    serial: u64,
    sequence: u32,
    request: Vec<u8>,
    started: i64,
    sent: i64,
    interval: i64,
    over: bool,
    measured: bool,
}

#[derive(Default)]
struct Counts {
    done: u64,
    lost: u64,
    refused: BTreeMap<u16, u64>,
    retransmissions: u64,
    latency: Histogram,
}

/// Registers and says `measuring`, `measured` (for a timed amount) and `result`.
pub fn register(terms: &Terms<'_>, concurrency: usize, amount: Amount) {
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut timers: Timers<usize> = Timers::default();
    let mut counts = Counts::default();
    let start = sys::monotonic_ns();
    let (measure_from, until) = match amount {
        Amount::Everyone => (start, i64::MAX),
        Amount::For {
            warm_up_ns,
            length_ns,
        } => (start + warm_up_ns, start + warm_up_ns + length_ns),
    };
    let timed = until != i64::MAX;
    let (mut said_measuring, mut said_measured) = (!timed, !timed);
    let (mut under_way, mut next_user) = (0usize, 0usize);
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
        let more = if timed {
            now < until
        } else {
            next_user < terms.users.len()
        };
        if !more && under_way == 0 {
            break;
        }
        while under_way < concurrency && (timed || next_user < terms.users.len()) && now < until {
            begin(terms, next_user, now, now >= measure_from, &mut attempts);
            timers.set(now + T1_NS, attempts.len() - 1);
            next_user += 1;
            if timed {
                next_user %= terms.users.len();
            }
            under_way += 1;
        }
        while let Some(index) = timers.due(now) {
            under_way -= on_timer(
                terms,
                &mut attempts[index],
                index,
                now,
                &mut timers,
                &mut counts,
            );
        }
        while let Some(length) = terms.sockets.receive(Side::Callee, &mut buffer) {
            if let Some(message) = Message::parse(&buffer[..length]) {
                let now = sys::monotonic_ns();
                under_way -= on_response(terms, &message, now, until, &mut attempts, &mut counts);
            }
        }
        let wake = timers.next_at().unwrap_or(now).min(now + 20_000_000);
        terms.sockets.wait(wake - sys::monotonic_ns());
    }
    if !timed {
        elapsed = sys::monotonic_ns() - start;
    }
    say(&Object::new()
        .word("event", "result")
        .number("done", counts.done as f64)
        .number("lost", counts.lost as f64)
        .counts("refused", counts.refused.iter())
        .number("retransmissions", counts.retransmissions as f64)
        .number("elapsed_s", elapsed as f64 / 1e9)
        .raw("latency", &counts.latency.to_json())
        .finish());
}

fn begin(terms: &Terms<'_>, user: usize, now: i64, measured: bool, attempts: &mut Vec<Attempt>) {
    let mut attempt = Attempt {
        user,
        serial: attempts.len() as u64,
        sequence: 1,
        request: Vec::new(),
        started: now,
        sent: now,
        interval: T1_NS,
        over: false,
        measured,
    };
    attempt.request = build(terms, &attempt, start_marker(terms), "");
    terms.sockets.send(Side::Callee, &attempt.request);
    attempts.push(attempt);
}

/// Tells the attempts of one run from those of an earlier one.
fn start_marker(terms: &Terms<'_>) -> u16 {
    terms.sockets.ports[0]
}

fn build(terms: &Terms<'_>, attempt: &Attempt, marker: u16, credentials: &str) -> Vec<u8> {
    let port = terms.sockets.ports[Side::Callee as usize];
    let (domain, user) = (terms.domain, &terms.users[attempt.user].name);
    let (serial, sequence, started) = (attempt.serial, attempt.sequence, attempt.started);
    format!(
        "REGISTER sip:{domain} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKr{started:x}.{serial}.{sequence}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{user}@{domain}>;tag=r{serial}\r\n\
         To: <sip:{user}@{domain}>\r\n\
         Call-ID: r{marker}-{started:x}-{serial}\r\n\
         CSeq: {sequence} REGISTER\r\n\
         Contact: <sip:{user}@127.0.0.1:{port}>\r\n\
         Expires: 3600\r\n\
         {credentials}User-Agent: sealtone-loadgen\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// 1 when the attempt ended here.
fn on_timer(
    terms: &Terms<'_>,
    attempt: &mut Attempt,
    index: usize,
    now: i64,
    timers: &mut Timers<usize>,
    counts: &mut Counts,
) -> usize {
    if attempt.over {
        return 0;
    }
    if now - attempt.started > GIVE_UP_NS {
        attempt.over = true;
        counts.lost += u64::from(attempt.measured);
        return 1;
    }
    if now - attempt.sent >= attempt.interval {
        terms.sockets.send(Side::Callee, &attempt.request);
        counts.retransmissions += 1;
        attempt.sent = now;
        attempt.interval *= 2;
    }
    timers.set(attempt.sent + attempt.interval, index);
    0
}

/// 1 when an attempt ended here.
fn on_response(
    terms: &Terms<'_>,
    message: &Message<'_>,
    now: i64,
    until: i64,
    attempts: &mut [Attempt],
    counts: &mut Counts,
) -> usize {
    let call_id = message.get("Call-ID").unwrap_or("");
    let mut parts = call_id.rsplit('-');
    let serial: Option<usize> = parts.next().and_then(|word| word.parse().ok());
    let started = parts
        .next()
        .and_then(|word| i64::from_str_radix(word, 16).ok());
    let Some(attempt) = serial.and_then(|index| attempts.get_mut(index)) else {
        return 0;
    };
    let status = message.status().unwrap_or(0);
    let stale = attempt.over || started != Some(attempt.started) || status < 200;
    if stale || message.sequence() != attempt.sequence {
        return 0;
    }
    if matches!(status, 401 | 407) && attempt.sequence == 1 {
        let user = &terms.users[attempt.user];
        let uri = format!("sip:{}", terms.domain);
        let algorithm = terms.algorithm;
        let answer = digest::answer(
            message,
            algorithm,
            &user.name,
            &user.secret,
            "REGISTER",
            &uri,
        );
        if let Some(credentials) = answer {
            attempt.sequence = 2;
            attempt.request = build(terms, attempt, start_marker(terms), &credentials);
            attempt.sent = now;
            attempt.interval = T1_NS;
            terms.sockets.send(Side::Callee, &attempt.request);
            return 0;
        }
    }
    attempt.over = true;
    if attempt.measured && now < until {
        if status < 300 {
            counts.done += 1;
            counts.latency.record_ns(now - attempt.started);
        } else {
            *counts.refused.entry(status).or_default() += 1;
        }
    }
    attempt.request = Vec::new();
    1
}
