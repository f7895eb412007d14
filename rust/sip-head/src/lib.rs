//! The quick reading of plain SIP messages.
//!
//! How it works. `sealtone.sip` in Python reads and validates every message there is. Nearly all that come are plain:
//! one element a header line, no folding, no escapes, nothing wrong. [`Reader::read`] takes those, in one pass, and
//! nothing else; for the rest it gives `None`, and Python reads with all its care.
//!
//! Rules.
//! 1. What is taken is read exactly as Python reads it, and `sealtone.sip.validate` has nothing against it. A property
//!    test on the Python side holds the two against each other (`tests/server/test_quick_reader.py`).
//! 2. In doubt: `None`. Nothing is refused here, nothing is repaired.
//! 3. No octet is looked at more than a fixed number of times.

mod value;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub use value::{Address, Params, Sequence, Via};

/// More header lines than this are not plain.
const MOST_LINES: usize = 128;

/// The header fields that every message is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    Route,
    RecordRoute,
    ContentLength,
    ContentType,
    MaxForwards,
    Expires,
    /// May stand once, and is read elsewhere.
    Single(u8),
    Other,
}

/// What a message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// Method and Request-URI.
    Request(&'a str, &'a str),
    /// Status and reason phrase.
    Response(u16, &'a str),
}

/// The name of a header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// A registered one: its place in [`Reader::names`].
    Known(usize),
    /// Any other, as it came.
    Other(&'a str),
}

/// A plain message, its values borrowed from the datagram.
#[derive(Debug)]
pub struct Head<'a> {
    /// The start line.
    pub start: Start<'a>,
    /// Header lines in order, values without the white space around them.
    pub lines: Vec<(Name<'a>, &'a str)>,
    /// Every Via, topmost first.
    pub vias: Vec<Via<'a>>,
    /// From.
    pub from: Address<'a>,
    /// To.
    pub to: Address<'a>,
    /// `CSeq`.
    pub cseq: Sequence<'a>,
    /// Every Contact.
    pub contacts: Vec<Address<'a>>,
    /// Every Route.
    pub routes: Vec<Address<'a>>,
    /// Every Record-Route.
    pub record_routes: Vec<Address<'a>>,
    /// The body, cut to Content-Length.
    pub body: &'a [u8],
}

/// Reads plain messages. It knows the spellings of header fields that it was told.
#[derive(Debug)]
pub struct Reader {
    names: Vec<String>,
    fields: Vec<Field>,
    spellings: HashMap<String, usize, BuildHasherDefault<Fnv1a>>,
}

/// FNV-1a. Names are short, and nothing that comes by the wire is put into the table, so that nobody can fill it with
/// collisions.
struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv1a {
    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Reader {
    /// A reader that turns each spelling (compact and lower-case ones among them) into its canonical name.
    pub fn new(spellings: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut reader = Self {
            names: Vec::new(),
            fields: Vec::new(),
            spellings: HashMap::default(),
        };
        let mut places = HashMap::new();
        for (spelling, name) in spellings {
            let place = *places.entry(name).or_insert_with_key(|name| {
                reader.fields.push(field_of(name));
                reader.names.push(name.clone());
                reader.names.len() - 1
            });
            reader.spellings.insert(spelling, place);
        }
        reader
    }

    /// The canonical names, by the place that [`Name::Known`] holds.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The message in `datagram`, if it is plain and nothing is wrong with it.
    #[must_use]
    pub fn read<'a>(&self, datagram: &'a [u8]) -> Option<Head<'a>> {
        let ends = line_ends(datagram)?;
        let (&first, &last) = (ends.first()?, ends.last()?);
        let head = std::str::from_utf8(&datagram[..last]).ok()?;
        let mut rest = &datagram[last + 4..];
        let start = read_start(&head[..first])?;

        let mut gathered = Gathered {
            lines: Vec::with_capacity(ends.len()),
            ..Gathered::default()
        };
        for pair in ends.windows(2) {
            let (spelling, value) = head[pair[0] + 2..pair[1]].split_once(':')?;
            let (name, field) = self.name_of(spelling)?;
            let value = value.trim_matches(' ');
            gathered.take(field, value)?;
            gathered.lines.push((name, value));
        }
        if let Some(length) = gathered.content_length {
            rest = rest.get(..length)?;
        }
        let head = gathered.complete(start, rest)?;
        head.is_sound(gathered.has_content_type).then_some(head)
    }

    fn name_of<'a>(&self, spelling: &'a str) -> Option<(Name<'a>, Field)> {
        let known = self.spellings.get(spelling).copied().or_else(|| {
            let lower = spelling.to_ascii_lowercase();
            self.spellings.get(lower.as_str()).copied()
        });
        if let Some(place) = known {
            return Some((Name::Known(place), self.fields[place]));
        }
        value::is_token(spelling).then_some((Name::Other(spelling), Field::Other))
    }
}

