//! A form to post, with secrets in it.

use marque_crypto::Secret;
use marque_wire::jose::Token;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// `application/x-www-form-urlencoded`, parameter by parameter. No `Debug`.
pub(crate) struct FormDraft(Vec<u8>);

impl FormDraft {
    /// One that a client proves itself in by `assertion`.
    pub(crate) fn by(assertion: &Token) -> Self {
        // Room for tokens from the start: growing would leave copies of them behind.
        let mut form = Self(Vec::with_capacity(64 * 1024));
        form.put("client_assertion_type", ASSERTION_TYPE.as_bytes());
        form.put("client_assertion", assertion.expose());
        form
    }

    pub(crate) fn put(&mut self, name: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        for byte in value {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                self.0.push(*byte);
            } else {
                let digit = |nibble: u8| b"0123456789ABCDEF".get(usize::from(nibble)).copied();
                self.0.push(b'%');
                self.0.extend([byte >> 4, byte & 15].into_iter().filter_map(digit));
            }
        }
    }

    pub(crate) fn finish(self) -> Secret {
        Secret::from_vec(self.0)
    }
}

#[cfg(test)]
mod tests {
    use marque_wire::oauth::Form;

    use super::FormDraft;

    #[test]
    fn what_is_written_is_what_a_strict_reader_reads() {
        let mut draft = FormDraft(Vec::new());
        draft.put("scope", b"a:read b/write");
        draft.put("authorization_details", "[{\"type\":\"é&=+%\"}]".as_bytes());
        let mut form = Form::parse(draft.finish().expose()).unwrap();
        assert_eq!(form.take("scope", 64).unwrap().unwrap(), "a:read b/write");
        let details = form.take("authorization_details", 64).unwrap().unwrap();
        assert_eq!(details, "[{\"type\":\"é&=+%\"}]");
    }
}
