//! `media-load [--ip 127.0.0.1] [--cpu N]`: the phones of a media benchmark.
//!
//! Says `{"event":"ready","ports":[A,B]}`, then takes lines on standard input:
//! * `leg RELAY_PORT [SUITE TX_KEY TX_SALT RX_KEY RX_SALT]` adds a phone (A of a call, then
//!   B); keys in hexadecimal, TX is what the phone sends with;
//! * `run CALLS WARM_UP_MS MS:RATE[,MS:RATE…]` loads the first CALLS calls; MS is a multiple
//!   of 100, RATE 1 is 50 packets a second a phone. Events `measuring`, `measured`, `result`;
//! * `quit`.

use std::io::BufRead;
use std::net::Ipv4Addr;

use sealtone_loadgen::json::say;
use sealtone_loadgen::media::{Phase, Phones, Run, BUCKET_NS};
use sealtone_loadgen::srtp::{Inbound, Outbound};
use sealtone_loadgen::sys;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let position = arguments.iter().position(|word| word == name)?;
        arguments.get(position + 1).cloned()
    };
    if let Some(cpu) = option("--cpu") {
        sys::pin_to_cpu(cpu.parse()?)?;
    }
    let ip: Ipv4Addr = option("--ip").as_deref().unwrap_or("127.0.0.1").parse()?;
    let mut phones = Phones::new(ip)?;
    let [a, b] = phones.ports();
    say(&format!("{{\"event\":\"ready\",\"ports\":[{a},{b}]}}"));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first().copied() {
            Some("leg") => add_leg(&mut phones, &words[1..])?,
            Some("run") => phones.run(&parse_run(&phones, &words[1..])?),
            Some("quit") => break,
            Some(other) => return Err(format!("unknown command {other}").into()),
            None => {}
        }
    }
    Ok(())
}

fn add_leg(phones: &mut Phones, words: &[&str]) -> Result<(), Failure> {
    match words {
        [port] => phones.add_leg(port.parse()?, Outbound::plain(), Inbound::plain()),
        [port, suite, tx_key, tx_salt, rx_key, rx_salt] => phones.add_leg(
            port.parse()?,
            Outbound::srtp(suite, tx_key, tx_salt)?,
            Inbound::srtp(suite, rx_key, rx_salt)?,
        ),
        _ => return Err("leg RELAY_PORT [SUITE TX_KEY TX_SALT RX_KEY RX_SALT]".into()),
    }
    Ok(())
}

fn parse_run(phones: &Phones, words: &[&str]) -> Result<Run, Failure> {
    let [calls, warm_up, phases] = words else {
        return Err("run CALLS WARM_UP_MS MS:RATE[,MS:RATE...]".into());
    };
    let calls: usize = calls.parse()?;
    if calls == 0 || calls * 2 > phones.leg_count() {
        return Err(format!("{calls} calls asked, {} legs known", phones.leg_count()).into());
    }
    let phases = phases
        .split(',')
        .map(|phase| {
            let (ms, rate) = phase.split_once(':').ok_or("a phase is MS:RATE")?;
            let length_ns = ms.parse::<i64>()? * 1_000_000;
            if length_ns <= 0 || length_ns % BUCKET_NS != 0 {
                return Err("the length of a phase is a multiple of 100 ms".into());
            }
            Ok(Phase {
                length_ns,
                rate: rate.parse()?,
            })
        })
        .collect::<Result<Vec<Phase>, Failure>>()?;
    Ok(Run {
        calls,
        warm_up_ns: warm_up.parse::<i64>()? * 1_000_000,
        phases,
    })
}
