//! The reading itself: serde's, with a count of depth and values and a look at every name.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{BadJson, Limits};

pub(super) fn read(text: &[u8], limits: &Limits) -> Result<Value, BadJson> {
    if text.len() > limits.bytes {
        return Err(BadJson::TooLong(limits.bytes));
    }
    let count = Count { limits, values: Cell::new(0), problem: Cell::new(BadJson::Syntax) };
    let mut source = serde_json::Deserializer::from_slice(text);
    let value = At { depth: 0, count: &count }.deserialize(&mut source);
    match value.and_then(|value| source.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(_) => Err(count.problem.get()),
    }
}

/// What was read so far, and why the reading ended if not for the syntax.
struct Count<'a> {
    limits: &'a Limits,
    values: Cell<usize>,
    problem: Cell<BadJson>,
}

/// A value at this depth.
#[derive(Clone, Copy)]
struct At<'a> {
    depth: usize,
    count: &'a Count<'a>,
}

impl<'a> At<'a> {
    fn refuse<E: Error>(self, problem: BadJson) -> E {
        self.count.problem.set(problem);
        E::custom(problem)
    }

    /// One deeper.
    fn inside<E: Error>(self) -> Result<At<'a>, E> {
        let depth = self.depth + 1;
        if depth > self.count.limits.depth {
            return Err(self.refuse(BadJson::TooDeep(self.count.limits.depth)));
        }
        Ok(At { depth, ..self })
    }

    /// Each value takes a count, so that no list and no object is too long either.
    fn admit<E: Error>(self) -> Result<(), E> {
        let values = self.count.values.get() + 1;
        self.count.values.set(values);
        if values > self.count.limits.values {
            return Err(self.refuse(BadJson::TooMany(self.count.limits.values)));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.admit()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(BadJson::Syntax))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if values.contains_key(&name) {
                return Err(self.refuse(BadJson::Twice));
            }
            let value = members.next_value_seed(inside)?;
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}
