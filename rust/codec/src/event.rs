//! DTMF digits as characters.

use sealtone_codec_protocol::Press;

/// A key that somebody pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0`-`9`, `*`, `#`, `A`-`D`; `!` is a hook flash (event 16).
    pub digit: char,
    /// How long it was pressed, milliseconds, as far as is known.
    pub duration_ms: u32,
}

impl Digit {
    /// The digit of an event that was read.
    #[must_use]
    pub fn of(press: Press) -> Option<Self> {
        let duration_ms = press.duration_ms;
        digit_of(press.code).map(|digit| Self { digit, duration_ms })
    }
}

/// The digits in the order of their event codes (RFC 4733 section 3.2).
const DIGITS: [char; 17] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D', '!',
];

/// The event code of a digit, in either case of its letter.
#[must_use]
pub fn code_of(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS
        .iter()
        .position(|&known| known == digit)
        .map(|code| code as u8)
}

/// The digit of an event code.
#[must_use]
pub fn digit_of(code: u8) -> Option<char> {
    DIGITS.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_digit_has_a_code_and_each_code_a_digit() {
        for digit in DIGITS {
            assert_eq!(code_of(digit).and_then(digit_of), Some(digit));
        }
        assert_eq!(code_of('a'), code_of('A'));
        assert_eq!((code_of('x'), digit_of(17)), (None, None));
    }
}
