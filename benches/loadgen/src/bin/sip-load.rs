//! `sip-load --server IP:PORT --domain NAME [--cpu N] [--callee-port P] [--algorithm MD5|SHA-256]`
//!
//! Says `{"event":"ready","ports":[CALLER,CALLEE]}`, then takes lines on standard input:
//! * `user NAME SECRET` adds a SIP user; the first half of them calls the second half;
//! * `register CONCURRENCY` registers every user once; event `result`;
//! * `registrations CONCURRENCY WARM_UP_MS MS` registers again and again;
//! * `calls RATE WARM_UP_MS MS RING_MS HOLD_MS`; events `measuring`, `measured`, `result`;
//! * `quit`.

use std::io::BufRead;

use sealtone_loadgen::json::say;
use sealtone_loadgen::sip::digest::Algorithm;
use sealtone_loadgen::sip::load;
use sealtone_loadgen::sip::registrations::{self, Amount, User};
use sealtone_loadgen::sip::sockets::Sockets;
use sealtone_loadgen::sys;

type Failure = Box<dyn std::error::Error>;

fn milliseconds(word: &str) -> Result<i64, Failure> {
    Ok(word.parse::<i64>()? * 1_000_000)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let position = arguments.iter().position(|word| word == name)?;
        arguments.get(position + 1).cloned()
    };
    if let Some(cpu) = option("--cpu") {
        sys::pin_to_cpu(cpu.parse()?)?;
    }
    let server = option("--server").ok_or("--server IP:PORT is needed")?;
    let domain = option("--domain").ok_or("--domain NAME is needed")?;
    let callee_port = option("--callee-port").as_deref().unwrap_or("0").parse()?;
    let algorithm = match option("--algorithm").as_deref() {
        None | Some("MD5") => Algorithm::Md5,
        Some("SHA-256") => Algorithm::Sha256,
        Some(other) => return Err(format!("unknown algorithm {other}").into()),
    };
    let sockets = Sockets::new(server.parse()?, callee_port)?;
    let [caller, callee] = sockets.ports;
    say(&format!(
        "{{\"event\":\"ready\",\"ports\":[{caller},{callee}]}}"
    ));
    let mut users: Vec<User> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let terms = registrations::Terms {
            sockets: &sockets,
            users: &users,
            domain: &domain,
            algorithm,
        };
        match words[..] {
            ["user", name, secret] => users.push(User {
                name: name.to_owned(),
                secret: secret.to_owned(),
            }),
            ["register", concurrency] => {
                registrations::register(&terms, concurrency.parse()?, Amount::Everyone);
            }
            ["registrations", concurrency, warm_up, length] => {
                let amount = Amount::For {
                    warm_up_ns: milliseconds(warm_up)?,
                    length_ns: milliseconds(length)?,
                };
                registrations::register(&terms, concurrency.parse()?, amount);
            }
            ["calls", rate, warm_up, length, ring, hold] if users.len() >= 2 => {
                load::run(&load::Terms {
                    sockets: &sockets,
                    users: &users,
                    domain: &domain,
                    algorithm,
                    rate: rate.parse()?,
                    warm_up_ns: milliseconds(warm_up)?,
                    length_ns: milliseconds(length)?,
                    ring_ns: milliseconds(ring)?,
                    hold_ns: milliseconds(hold)?,
                });
            }
            ["quit"] => break,
            [] => {}
            _ => return Err(format!("cannot do {line:?}").into()),
        }
    }
    Ok(())
}
