//! `codec-load WAV A B`: the phones of a transcoding benchmark. WAV is mono speech at 16 kHz; A and B are the codecs of
//! the phones on either side, such as `pcmu`, `opus`, `g729`, `silk/16000`, `ilbc`.
//!
//! What the phones send is encoded beforehand, so that the generator costs little; what they hear is counted, and that
//! of the first call is kept and decoded at the end. Says `{"event":"ready","ports":[A,B]}`, then takes lines:
//! * `leg RELAY_PORT` adds a phone (A of a call, then B);
//! * `run CALLS WARM_UP_MS MS` loads the first CALLS calls; events `measuring`, `measured`, `result`;
//! * `keep A.wav B.wav` writes what the phones of the first call heard in the last run, at 8 kHz;
//! * `quit`.

use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use sealtone_codec::{load, open, CodecKind, CodecSpec, Resampler};
use sealtone_loadgen::histogram::Histogram;
use sealtone_loadgen::json::say;
use sealtone_loadgen::sys;

type Failure = Box<dyn std::error::Error>;

const SPEECH_RATE: u32 = 16_000;
const HEARD_RATE: u32 = 8_000;
const SECOND_NS: i64 = 1_000_000_000;
/// A dynamic payload type for codecs that have none of their own.
const DYNAMIC: u8 = 96;

/// What the phones of one side speak.
struct Side {
    spec: CodecSpec,
    payload_type: u8,
    payloads: Vec<Vec<u8>>,
    line: UdpSocket,
    kept: Vec<(u16, Vec<u8>)>,
}

struct Leg {
    relay: SocketAddrV4,
    sequence: u16,
    timestamp: u32,
    /// Where in the speech this phone is: not all say the same at once.
    place: usize,
    due_ns: i64,
    heard_ns: i64,
}

struct Tally {
    sent: [u64; 2],
    received: [u64; 2],
    gaps: Histogram,
    late: u64,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, wav, a, b] = arguments.as_slice() else {
        return Err("codec-load WAV A B".into());
    };
    load();
    let speech = read_wav(wav)?;
    let mut sides = [side(&speech, a)?, side(&speech, b)?];
    let mut legs: Vec<Leg> = Vec::new();
    let ports: Vec<u16> = sides
        .iter()
        .map(|side| Ok(side.line.local_addr()?.port()))
        .collect::<Result<_, std::io::Error>>()?;
    say(&format!(
        "{{\"event\":\"ready\",\"ports\":[{},{}]}}",
        ports[0], ports[1]
    ));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["leg", port] => legs.push(Leg {
                relay: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port.parse()?),
                sequence: 0,
                timestamp: 0,
                place: legs.len() * 37,
                due_ns: 0,
                heard_ns: 0,
            }),
            ["run", calls, warm_up, ms] => {
                let count = 2 * calls.parse::<usize>()?;
                if count == 0 || count > legs.len() {
                    return Err(format!("{calls} calls asked, {} legs known", legs.len()).into());
                }
                run(
                    &mut sides,
                    &mut legs[..count],
                    warm_up.parse()?,
                    ms.parse()?,
                )?;
            }
            ["keep", first, second] => {
                write_wav(first, &heard(&mut sides[0])?)?;
                write_wav(second, &heard(&mut sides[1])?)?;
                say("{\"event\":\"kept\"}");
            }
            ["quit"] => break,
            [] => {}
            _ => return Err(format!("unknown command {line}").into()),
        }
    }
    Ok(())
}

fn spec_of(text: &str) -> Result<CodecSpec, Failure> {
    let (name, detail) = text.split_once('/').unwrap_or((text, ""));
    let kind = CodecKind::from_encoding(name).ok_or_else(|| format!("no codec {text}"))?;
    let clock = match kind {
        CodecKind::Opus => 48_000,
        CodecKind::Silk | CodecKind::Speex => detail.parse()?,
        _ => 8_000,
    };
    Ok(CodecSpec::new(kind, clock))
}

