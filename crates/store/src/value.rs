//! What crosses the engine seam: values into a statement, cells out of a row.
//!
//! The subset that SQLite and PostgreSQL share: text, 64-bit integers, bytes, null.

use marque_domain::Digest;

use crate::error::StoreError;

/// One parameter or one cell. No `Debug`: it may hold anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// A count, index or moment. None of ours reaches 2^63; a limit beyond it means no limit.
    pub(crate) fn whole(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl<'a> From<&'a Digest> for Value<'a> {
    fn from(digest: &'a Digest) -> Self {
        Self::Bytes(digest.as_bytes())
    }
}

/// One row of an answer; cells are counted from 0. Every getter fails with
/// [`StoreError::Corrupt`] if the cell is not what the schema promises.
pub(crate) struct Row<'a>(pub(crate) &'a [Value<'a>]);

impl<'a> Row<'a> {
    pub(crate) fn text(&self, at: usize) -> Result<&'a str, StoreError> {
        self.maybe_text(at)?.ok_or_else(|| wrong(at, "text"))
    }

    pub(crate) fn maybe_text(&self, at: usize) -> Result<Option<&'a str>, StoreError> {
        match self.0.get(at) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(wrong(at, "text")),
        }
    }

    pub(crate) fn whole(&self, at: usize) -> Result<u64, StoreError> {
        match self.0.get(at) {
            Some(Value::Integer(number)) => {
                u64::try_from(*number).map_err(|_| wrong(at, "a count"))
            }
            _ => Err(wrong(at, "a count")),
        }
    }

    pub(crate) fn bytes(&self, at: usize) -> Result<&'a [u8], StoreError> {
        match self.0.get(at) {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            _ => Err(wrong(at, "bytes")),
        }
    }

    pub(crate) fn digest(&self, at: usize) -> Result<Digest, StoreError> {
        let bytes = self.bytes(at)?.try_into().map_err(|_| wrong(at, "a digest"))?;
        Ok(Digest::from_bytes(bytes))
    }

    /// The text of a cell, parsed.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, at: usize) -> Result<T, StoreError> {
        self.text(at)?.parse().map_err(|_| wrong(at, "a well-formed text"))
    }
}

fn wrong(at: usize, wanted: &str) -> StoreError {
    StoreError::Corrupt(format!("cell {at} of a row is not {wanted}"))
}
