//! One request after the other, and what is answered.

use std::io::{BufReader, Write as _};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::bench::drive::{Line, Way};
use crate::bench::http::{head_as_it_is, read_body, status};

/// A connection that stays.
pub(super) struct Asker(BufReader<Line>);

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    body: String,
}

impl Asker {
    pub(super) fn open(way: &Way) -> anyhow::Result<Self> {
        Ok(Self(BufReader::new(Line::open(way)?)))
    }

    pub(super) fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        let line = self.0.get_mut();
        line.write_all(request)?;
        line.flush()?;
        let head = head_as_it_is(&mut self.0)?;
        let lower = head.to_ascii_lowercase();
        let mut body = Vec::new();
        read_body(&mut self.0, &lower, &mut body)?;
        Ok(Answer { status: status(&lower), head, body: String::from_utf8(body)? })
    }
}

impl Answer {
    /// The value of a field, letter for letter.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    /// A text in the JSON of an answer that is a success.
    pub(super) fn text(&self, name: &str) -> anyhow::Result<String> {
        let member = self.member(name)?;
        Ok(member.as_str().with_context(|| format!("`{name}` is no text"))?.to_owned())
    }

    /// The same of what is true or false.
    pub(super) fn flag(&self, name: &str) -> anyhow::Result<bool> {
        self.member(name)?.as_bool().with_context(|| format!("`{name}` is neither true nor false"))
    }

    fn member(&self, name: &str) -> anyhow::Result<Value> {
        let Self { status, body, .. } = self;
        ensure!(*status == 200, "the server answers {status}: {body}");
        let mut told: Value = serde_json::from_str(body)?;
        let member = told.get_mut(name).map(Value::take);
        member.with_context(|| format!("no `{name}` in `{body}`"))
    }
}