/// The payload type that RFC 3551 gives a codec, else a dynamic one.
fn payload_type_of(kind: CodecKind) -> u8 {
    match kind {
        CodecKind::Pcmu => 0,
        CodecKind::Gsm => 3,
        CodecKind::Pcma => 8,
        CodecKind::G722 => 9,
        CodecKind::G729 => 18,
        _ => DYNAMIC,
    }
}

fn side(speech: &[i16], codec: &str) -> Result<Side, Failure> {
    let spec = spec_of(codec)?;
    let mut sound = Vec::new();
    Resampler::new(SPEECH_RATE, spec.sample_rate).process(speech, &mut sound);
    let mut encoder = open(&spec)?;
    let mut payloads = Vec::new();
    for frame in sound.chunks_exact(spec.packet_samples()) {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload)?;
        payloads.push(payload);
    }
    let line = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    line.set_nonblocking(true)?;
    sys::set_buffers(line.as_raw_fd(), 32 << 20);
    Ok(Side {
        spec,
        payload_type: payload_type_of(spec.kind),
        payloads,
        line,
        kept: Vec::new(),
    })
}

fn run(sides: &mut [Side; 2], legs: &mut [Leg], warm_up_ms: i64, ms: i64) -> Result<(), Failure> {
    let mut packet = [0_u8; 2048];
    for side in sides.iter_mut() {
        while side.line.recv_from(&mut packet).is_ok() {}
        side.kept.clear();
    }
    let mut leg_of_port = vec![u32::MAX; 65_536];
    let count = legs.len() as i64;
    let begin = sys::monotonic_ns() + 5_000_000;
    for (index, leg) in legs.iter_mut().enumerate() {
        leg_of_port[usize::from(leg.relay.port())] = index as u32;
        let interval = interval_ns(&sides[index % 2].spec);
        // Neighbours in the table are far apart in time: no two calls are in step.
        leg.due_ns = begin + interval * ((index as i64 * 7_919) % count) / count;
        leg.heard_ns = 0;
    }
    let measured_from = begin + warm_up_ms * 1_000_000;
    let end = measured_from + ms * 1_000_000;
    let mut tally = Tally {
        sent: [0; 2],
        received: [0; 2],
        gaps: Histogram::new(),
        late: 0,
    };
    let mut order: Vec<usize> = (0..legs.len()).collect();
    order.sort_by_key(|&index| legs[index].due_ns);
    let mut queue: std::collections::BinaryHeap<std::cmp::Reverse<(i64, usize)>> = order
        .iter()
        .map(|&index| std::cmp::Reverse((legs[index].due_ns, index)))
        .collect();
    let mut measuring = false;
    loop {
        let now = sys::monotonic_ns();
        if now >= measured_from && !measuring {
            measuring = true;
            say("{\"event\":\"measuring\"}");
        }
        if now >= end {
            break;
        }
        let mut burst = 0;
        while let Some(&std::cmp::Reverse((due, index))) = queue.peek() {
            if due > now || burst == 64 {
                break;
            }
            queue.pop();
            let side = &sides[index % 2];
            speak(side, &mut legs[index]);
            queue.push(std::cmp::Reverse((due + interval_ns(&side.spec), index)));
            if measuring {
                tally.sent[index % 2] += 1;
                tally.late += u64::from(now - due > 5_000_000);
            }
            burst += 1;
        }
        for which in 0..2 {
            listen(
                &mut sides[which],
                which,
                legs,
                &leg_of_port,
                measuring.then_some(&mut tally),
            );
        }
        if burst == 0 {
            let next = queue.peek().map_or(end, |&std::cmp::Reverse((due, _))| due);
            sys::sleep_until_monotonic_ns(next.min(sys::monotonic_ns() + 500_000));
        }
    }
    say("{\"event\":\"measured\"}");
    let expected: Vec<f64> = sides
        .iter()
        .map(|side| count as f64 / 2.0 * (ms * 1_000_000) as f64 / interval_ns(&side.spec) as f64)
        .collect();
    say(&format!(
        "{{\"event\":\"result\",\"sent\":[{},{}],\"received\":[{},{}],\"expected\":[{:.0},{:.0}],\
         \"late\":{},\"gap_p50_us\":{},\"gap_p99_us\":{}}}",
        tally.sent[0],
        tally.sent[1],
        tally.received[0],
        tally.received[1],
        expected[0],
        expected[1],
        tally.late,
        tally.gaps.quantile_us(0.5),
        tally.gaps.quantile_us(0.99),
    ));
    Ok(())
}

