//! Briefs: exactly what Cedar is told of one effect, as plain values.
//!
//! A ruling that is kept is found by its brief, and Cedar's request and entities are made of the
//! brief alone. So whatever Cedar could have asked about is part of what a ruling is found by.

use marque_domain::operation::BodyKind;
use marque_domain::{Service, Tier, TrustLevel, UserName};

use crate::asked::{Asked, Fact};
use crate::facts::PolicyFacts;
use crate::schema::Action;

/// What Cedar is told: who, what and on what, and of the facts those that are asked about. `None`
/// is a fact that is not told, or one that the schema lets be absent.
#[derive(Clone, Copy)]
pub(crate) struct Brief<'a> {
    /// The place of the action in the vocabulary, and the action there.
    pub(crate) action: (usize, &'static Action),
    pub(crate) agent: &'a str,
    pub(crate) connection: &'a str,
    pub(crate) parts: &'a [String],
    pub(crate) asked: Asked,
    pub(crate) owner: Option<&'a str>,
    pub(crate) purpose: Option<&'a str>,
    pub(crate) service: Option<Service>,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: Option<u16>,
    pub(crate) hour: Option<i64>,
    pub(crate) weekday: Option<i64>,
    pub(crate) epoch_secs: Option<i64>,
    pub(crate) task: Option<&'a str>,
    pub(crate) tier: Option<Tier>,
    pub(crate) delegated: Option<bool>,
    pub(crate) depth: Option<i64>,
    pub(crate) opened_by: Option<&'a str>,
    pub(crate) on_behalf_of: Option<&'a str>,
    pub(crate) score: Option<u8>,
    pub(crate) level: Option<TrustLevel>,
    pub(crate) scheme: Option<&'a str>,
    pub(crate) has_query: Option<bool>,
    pub(crate) body: Option<BodyKind>,
}

impl<'a> Brief<'a> {
    /// What is told of `facts` where so much is `asked` about.
    pub(crate) fn of(
        facts: &PolicyFacts<'a>,
        action: (usize, &'static Action),
        asked: Asked,
    ) -> Self {
        let PolicyFacts { agent, run, connection, operation, effect, trust, .. } = *facts;
        // Milliseconds of 64 bits make seconds of 54.
        let secs = (facts.now.as_millis() / 1_000).cast_signed();
        // No chain is that deep.
        let depth = i64::try_from(run.chain.actors.len()).unwrap_or(i64::MAX);
        let is_about = |fact| asked.is_about(fact);
        Self {
            action,
            agent: agent.name.as_str(),
            connection: connection.name.as_str(),
            parts: effect.resource,
            asked,
            owner: is_about(Fact::Owner).then(|| facts.owner.as_str()),
            purpose: is_about(Fact::Purpose).then_some(&*agent.purpose),
            service: is_about(Fact::Service).then_some(connection.service),
            host: is_about(Fact::Host).then_some(&*operation.endpoint.host),
            port: is_about(Fact::Port).then_some(operation.endpoint.port),
            hour: is_about(Fact::Hour).then_some(secs / 3_600 % 24),
            // 1970-01-01 was a Thursday, the fourth day of the week (ISO 8601).
            weekday: is_about(Fact::Weekday).then_some((secs / 86_400 + 3) % 7 + 1),
            epoch_secs: is_about(Fact::EpochSecs).then_some(secs),
            task: is_about(Fact::Task).then(|| run.task.as_str()),
            tier: is_about(Fact::Tier).then_some(run.tier),
            delegated: is_about(Fact::Delegated).then_some(facts.on_behalf_of.is_some()),
            depth: is_about(Fact::Depth).then_some(depth),
            opened_by: is_about(Fact::OpenedBy).then(|| facts.opened_by.as_str()),
            on_behalf_of: facts
                .on_behalf_of
                .filter(|_| is_about(Fact::OnBehalfOf))
                .map(UserName::as_str),
            score: is_about(Fact::Score).then_some(trust.score),
            level: is_about(Fact::Level).then_some(trust.level),
            scheme: is_about(Fact::Scheme).then_some(&*operation.scheme),
            has_query: is_about(Fact::HasQuery).then(|| operation.parameters.contains_key("query")),
            body: is_about(Fact::Body).then(|| operation.body.kind()),
        }
    }

    /// All of it as bytes. Two briefs share them only if they say the same, for each part tells
    /// where it ends.
    pub(crate) fn key(&self) -> Vec<u8> {
        // Every part by name and none left over: what is added to a brief is added here.
        let Self {
            action: (place, _),
            agent,
            connection,
            parts,
            asked,
            owner,
            purpose,
            service,
            host,
            port,
            hour,
            weekday,
            epoch_secs,
            task,
            tier,
            delegated,
            depth,
            opened_by,
            on_behalf_of,
            score,
            level,
            scheme,
            has_query,
            body,
        } = *self;
        let mut key = Key(Vec::with_capacity(KEY_LEN));
        key.number(place as u64);
        key.number(asked.bits().into());
        key.number(parts.len() as u64);
        let names = [agent, connection].into_iter().chain(parts.iter().map(String::as_str));
        names.for_each(|name| key.text(name));
        for text in [owner, purpose, host, task, opened_by, on_behalf_of, scheme] {
            key.told(text, Key::text);
        }
        let numbers = [
            service.map(|service| service as u64),
            port.map(u64::from),
            hour.map(i64::cast_unsigned),
            weekday.map(i64::cast_unsigned),
            epoch_secs.map(i64::cast_unsigned),
            tier.map(|tier| tier as u64),
            delegated.map(u64::from),
            depth.map(i64::cast_unsigned),
            score.map(u64::from),
            level.map(|level| level as u64),
            has_query.map(u64::from),
            body.map(|body| body as u64),
        ];
        for number in numbers {
            key.told(number, Key::number);
        }
        key.0
    }
}

/// How long most keys are at most.
const KEY_LEN: usize = 192;

struct Key(Vec<u8>);

impl Key {
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    // Seven bits in a byte; all but the last have the eighth.
    fn number(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn told<T>(&mut self, part: Option<T>, put: fn(&mut Self, T)) {
        self.0.push(u8::from(part.is_some()));
        if let Some(part) = part {
            put(self, part);
        }
    }
}
