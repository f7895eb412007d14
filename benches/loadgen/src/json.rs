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
        Object {
            text: String::from("{"),
        }
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

    /// An object of counts; keys are plain words or numbers.
    pub fn counts<'a, K: std::fmt::Display + 'a>(
        self,
        name: &str,
        counts: impl Iterator<Item = (&'a K, &'a u64)>,
    ) -> Self {
        let members: Vec<String> = counts
            .map(|(key, count)| format!("\"{key}\":{count}"))
            .collect();
        self.raw(name, &format!("{{{}}}", members.join(",")))
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

#[cfg(test)]
mod tests {
    use super::Object;
    use std::collections::BTreeMap;

    #[test]
    fn an_object_holds_words_numbers_lists_and_counts() {
        let counts = BTreeMap::from([(404u16, 2u64), (503, 1)]);
        let text = Object::new()
            .word("a", "x")
            .number("b", 1.5)
            .numbers("c", [1.0, 2.0])
            .counts("d", counts.iter())
            .finish();
        assert_eq!(text, r#"{"a":"x","b":1.5,"c":[1,2],"d":{"404":2,"503":1}}"#);
        assert_eq!(Object::new().finish(), "{}");
    }
}
