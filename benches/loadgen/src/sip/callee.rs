//! The called phones: 180 at once, 200 after a while, again until the ACK comes, and 200 to BYE.

use super::load::{session, Dialogs};
use super::message::{has_tag, Message};
use super::sockets::{Side, Sockets, Timers};

const T1_NS: i64 = 500_000_000;
const T2_NS: i64 = 4_000_000_000;
const MOST_ANSWERS: u32 = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ringing,
    Answered,
    Confirmed,
}

struct Dialog {
    state: State,
    serial: u64,
    last_response: Vec<u8>,
    answer: Vec<u8>,
    interval: i64,
    answers: u32,
}

pub struct Callees {
    dialogs: Dialogs<Dialog>,
    timers: Timers<(u64, String)>,
    ring_ns: i64,
    serial: u64,
    pub retransmissions: u64,
}

impl Callees {
    pub fn new(ring_ns: i64) -> Self {
        Callees {
            dialogs: Dialogs::new(),
            timers: Timers::default(),
            ring_ns,
            serial: 0,
            retransmissions: 0,
        }
    }

    pub fn next_at(&self) -> Option<i64> {
        self.timers.next_at()
    }

    /// Dialogs that no BYE has ended yet.
    pub fn unfinished(&self) -> usize {
        self.dialogs.len()
    }

    pub fn on_time(&mut self, sockets: &Sockets, now: i64) {
        while let Some((serial, call_id)) = self.timers.due(now) {
            let Some(dialog) = self.dialogs.get_mut(&call_id) else {
                continue;
            };
            if dialog.serial != serial || dialog.state == State::Confirmed {
                continue;
            }
            if dialog.state == State::Answered {
                self.retransmissions += 1;
            }
            dialog.state = State::Answered;
            sockets.send(Side::Callee, &dialog.answer);
            dialog.answers += 1;
            if dialog.answers < MOST_ANSWERS {
                self.timers.set(now + dialog.interval, (serial, call_id));
                dialog.interval = (dialog.interval * 2).min(T2_NS);
            }
        }
    }

    /// A request to a phone; responses are not expected here.
    pub fn on_message(&mut self, sockets: &Sockets, message: &Message<'_>, side: Side, now: i64) {
        if message.status().is_some() {
            return;
        }
        let call_id = message.get("Call-ID").unwrap_or("");
        match message.method() {
            "INVITE" => self.on_invite(sockets, message, call_id, now),
            "ACK" => {
                if let Some(dialog) = self.dialogs.get_mut(call_id) {
                    dialog.state = State::Confirmed;
                }
            }
            "BYE" => {
                self.dialogs.remove(call_id);
                sockets.send(side, &response(message, "200 OK", 0, "", ""));
            }
            _ => sockets.send(side, &response(message, "200 OK", 0, "", "")),
        }
    }

    fn on_invite(&mut self, sockets: &Sockets, message: &Message<'_>, call_id: &str, now: i64) {
        if let Some(dialog) = self.dialogs.get(call_id) {
            let again = match dialog.state {
                State::Ringing => &dialog.last_response,
                _ => &dialog.answer,
            };
            sockets.send(Side::Callee, again);
            return;
        }
        self.serial += 1;
        let serial = self.serial;
        let port = sockets.ports[Side::Callee as usize];
        let contact = format!("Contact: <sip:callee@127.0.0.1:{port}>\r\n");
        let ringing = response(message, "180 Ringing", serial, &contact, "");
        let answer = response(message, "200 OK", serial, &contact, &session(30_002));
        sockets.send(Side::Callee, &ringing);
        self.timers
            .set(now + self.ring_ns, (serial, call_id.to_owned()));
        self.dialogs.insert(
            call_id.to_owned(),
            Dialog {
                state: State::Ringing,
                serial,
                last_response: ringing,
                answer,
                interval: T1_NS,
                answers: 0,
            },
        );
    }
}

fn response(message: &Message<'_>, status: &str, serial: u64, extra: &str, body: &str) -> Vec<u8> {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "Record-Route"] {
        for value in message.all(name) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let value = message.get(name).unwrap_or("");
        text.push_str(&format!("{name}: {value}"));
        if name == "To" && !has_tag(value) {
            text.push_str(&format!(";tag=e{serial}"));
        }
        text.push_str("\r\n");
    }
    text.push_str(extra);
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    let length = body.len();
    text.push_str(&format!("Content-Length: {length}\r\n\r\n{body}"));
    text.into_bytes()
}
