//! The few lines of JSON writing that the reports need.

use std::fmt::Write;

pub struct Object {
    text: String,
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    pub fn new() -> Self {
        Object { text: String::from("{") }
    }

    fn key(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        let _ = write!(self.text, "\"{name}\":");
    }

    pub fn number(mut self, name: &str, value: f64) -> Self {
        self.key(name);
        let _ = write!(self.text, "{value}");
        self
    }

    /// `value` is written between quotes as it is: callers pass plain words only.
    pub fn word(mut self, name: &str, value: &str) -> Self {
        self.key(name);
        let _ = write!(self.text, "\"{value}\"");
        self
    }

    /// `value` is JSON already.
    pub fn raw(mut self, name: &str, value: &str) -> Self {
        self.key(name);
        self.text.push_str(value);
        self
    }

    pub fn numbers(self, name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let list: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        self.raw(name, &format!("[{}]", list.join(",")))
    }

    pub fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// Writes one line to standard output at once, so that the driver sees it without delay.
pub fn say(line: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
