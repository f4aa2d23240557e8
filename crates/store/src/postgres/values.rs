//! Our values as the driver sends and reads them.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::error::StoreError;
use crate::value::Value;

/// A parameter that may wait for the next round trip.
#[derive(Clone)]
pub(super) enum Parameter {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

// The driver asks for it, and writes parameters to its debug trace.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// A parameter is not of the type the statement takes: a defect of ours.
#[derive(Debug, thiserror::Error)]
#[error("a parameter of a statement is not of type {0}")]
pub(super) struct Mismatch(Type);

impl Parameter {
    /// Fails for a text that holds a zero byte, which PostgreSQL cannot keep: better before it is
    /// sent than by a statement that fails.
    pub(super) fn of(value: &Value<'_>) -> Result<Self, StoreError> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(*number),
            Value::Text(text) if text.contains('\0') => {
                return Err(StoreError::Unstorable("a text holds a zero byte".to_owned()));
            }
            Value::Text(text) => Self::Text((*text).to_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
        })
    }

    /// What the server is told; the type of a null it must find out from the statement.
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Null => Type::UNKNOWN,
            Self::Integer(_) => Type::INT8,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Integer(number), &Type::INT8) => number.to_sql(kind, out),
            (Self::Text(text), &Type::TEXT) => text.to_sql(kind, out),
            (Self::Bytes(bytes), &Type::BYTEA) => bytes.to_sql(kind, out),
            _ => Err(Box::new(Mismatch(kind.clone()))),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A cell of a row.
pub(super) struct Cell<'a>(pub(super) Value<'a>);

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT8 => Value::Integer(i64::from_sql(kind, raw)?),
            Type::BYTEA => Value::Bytes(raw),
            _ => Value::Text(<&str>::from_sql(kind, raw)?),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT | Type::BYTEA)
    }
}

#[cfg(test)]
mod tests {
    use super::Parameter;
    use crate::value::Value;

    // threat 152: the driver writes parameters to its debug trace.
    #[test]
    fn a_parameter_does_not_show_itself() {
        for value in [Value::Text("canary"), Value::Bytes(b"canary"), Value::Integer(7)] {
            assert_eq!(format!("{:?}", Parameter::of(&value).unwrap()), "_");
        }
    }
}
