//! Writing and reading the fields of a record.

/// Octets of an RTP payload at most: what the media core takes from the wire.
pub const MAX_PAYLOAD: usize = 2_048;
/// Octets of a text for people at most.
pub const MAX_TEXT: usize = 512;
/// Octets of sound or of a recording in one record at most.
pub const MAX_DATA: usize = 8_192;

/// A record that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a record that cannot be read")
    }
}

impl std::error::Error for Malformed {}

/// Fields written to the end of a batch.
pub(crate) trait Put {
    fn put(&mut self, octets: &[u8]);

    fn flag(&mut self, value: bool) {
        self.put(&[u8::from(value)]);
    }

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.u16(end as u16);
        self.put(&text.as_bytes()[..end]);
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// The fields of one record, read from its beginning.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::from(self.u16()?);
        if length > MAX_TEXT {
            return Err(Malformed);
        }
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)?;
        // It ends up in journals, records and terminals.
        if text.chars().any(char::is_control) {
            return Err(Malformed);
        }
        Ok(text)
    }

    /// An RTP payload type.
    pub(crate) fn payload_type(&mut self) -> Result<u8, Malformed> {
        self.u8().and_then(|number| at_most(number, 127))
    }

    /// All that is left, at most `limit` octets.
    pub(crate) fn rest(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let rest = std::mem::take(&mut self.0);
        if rest.len() > limit {
            return Err(Malformed);
        }
        Ok(rest)
    }

    /// Everything has been read.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

pub(crate) fn at_most<T: PartialOrd>(value: T, limit: T) -> Result<T, Malformed> {
    if value <= limit {
        Ok(value)
    } else {
        Err(Malformed)
    }
}