fn field_of(name: &str) -> Field {
    match name {
        "Via" => Field::Via,
        "From" => Field::From,
        "To" => Field::To,
        "Call-ID" => Field::CallId,
        "CSeq" => Field::CSeq,
        "Contact" => Field::Contact,
        "Route" => Field::Route,
        "Record-Route" => Field::RecordRoute,
        "Content-Length" => Field::ContentLength,
        "Content-Type" => Field::ContentType,
        "Max-Forwards" => Field::MaxForwards,
        "Expires" => Field::Expires,
        "Replaces" => Field::Single(1),
        "Refer-To" => Field::Single(2),
        "Session-Expires" => Field::Single(4),
        "RAck" => Field::Single(8),
        _ => Field::Other,
    }
}

/// Where each line of the head ends, the start line first. `None` where a control character stands in the head that is
/// not of a line end, and for too many lines.
fn line_ends(datagram: &[u8]) -> Option<Vec<usize>> {
    let mut ends = Vec::with_capacity(24);
    let mut at = 0;
    loop {
        let is_control = |&octet: &u8| value::is_in(octet, value::CONTROL);
        at += datagram[at..].iter().position(is_control)?;
        if !datagram[at..].starts_with(b"\r\n") || ends.len() > MOST_LINES {
            return None;
        }
        ends.push(at);
        at += 2;
        if datagram[at..].starts_with(b"\r\n") {
            return Some(ends);
        }
    }
}

fn read_start(line: &str) -> Option<Start<'_>> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (status, reason) = rest.split_once(' ')?;
        if status.len() != 3 {
            return None;
        }
        let status = value::decimal(status, 699)?;
        return (status >= 100).then_some(Start::Response(u16::try_from(status).ok()?, reason));
    }
    let (method, rest) = line.split_once(' ')?;
    let uri = rest.strip_suffix(" SIP/2.0")?;
    let plain = !method.is_empty() && method.bytes().all(|octet| octet.is_ascii_uppercase());
    (plain && value::is_plain_uri(uri)).then_some(Start::Request(method, uri))
}

/// What the lines have said so far.
#[derive(Default)]
struct Gathered<'a> {
    lines: Vec<(Name<'a>, &'a str)>,
    vias: Vec<Via<'a>>,
    from: Option<Address<'a>>,
    to: Option<Address<'a>>,
    cseq: Option<Sequence<'a>>,
    contacts: Vec<Address<'a>>,
    routes: Vec<Address<'a>>,
    record_routes: Vec<Address<'a>>,
    content_length: Option<usize>,
    has_call_id: bool,
    has_content_type: bool,
    has_max_forwards: bool,
    has_expires: bool,
    singles: u8,
}

impl<'a> Gathered<'a> {
    /// Takes a line in; `None` for what is not plain, or stands twice and may not.
    fn take(&mut self, field: Field, value: &'a str) -> Option<()> {
        match field {
            Field::Via => self.vias.push(Via::read(value)?),
            Field::From => once(&mut self.from, Address::read(value)?)?,
            Field::To => once(&mut self.to, Address::read(value)?)?,
            Field::CSeq => once(&mut self.cseq, Sequence::read(value)?)?,
            Field::CallId => {
                let plain =
                    !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_graphic());
                first(&mut self.has_call_id, plain)?;
            }
            Field::Contact => self.contacts.push(Address::read(value)?),
            Field::Route => self.routes.push(Address::read(value)?),
            Field::RecordRoute => self.record_routes.push(Address::read(value)?),
            Field::ContentLength => once(
                &mut self.content_length,
                usize::try_from(value::decimal(value, 999_999_999)?).ok()?,
            )?,
            Field::ContentType => first(&mut self.has_content_type, value::begins_as_token(value))?,
            Field::MaxForwards => first(
                &mut self.has_max_forwards,
                value::decimal(value, 255).is_some(),
            )?,
            Field::Expires => {
                let plain = value::decimal(value, u64::from(u32::MAX)).is_some();
                first(&mut self.has_expires, plain)?;
            }
            Field::Single(bit) => {
                let seen = self.singles & bit != 0;
                self.singles |= bit;
                return (!seen).then_some(());
            }
            Field::Other => {}
        }
        Some(())
    }

    fn complete(&mut self, start: Start<'a>, body: &'a [u8]) -> Option<Head<'a>> {
        if !self.has_call_id || self.vias.is_empty() {
            return None;
        }
        Some(Head {
            start,
            lines: std::mem::take(&mut self.lines),
            vias: std::mem::take(&mut self.vias),
            from: self.from.take()?,
            to: self.to.take()?,
            cseq: self.cseq.take()?,
            contacts: std::mem::take(&mut self.contacts),
            routes: std::mem::take(&mut self.routes),
            record_routes: std::mem::take(&mut self.record_routes),
            body,
        })
    }
}