fn interval_ns(spec: &CodecSpec) -> i64 {
    i64::from(spec.packet_ms) * SECOND_NS / 1_000
}

fn speak(side: &Side, leg: &mut Leg) {
    let payload = &side.payloads[leg.place % side.payloads.len()];
    let mut packet = Vec::with_capacity(12 + payload.len());
    packet.extend([0x80, side.payload_type]);
    packet.extend(leg.sequence.to_be_bytes());
    packet.extend(leg.timestamp.to_be_bytes());
    packet.extend((0x2000_0000_u32 + u32::from(leg.relay.port())).to_be_bytes());
    packet.extend(payload);
    leg.place += 1;
    leg.sequence = leg.sequence.wrapping_add(1);
    let ticks = side.spec.clock_rate * u32::from(side.spec.packet_ms) / 1_000;
    leg.timestamp = leg.timestamp.wrapping_add(ticks);
    // A full queue is the relay's loss, and counted as such where it is missed.
    let _ = side.line.send_to(&packet, leg.relay);
}

fn listen(
    side: &mut Side,
    which: usize,
    legs: &mut [Leg],
    leg_of_port: &[u32],
    mut tally: Option<&mut Tally>,
) {
    let mut packet = [0_u8; 2048];
    for _ in 0..64 {
        let Ok((length, source)) = side.line.recv_from(&mut packet) else {
            return;
        };
        let Some(leg) = legs.get_mut(leg_of_port[usize::from(source.port())] as usize) else {
            continue;
        };
        if length <= 12 || packet[1] & 0x7f != side.payload_type {
            continue;
        }
        let now = sys::monotonic_ns();
        if let Some(tally) = tally.as_deref_mut() {
            tally.received[which] += 1;
            if leg.heard_ns != 0 {
                tally.gaps.record_ns(now - leg.heard_ns);
            }
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            if leg_of_port[usize::from(source.port())] == which as u32 {
                side.kept.push((sequence, packet[12..length].to_vec()));
            }
        }
        leg.heard_ns = now;
    }
}

/// What the phone of the first call heard, decoded as it came.
fn heard(side: &mut Side) -> Result<Vec<i16>, Failure> {
    let mut decoder = open(&side.spec)?;
    let (mut sound, mut out) = (Vec::new(), Vec::new());
    for (_, payload) in &side.kept {
        if decoder.decode(payload, &mut sound).is_err() {
            decoder.conceal(side.spec.packet_samples(), &mut sound);
        }
    }
    Resampler::new(side.spec.sample_rate, HEARD_RATE).process(&sound, &mut out);
    Ok(out)
}

fn read_wav(path: &str) -> Result<Vec<i16>, Failure> {
    let data = std::fs::read(path)?;
    let at = data
        .windows(4)
        .position(|four| four == b"data")
        .ok_or("no sound in the file")?;
    Ok(data[at + 8..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect())
}

fn write_wav(path: &str, sound: &[i16]) -> Result<(), Failure> {
    let size = sound.len() as u32 * 2;
    let mut out = Vec::with_capacity(44 + sound.len() * 2);
    out.extend(b"RIFF");
    out.extend((36 + size).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    out.extend(1_u16.to_le_bytes());
    out.extend(1_u16.to_le_bytes());
    out.extend(HEARD_RATE.to_le_bytes());
    out.extend((HEARD_RATE * 2).to_le_bytes());
    out.extend(2_u16.to_le_bytes());
    out.extend(16_u16.to_le_bytes());
    out.extend(b"data");
    out.extend(size.to_le_bytes());
    sound
        .iter()
        .for_each(|sample| out.extend(sample.to_le_bytes()));
    std::fs::write(path, out)?;
    Ok(())
}
