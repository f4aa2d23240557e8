//! Header fields out of bytes: one `name: value` on each line; what is no field is passed over.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// More than any head may have.
const FIELDS_MAX: usize = 128;

pub(crate) fn fields(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(FIELDS_MAX) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let field = HeaderName::from_bytes(name).ok().zip(HeaderValue::from_bytes(value).ok());
        if let Some((name, value)) = field {
            headers.append(name, value);
        }
    }
    headers
}