impl Head<'_> {
    /// Whether `sealtone.sip.validate` has nothing against it.
    fn is_sound(&self, has_content_type: bool) -> bool {
        match self.start {
            Start::Request(method, _) => {
                let needs_contact = matches!(method, "INVITE" | "SUBSCRIBE" | "REFER");
                self.cseq.method == method
                    && (!needs_contact || self.contacts.len() == 1)
                    && (self.body.is_empty() || has_content_type)
            }
            Start::Response(..) => self.vias.len() == 1,
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn first(seen: &mut bool, plain: bool) -> Option<()> {
    let again = std::mem::replace(seen, true);
    (plain && !again).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Reader {
        let names = [
            "Via",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Contact",
            "Content-Length",
            "Content-Type",
        ];
        let spellings = names.iter().flat_map(|name| {
            [(*name).to_owned(), name.to_lowercase()].map(|spelling| (spelling, (*name).to_owned()))
        });
        Reader::new(spellings.chain([("v".to_owned(), "Via".to_owned())]))
    }

    const INVITE: &str = "INVITE sip:1001@office.example SIP/2.0\r\n\
        v: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa\r\nfrom: \"Анна\" <sip:1000@office.example>;tag=x\r\n\
        To: Bob <sip:1001@office.example>\r\nCall-ID: a@b\r\nCSeq: 2 INVITE\r\nX-Thing:  1, 2 \r\n\
        Contact: <sip:1000@192.0.2.1:5060;transport=udp>;+sip.ice\r\nContent-Type: application/sdp\r\n\
        Content-Length: 3\r\n\r\nv=0 and more";

    #[test]
    fn a_plain_request_is_read_in_one_pass() {
        let reader = reader();
        let head = reader.read(INVITE.as_bytes()).unwrap();
        assert_eq!(
            head.start,
            Start::Request("INVITE", "sip:1001@office.example")
        );
        assert_eq!((head.from.display, head.to.display), ("Анна", "Bob"));
        assert_eq!(head.vias[0].host, "192.0.2.1");
        assert_eq!(head.body, b"v=0");
        let thing = head
            .lines
            .iter()
            .find(|(name, _)| *name == Name::Other("X-Thing"));
        assert_eq!(thing.unwrap().1, "1, 2");
    }

    #[test]
    fn what_is_not_plain_or_not_sound_is_left_to_the_careful_reading() {
        let reader = reader();
        for (from, to) in [
            ("CSeq: 2 INVITE", "CSeq: 2 BYE"),
            ("CSeq: 2 INVITE", "CSeq: 2  INVITE"),
            ("Call-ID: a@b", "Call-ID: a@b\r\nCall-ID: a@b"),
            ("To: Bob", "To: B\u{7}ob"),
            ("To: Bob <", "To: \"B\\\"ob\" <"),
            ("Contact: <", "Contact: *\r\nContact: <"),
            ("X-Thing:", "X-Thing :"),
            ("X-Thing:", " folded:"),
            ("Content-Length: 3", "Content-Length: 30"),
            ("\r\nContent-Type: application/sdp", ""),
            (
                "sip:1001@office.example SIP",
                "sip:1001@office.example?a=b SIP",
            ),
            ("192.0.2.1:5060;rport", "[2001:db8::1]:5060;rport"),
            ("192.0.2.1:5060;rport", "192.0.2.1:65536;rport"),
            ("branch=z9hG4bKa", "branch=\"z9hG4bKa\""),
            ("Call-ID: a@b\r\n", "Call-ID: a@b\n"),
        ] {
            let broken = INVITE.replacen(from, to, 1);
            assert_ne!(broken, INVITE, "{from}");
            assert!(reader.read(broken.as_bytes()).is_none(), "{to}");
        }
    }
}
