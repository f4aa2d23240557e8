//! JSON that every reader reads alike: whole, each name once in its object, within bounds.
//!
//! Owns the reading of members, one by one and each as exactly one type; what is left over can be
//! refused. Names keep their case. Problems name members, never what they held.

mod reader;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::jose::NumericDate;

/// How much of it there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Length of the text.
    pub(crate) bytes: usize,
    /// Objects and lists inside each other.
    pub(crate) depth: usize,
    /// Values in all.
    pub(crate) values: usize,
}

/// Why JSON is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadJson {
    /// Longer than it may be.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// Not one whole JSON value in UTF-8.
    #[error("it is not one whole JSON value")]
    Syntax,
    /// A name stands twice in one object: readers differ on which one counts.
    #[error("a name stands twice in one object")]
    Twice,
    /// Nested deeper than anything that is meant.
    #[error("it is nested deeper than {0}")]
    TooDeep(usize),
    /// More values than anything that is meant.
    #[error("it has more than {0} values")]
    TooMany(usize),
    /// Another kind of value.
    #[error("it is not an object")]
    NotObject,
    /// A member that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member of another type or beyond its bounds.
    #[error("`{0}` is not {1}")]
    Wrong(&'static str, &'static str),
    /// A member where none but the known ones may be.
    #[error("there is a member nobody knows beside `{0}`")]
    Unknown(&'static str),
}

/// An object whose members are taken out one by one.
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// Reads an object.
    pub(crate) fn parse(text: &[u8], limits: &Limits) -> Result<Self, BadJson> {
        Self::from_value(reader::read(text, limits)?)
    }

    /// The object that a value is.
    pub(crate) fn from_value(value: Value) -> Result<Self, BadJson> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(BadJson::NotObject),
        }
    }

    /// Takes a member, whatever it is.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Whether there is such a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes a text of 1 to `max` bytes without control characters.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        max: usize,
    ) -> Result<Option<String>, BadJson> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_text(&text, max) => Ok(Some(text)),
            Some(_) => Err(BadJson::Wrong(name, "a short text")),
        }
    }

    /// Takes a text that reads as a `T`.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        max: usize,
        kind: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadJson> {
        match self.text(name, max)? {
            None => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or(BadJson::Wrong(name, kind)),
        }
    }

    /// Takes a list of up to `most` texts of 1 to `max` bytes.
    pub(crate) fn texts(
        &mut self,
        name: &'static str,
        most: usize,
        max: usize,
    ) -> Result<Option<Vec<String>>, BadJson> {
        let wrong = BadJson::Wrong(name, "a short list of short texts");
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Array(items) = value else { return Err(wrong) };
        if items.len() > most {
            return Err(wrong);
        }
        let text = |item| match item {
            Value::String(text) if is_text(&text, max) => Some(text),
            _ => None,
        };
        items.into_iter().map(text).collect::<Option<Vec<_>>>().map(Some).ok_or(wrong)
    }

    /// Takes a list of up to `most` objects.
    pub(crate) fn objects(
        &mut self,
        name: &'static str,
        most: usize,
    ) -> Result<Option<Vec<Self>>, BadJson> {
        let wrong = BadJson::Wrong(name, "a short list of objects");
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() <= most => {
                let objects = items.into_iter().map(Self::from_value);
                objects.collect::<Result<Vec<_>, _>>().map(Some).map_err(|_| wrong)
            }
            Some(_) => Err(wrong),
        }
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Option<Self>, BadJson> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => {
                Self::from_value(value).map(Some).map_err(|_| BadJson::Wrong(name, "an object"))
            }
        }
    }

    /// Takes a whole number from 0 to `max`, written without sign, fraction or exponent.
    pub(crate) fn number(&mut self, name: &'static str, max: u64) -> Result<Option<u64>, BadJson> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => {
                let number = value.as_u64().filter(|number| *number <= max);
                number.map(Some).ok_or(BadJson::Wrong(name, "a whole number within its bounds"))
            }
        }
    }

    /// Takes a NumericDate (RFC 7519 section 2) in whole seconds.
    pub(crate) fn date(&mut self, name: &'static str) -> Result<Option<NumericDate>, BadJson> {
        let seconds = self.number(name, NumericDate::MAX.as_seconds());
        let seconds = seconds.map_err(|_| BadJson::Wrong(name, "a date in whole seconds"))?;
        Ok(seconds.and_then(NumericDate::from_seconds))
    }

    /// What was not taken.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.0
    }

    /// Refuses what was not taken. `beside` names the object for the problem.
    pub(crate) fn finish(self, beside: &'static str) -> Result<(), BadJson> {
        if self.0.is_empty() { Ok(()) } else { Err(BadJson::Unknown(beside)) }
    }
}

/// What must be there.
pub(crate) fn need<T>(name: &'static str, value: Option<T>) -> Result<T, BadJson> {
    value.ok_or(BadJson::Missing(name))
}

fn is_text(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
