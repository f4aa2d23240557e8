//! Bodies of requests: `application/x-www-form-urlencoded`, each name once.
//!
//! Owns the decoding and the refusal of doubt. A form has no `Debug`: it holds tokens and
//! assertions, and what is taken out of it as a secret is wiped when dropped.

use marque_crypto::Secret;
use thiserror::Error;

/// Longest body, in bytes.
pub const FORM_MAX_BYTES: usize = 128 * 1024;
/// Most parameters.
const PARAMETERS_MAX: usize = 64;
/// Longest name of one, in bytes.
const NAME_MAX_BYTES: usize = 64;
/// What a client may give several of (RFC 8707 section 2, RFC 8693 section 2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of a request, to be taken out one by one.
pub struct Form(Vec<(String, Secret)>);

/// Why a form is refused: `invalid_request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadForm {
    /// Longer than any that is meant.
    #[error("the request is longer than {FORM_MAX_BYTES} bytes")]
    TooLong,
    /// More parameters than any that is meant.
    #[error("the request has more than {PARAMETERS_MAX} parameters")]
    TooMany,
    /// Not form-encoded text.
    #[error("the request is not form-encoded UTF-8")]
    Encoding,
    /// A name that no parameter has.
    #[error("the name of a parameter is empty, long, or not visible ASCII")]
    Name,
    /// RFC 6749 section 3.2.
    #[error("a parameter is given twice")]
    Twice,
    /// Given and malformed, or too long.
    #[error("`{0}` is malformed or too long")]
    Malformed(&'static str),
    /// It must be given.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// It must not be given with what else is.
    #[error("`{0}` does not belong into this request")]
    Unasked(&'static str),
}

impl Form {
    /// Reads a body. Parameters without a value count as not given (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// [`BadForm`].
    pub fn parse(body: &[u8]) -> Result<Self, BadForm> {
        if body.len() > FORM_MAX_BYTES {
            return Err(BadForm::TooLong);
        }
        let mut parameters: Vec<(String, Secret)> = Vec::new();
        if body.is_empty() {
            return Ok(Self(parameters));
        }
        for pair in body.split(|byte| *byte == b'&') {
            if parameters.len() == PARAMETERS_MAX {
                return Err(BadForm::TooMany);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            let name = text(&name);
            if name.len() > NAME_MAX_BYTES || !super::is_plain(name) {
                return Err(BadForm::Name);
            }
            if parameters.iter().any(|(known, _)| known == name) && !REPEATABLE.contains(&name) {
                return Err(BadForm::Twice);
            }
            parameters.push((name.to_owned(), value));
        }
        Ok(Self(parameters))
    }

    /// Takes a parameter of at most `max` bytes without control characters.
    ///
    /// # Errors
    /// [`BadForm::Malformed`].
    pub fn take(&mut self, name: &'static str, max: usize) -> Result<Option<String>, BadForm> {
        Ok(self.take_all(name, 1, max)?.pop())
    }

    /// Takes a parameter that can be presented, and so must not be seen.
    ///
    /// # Errors
    /// [`BadForm::Malformed`].
    pub fn take_secret(
        &mut self,
        name: &'static str,
        max: usize,
    ) -> Result<Option<Secret>, BadForm> {
        match self.remove(name) {
            None => Ok(None),
            Some(value) if value.len() <= max && super::is_plain(text(&value)) => Ok(Some(value)),
            Some(_) => Err(BadForm::Malformed(name)),
        }
    }

    /// Takes all parameters of a name that may be repeated, at most `most` of them.
    ///
    /// # Errors
    /// [`BadForm::Malformed`].
    pub fn take_all(
        &mut self,
        name: &'static str,
        most: usize,
        max: usize,
    ) -> Result<Vec<String>, BadForm> {
        let mut values = Vec::new();
        while let Some(value) = self.remove(name) {
            let value = text(&value);
            let is_text = value.len() <= max && !value.chars().any(char::is_control);
            if !is_text || values.len() == most {
                return Err(BadForm::Malformed(name));
            }
            values.push(value.to_owned());
        }
        Ok(values)
    }

    /// Whether a parameter is given.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| known == name && !value.is_empty())
    }

    /// The first of that name with a value; those without one go as well.
    fn remove(&mut self, name: &str) -> Option<Secret> {
        while let Some(at) = self.0.iter().position(|(known, _)| known == name) {
            let (_, value) = self.0.remove(at);
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

/// What [`decode`] has looked at.
fn text(value: &Secret) -> &str {
    std::str::from_utf8(value.expose()).unwrap_or_default()
}

/// A name or a value, in UTF-8.
fn decode(encoded: &[u8]) -> Result<Secret, BadForm> {
    // Room from the start: growing would leave a copy of a secret behind.
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
                let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
                let value = value.and_then(|value| u8::try_from(value).ok());
                value.ok_or(BadForm::Encoding)?
            }
            // What encoders escape may stand as it is where nobody can read it otherwise.
            byte if byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(byte) => *byte,
            _ => return Err(BadForm::Encoding),
        });
    }
    let bytes = Secret::from_vec(bytes);
    match std::str::from_utf8(bytes.expose()) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(BadForm::Encoding),
    }
}
