//! A form to send: names and values, encoded (RFC 6749 appendix B). It may hold tokens.

use marque_crypto::Secret;

/// Three characters for a byte at most, and two for the marks.
const GROWTH: usize = 3;
const MARKS: usize = 2;

/// A form that is being filled in. No `Debug`.
#[derive(Default)]
pub(super) struct FormDraft(Vec<(&'static str, Secret)>);

impl FormDraft {
    /// The same once more.
    #[must_use]
    pub(super) fn duplicate(&self) -> Self {
        Self(self.0.iter().map(|(name, value)| (*name, value.duplicate())).collect())
    }

    /// Adds a parameter.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: &[u8]) -> Self {
        self.0.push((name, Secret::from_vec(value.to_vec())));
        self
    }

    /// Adds a parameter, unless it is empty.
    #[must_use]
    pub(super) fn maybe(self, name: &'static str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(name, value.as_bytes()) }
    }

    /// The body.
    pub(super) fn finish(&self) -> Secret {
        let room = |(name, value): &(&str, Secret)| name.len() + value.len() * GROWTH + MARKS;
        // Room from the start: growing would leave copies behind.
        let mut body = Vec::with_capacity(self.0.iter().map(room).sum());
        for (name, value) in &self.0 {
            if !body.is_empty() {
                body.push(b'&');
            }
            body.extend_from_slice(name.as_bytes());
            body.push(b'=');
            for byte in value.expose() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                    body.push(*byte);
                } else {
                    let [high, low] = [byte >> 4, byte & 15].map(digit);
                    body.extend_from_slice(&[b'%', high, low]);
                }
            }
        }
        Secret::from_vec(body)
    }
}

/// A half of a byte as RFC 3986 section 2.1 writes it.
fn digit(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'A' + half - 10 }
}

#[cfg(test)]
mod tests {
    use marque_wire::oauth::Form;

    use super::FormDraft;

    #[test]
    fn a_form_reads_as_it_was_filled_in() {
        let form = FormDraft::default()
            .with("resource", b"https://a.test/x?y=1&z")
            .maybe("scope", "")
            .maybe("authorization_details", "[{\"type\":\"sql\"}]");
        let body = form.finish();
        let mut read = Form::parse(body.expose()).unwrap();
        assert_eq!(read.take("resource", 99).unwrap().unwrap(), "https://a.test/x?y=1&z");
        assert!(!read.has("scope"));
        let details = read.take("authorization_details", 99).unwrap();
        assert_eq!(details.unwrap(), "[{\"type\":\"sql\"}]");
    }
}
