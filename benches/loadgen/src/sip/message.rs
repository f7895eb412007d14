//! As much of SIP as a well-behaved load needs: a view of a message, and its headers in order.

/// A parsed message that borrows from the datagram.
pub struct Message<'a> {
    pub start: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

const COMPACT: [(&str, &str); 6] = [
    ("v", "Via"),
    ("f", "From"),
    ("t", "To"),
    ("i", "Call-ID"),
    ("m", "Contact"),
    ("l", "Content-Length"),
];

impl<'a> Message<'a> {
    /// None for what is no SIP message (a keep-alive, for one). Folded lines are not expected of the servers here.
    pub fn parse(datagram: &'a [u8]) -> Option<Message<'a>> {
        let text = std::str::from_utf8(datagram).ok()?;
        let head = text.split_once("\r\n\r\n").map_or(text, |(head, _)| head);
        let mut lines = head.split("\r\n");
        let start = lines.next()?;
        if !start.contains("SIP/2.0") {
            return None;
        }
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (full_name(name.trim()), value.trim()))
            .collect();
        Some(Message { start, headers })
    }

    /// The status of a response; None for a request.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request, or of the CSeq of a response.
    pub fn method(&self) -> &'a str {
        match self.status() {
            None => self.start.split(' ').next().unwrap_or(""),
            Some(_) => {
                let cseq = self.get("CSeq").unwrap_or("");
                cseq.split_whitespace().nth(1).unwrap_or("")
            }
        }
    }

    pub fn sequence(&self) -> u32 {
        let cseq = self.get("CSeq").unwrap_or("");
        let number = cseq.split_whitespace().next().unwrap_or("");
        number.parse().unwrap_or(0)
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|&(_, value)| value)
    }

    /// The URI in the first Contact.
    pub fn contact_uri(&self) -> Option<&'a str> {
        let value = self.get("Contact")?;
        match value.split_once('<') {
            Some((_, rest)) => rest.split('>').next(),
            None => value.split(';').next(),
        }
    }

    /// The addresses of all Record-Route headers, in order; commas within <> do not divide.
    pub fn record_routes(&self) -> Vec<&'a str> {
        let mut routes = Vec::new();
        for value in self.all("Record-Route") {
            let mut depth = 0;
            let mut start = 0;
            for (at, octet) in value.bytes().enumerate() {
                match octet {
                    b'<' => depth += 1,
                    b'>' => depth -= 1,
                    b',' if depth == 0 => {
                        routes.push(value[start..at].trim());
                        start = at + 1;
                    }
                    _ => {}
                }
            }
            routes.push(value[start..].trim());
        }
        routes
    }
}

fn full_name(name: &str) -> &str {
    COMPACT
        .iter()
        .find(|(compact, _)| compact.eq_ignore_ascii_case(name))
        .map_or(name, |&(_, full)| full)
}

/// The value of the `tag` parameter of a From or To.
pub fn has_tag(value: &str) -> bool {
    let parameters = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    parameters.contains(";tag=")
}

#[cfg(test)]
mod tests {
    use super::{has_tag, Message};

    const RINGING: &[u8] =
        b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKa\r\n\
        Record-Route: <sip:127.0.0.1;lr;a=1,2>, <sip:b;lr>\r\nrecord-route: <sip:c;lr>\r\n\
        t: <sip:b@example>;tag=9\r\nCSeq: 2 INVITE\r\nm: \"x\" <sip:b@127.0.0.1:9>;q=1\r\n\r\n";

    #[test]
    fn a_response_tells_status_method_and_contact() {
        let message = Message::parse(RINGING).expect("parses");
        assert_eq!(message.status(), Some(180));
        assert_eq!((message.method(), message.sequence()), ("INVITE", 2));
        assert_eq!(message.contact_uri(), Some("sip:b@127.0.0.1:9"));
        assert!(has_tag(message.get("To").expect("compact To")));
    }

    #[test]
    fn record_routes_divide_at_commas_outside_brackets() {
        let message = Message::parse(RINGING).expect("parses");
        assert_eq!(
            message.record_routes(),
            ["<sip:127.0.0.1;lr;a=1,2>", "<sip:b;lr>", "<sip:c;lr>"]
        );
    }

    #[test]
    fn a_keep_alive_is_no_message() {
        assert!(Message::parse(b"\r\n\r\n").is_none());
    }
}
