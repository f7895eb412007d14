//! Header values in their plain forms. Each type is what the Python class of that name holds.

/// Most parameters of one value; more are not plain.
const MOST_PARAMS: usize = 32;

/// Parameters in order; a value where there is "=".
pub type Params<'a> = Vec<(&'a str, Option<&'a str>)>;

/// From, To, Contact, Route: a display name, a URI, parameters.
#[derive(Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The display name without its quotes.
    pub display: &'a str,
    /// The URI between the angle brackets.
    pub uri: &'a str,
    /// What follows the brackets.
    pub params: Params<'a>,
}

/// One Via.
#[derive(Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// UDP, TCP, TLS, WS or WSS.
    pub transport: &'a str,
    /// Host name or IPv4 address.
    pub host: &'a str,
    /// The port, if it is named.
    pub port: Option<u16>,
    /// Branch, rport and so on.
    pub params: Params<'a>,
}

/// `CSeq`.
#[derive(Debug, PartialEq, Eq)]
pub struct Sequence<'a> {
    /// Below 2**31.
    pub number: u32,
    /// The method.
    pub method: &'a str,
}

impl<'a> Address<'a> {
    /// `"Display" <uri>;params` or `Display <uri>;params`, without escapes. A tag may not be empty.
    pub fn read(value: &'a str) -> Option<Self> {
        let (before, rest) = if let Some(quoted) = value.strip_prefix('"') {
            let (display, rest) = quoted.split_once('"')?;
            if display.contains('\\') {
                return None;
            }
            (display, rest.trim_start_matches(' ').strip_prefix('<')?)
        } else {
            let (display, rest) = value.split_once('<')?;
            if !all_in(display.as_bytes(), DISPLAY) {
                return None;
            }
            (display.trim_matches(' '), rest)
        };
        let (uri, tail) = rest.split_once('>')?;
        let params = if tail.is_empty() {
            Vec::new()
        } else {
            read_params(tail.strip_prefix(';')?, PARAM)?
        };
        let has_empty_tag = params.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("tag") && value.unwrap_or("").is_empty()
        });
        (!has_empty_tag && is_plain_uri(uri)).then_some(Self {
            display: before,
            uri,
            params,
        })
    }
}

impl<'a> Via<'a> {
    /// `SIP/2.0/UDP host:port;params`.
    pub fn read(value: &'a str) -> Option<Self> {
        let (transport, rest) = value.strip_prefix("SIP/2.0/")?.split_once(' ')?;
        if !matches!(transport, "UDP" | "TCP" | "TLS" | "WS" | "WSS") {
            return None;
        }
        let (sent_by, params) = rest.split_once(';')?;
        let (host, port) = read_host_port(sent_by)?;
        Some(Self {
            transport,
            host,
            port,
            params: read_params(params, PARAM)?,
        })
    }
}

impl<'a> Sequence<'a> {
    /// A number, one space, a method in capitals.
    pub fn read(value: &'a str) -> Option<Self> {
        let (number, method) = value.split_once(' ')?;
        if method.is_empty() || !method.bytes().all(|octet| octet.is_ascii_uppercase()) {
            return None;
        }
        let number = u32::try_from(decimal(number, (1 << 31) - 1)?).ok()?;
        Some(Self { number, method })
    }
}

/// Whether `text` is a SIP or SIPS URI without escapes, password, headers or IPv6: `sip:user@host:port;params`.
pub fn is_plain_uri(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix("sip:")
        .or_else(|| text.strip_prefix("sips:"))
    else {
        return false;
    };
    let (address, params) = match rest.split_once(';') {
        Some((address, params)) => (address, Some(params)),
        None => (rest, None),
    };
    let host_port = match address.split_once('@') {
        Some((user, host_port)) => {
            if user.is_empty() || !all_in(user.as_bytes(), USER) {
                return false;
            }
            host_port
        }
        None => address,
    };
    let params = params.is_none_or(|params| read_params(params, URI_PARAM).is_some());
    params && read_host_port(host_port).is_some()
}

fn read_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(u16::try_from(decimal(port, 65_535)?).ok()?)),
        None => (text, None),
    };
    let begins_well = host
        .bytes()
        .next()
        .is_some_and(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    (begins_well && all_in(host.as_bytes(), HOST)).then_some((host, port))
}

/// `a;b=c`, without quotes and white space; values of octets of the class `plain`.
fn read_params(text: &str, plain: u8) -> Option<Params<'_>> {
    let mut params = Vec::with_capacity(3);
    for part in text.split(';') {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (part, None),
        };
        if params.len() == MOST_PARAMS
            || name.is_empty()
            || !all_in(name.as_bytes(), TOKEN | plain)
            || !all_in(value.unwrap_or("").as_bytes(), plain)
        {
            return None;
        }
        params.push((name, value));
    }
    Some(params)
}

/// A number in at most ten digits, at most `limit`.
pub fn decimal(text: &str, limit: u64) -> Option<u64> {
    if text.is_empty() || text.len() > 10 || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&number| number <= limit)
}

/// A token of RFC 3261, section 25.1.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && all_in(text.as_bytes(), TOKEN)
}

/// Whether `text` begins with something that can stand in a token.
pub fn begins_as_token(text: &str) -> bool {
    text.bytes().next().is_some_and(|octet| is_in(octet, TOKEN))
}

// Classes of octets, one bit each: a look into a table costs less than comparing with each octet of a class.
const TOKEN: u8 = 1;
/// What stands plainly in the parameters of a header.
const PARAM: u8 = 2;
/// What stands plainly in the user part of a URI.
const USER: u8 = 4;
/// What stands plainly in the parameters of a URI: no escape, and no "@", which would begin the host.
const URI_PARAM: u8 = 8;
const HOST: u8 = 16;
/// A display name without quotes.
const DISPLAY: u8 = 32;
/// ASCII control characters.
pub const CONTROL: u8 = 64;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut octet = 0_u8;
    loop {
        let mut class = 0;
        if octet.is_ascii_control() {
            class = CONTROL;
        } else if octet.is_ascii_alphanumeric() {
            class = TOKEN | PARAM | USER | URI_PARAM | HOST | DISPLAY;
        } else {
            if holds(b"-.!%*_+`'~", octet) {
                class |= TOKEN | PARAM | DISPLAY;
            }
            if holds(b":@[]/&$=", octet) {
                class |= PARAM;
            }
            if holds(b"-_.!~*+#", octet) {
                class |= USER;
            }
            if holds(b"-_.!~*'+:", octet) {
                class |= URI_PARAM;
            }
            if holds(b"_.-", octet) {
                class |= HOST;
            }
            if octet == b' ' {
                class |= DISPLAY;
            }
        }
        classes[octet as usize] = class;
        if octet == u8::MAX {
            return classes;
        }
        octet += 1;
    }
}

const fn holds(octets: &[u8], wanted: u8) -> bool {
    let mut place = 0;
    while place < octets.len() {
        if octets[place] == wanted {
            return true;
        }
        place += 1;
    }
    false
}

/// Whether `octet` is in every one of `classes`.
pub fn is_in(octet: u8, classes: u8) -> bool {
    CLASSES[usize::from(octet)] & classes == classes
}

fn all_in(octets: &[u8], classes: u8) -> bool {
    octets.iter().all(|&octet| is_in(octet, classes))
}
