//! Digest credentials of a client (RFC 7616, RFC 8760): MD5 or SHA-256, qop auth or none.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::message::Message;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Algorithm::Md5 => hexadecimal(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hexadecimal(&Sha256::digest(text.as_bytes())),
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        text.push(DIGITS[usize::from(octet >> 4)] as char);
        text.push(DIGITS[usize::from(octet & 15)] as char);
    }
    text
}

/// The value of a parameter of a challenge, without quotes.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = challenge.strip_prefix("Digest")?.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = next.trim_start().trim_start_matches(',').trim_start();
    }
    None
}

/// The `Authorization` or `Proxy-Authorization` line that answers a 401 or 407; None if the
/// challenge offers no such algorithm.
pub fn answer(
    refusal: &Message<'_>,
    algorithm: Algorithm,
    user: &str,
    secret: &str,
    method: &str,
    uri: &str,
) -> Option<String> {
    let (asked, answered) = match refusal.status()? {
        401 => ("WWW-Authenticate", "Authorization"),
        407 => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => return None,
    };
    let challenge = refusal.all(asked).find(|challenge| {
        parameter(challenge, "algorithm")
            .unwrap_or("MD5")
            .eq_ignore_ascii_case(algorithm.name())
    })?;
    let realm = parameter(challenge, "realm")?;
    let nonce = parameter(challenge, "nonce")?;
    let ha1 = algorithm.hash(&format!("{user}:{realm}:{secret}"));
    let ha2 = algorithm.hash(&format!("{method}:{uri}"));
    let name = algorithm.name();
    let mut line = format!(
        "{answered}: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={name}"
    );
    let offered = parameter(challenge, "qop").unwrap_or("");
    let response = if offered.split(',').any(|qop| qop.trim() == "auth") {
        line.push_str(", qop=auth, cnonce=\"5ea170ne\", nc=00000001");
        algorithm.hash(&format!("{ha1}:{nonce}:00000001:5ea170ne:auth:{ha2}"))
    } else {
        algorithm.hash(&format!("{ha1}:{nonce}:{ha2}"))
    };
    if let Some(opaque) = parameter(challenge, "opaque") {
        line.push_str(&format!(", opaque=\"{opaque}\""));
    }
    line.push_str(&format!(", response=\"{response}\"\r\n"));
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::{answer, parameter, Algorithm};
    use crate::sip::message::Message;

    #[test]
    fn the_example_of_rfc_2617_without_qop_is_reproduced() {
        let refusal = b"SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"testrealm@host.com\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"\r\n\r\n";
        let message = Message::parse(refusal).expect("parses");
        let line = answer(
            &message,
            Algorithm::Md5,
            "Mufasa",
            "Circle Of Life",
            "GET",
            "/dir/index.html",
        )
        .expect("answers");
        assert!(
            line.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""),
            "{line}"
        );
    }

    #[test]
    fn a_challenge_of_another_algorithm_is_passed_over() {
        let refusal = b"SIP/2.0 407 Proxy Authentication Required\r\n\
            Proxy-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n\
            Proxy-Authenticate: Digest realm=\"r\", nonce=\"n2\", algorithm=MD5, qop=\"auth,auth-int\"\r\n\r\n";
        let message = Message::parse(refusal).expect("parses");
        let line = answer(&message, Algorithm::Md5, "u", "s", "INVITE", "sip:x").expect("answers");
        assert!(line.starts_with("Proxy-Authorization: ") && line.contains("nonce=\"n2\""));
        assert!(line.contains("qop=auth, cnonce="));
    }

    #[test]
    fn parameters_are_found_with_and_without_quotes() {
        let challenge = "Digest realm=\"a, b=c\", algorithm=MD5,stale=FALSE";
        assert_eq!(parameter(challenge, "realm"), Some("a, b=c"));
        assert_eq!(parameter(challenge, "algorithm"), Some("MD5"));
        assert_eq!(parameter(challenge, "stale"), Some("FALSE"));
        assert_eq!(parameter(challenge, "qop"), None);
    }
}
