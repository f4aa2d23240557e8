//! The set of policies in force, and the one question it answers.
//!
//! Immutable: a changed policy makes another set. Given the same facts it always answers the same.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use cedar_policy::{AuthorizationError, Authorizer, Decision, Entities, Policy, PolicyId, Request};
use marque_domain::Name;

use crate::asked::Asked;
use crate::brief::Brief;
use crate::error::{LoadErrors, printable};
use crate::facts::{BadFacts, PolicyFacts};
use crate::load::{self, Objection, Rule};
use crate::ruling::{RuleId, Ruling};
use crate::rulings::Rulings;
use crate::schema::{schema_text, vocabulary};
use crate::scope::{Index, Scope};
use crate::slices::{Slice, Slices};

const BASE_TEXT: &str = include_str!("../../../policies/base.cedar");

/// How many reasons an answer spells out.
const MAX_REASONS: usize = 8;

static BASE: LazyLock<Policy> = LazyLock::new(|| {
    let parsed = Policy::parse(Some(PolicyId::new(load::BASE_ID)), BASE_TEXT);
    // `the_base_policy_permits_everything_and_nothing_else_does` parses this very text.
    parsed.expect("invariant: the shipped base policy parses")
});

/// One file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// Its name, without folders: it names the policies that have no `@id`.
    pub name: String,
    /// Its text, in Cedar's policy language.
    pub text: String,
}

/// The organisation's policies, checked and indexed. Share it by `Arc`.
pub struct PolicySet {
    rules: Vec<Rule>,
    /// What each of them can ask about.
    asked: Vec<Asked>,
    by_id: HashMap<PolicyId, usize>,
    index: Index,
    open: usize,
    slices: Slices,
    rulings: Rulings,
    canonical: String,
}

/// A name in a policy that nothing has, as far as the caller knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum UnknownName {
    /// No such agent.
    #[error("policy `{rule}` names agent `{name}`, which does not exist: it matches nothing yet")]
    Agent {
        /// The policy.
        rule: RuleId,
        /// The name.
        name: String,
    },
    /// No such connection.
    #[error(
        "policy `{rule}` names connection `{name}`, which does not exist: it matches nothing yet"
    )]
    Connection {
        /// The policy.
        rule: RuleId,
        /// The name.
        name: String,
    },
}

impl PolicySet {
    /// The set of these files; none is a set without objections.
    ///
    /// Fails with everything that is wrong: text that is no policy, unknown names of types, actions
    /// and attributes, a policy that can match nothing, a `permit`, an id given twice, and sizes
    /// beyond the bounds (1,000 files of 1 MiB, 20,000 policies).
    pub fn load(sources: &[PolicySource]) -> Result<Self, LoadErrors> {
        let rules = load::rules(sources)?;
        let scopes: Vec<Scope> = rules.iter().map(|rule| Scope::of(&rule.policy)).collect();
        let ids = rules.iter().enumerate();
        Ok(Self {
            open: scopes.iter().filter(|scope| scope.is_open()).count(),
            index: Index::of(scopes),
            by_id: ids.map(|(place, rule)| (rule.policy.id().clone(), place)).collect(),
            slices: Slices::default(),
            rulings: Rulings::default(),
            canonical: canonical_text(sources),
            asked: rules.iter().map(|rule| Asked::of(&rule.policy)).collect(),
            rules,
        })
    }

    /// Everything the answers depend on: schema, base policy and files, as JSON with the files by
    /// name. Its digest is the policy digest of a decision.
    pub fn canonical_text(&self) -> &str {
        &self.canonical
    }

    /// How many policies the organisation has, the base policy not counted.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many of them name neither agent, action nor connection in their head, so that every
    /// decision pays for them: about 1 µs each.
    pub fn unscoped_count(&self) -> usize {
        self.open
    }

    /// The agents and connections named anywhere in a policy that the caller does not know, sorted.
    /// A warning and no error, because names may come later.
    pub fn check_names(
        &self,
        knows_agent: impl Fn(&Name) -> bool,
        knows_connection: impl Fn(&Name) -> bool,
    ) -> Vec<UnknownName> {
        let mut unknown = Vec::new();
        for rule in &self.rules {
            for uid in rule.policy.entity_literals() {
                let id = uid.id().unescaped();
                let is = |kind| uid.type_name() == kind;
                let head = if is(&vocabulary().resource) { id.split(' ').next() } else { Some(id) };
                let Some(Ok(name)) = head.map(str::parse::<Name>) else { continue };
                let (rule, text) = (rule.id.clone(), name.to_string());
                if is(&vocabulary().agent) && !knows_agent(&name) {
                    unknown.push(UnknownName::Agent { rule, name: text });
                } else if (is(&vocabulary().connection) || is(&vocabulary().resource))
                    && !knows_connection(&name)
                {
                    unknown.push(UnknownName::Connection { rule, name: text });
                }
            }
        }
        unknown.sort();
        unknown.dedup();
        unknown
    }

    /// What the policies say of one effect. Of an operation with several, each is put here and the
    /// strongest objection counts. Approvals are not weighed: the caller knows whether one lifts
    /// what [`Ruling::Ask`] names.
    pub fn evaluate(&self, facts: &PolicyFacts<'_>) -> Ruling {
        self.rule_on(facts).unwrap_or_else(|bad| Ruling::Error {
            rules: Vec::new(),
            message: printable(&bad.to_string()),
        })
    }

    fn rule_on(&self, facts: &PolicyFacts<'_>) -> Result<Ruling, BadFacts> {
        let (place, action) = facts.action()?;
        let agent = facts.agent.name.as_str();
        let key = self.index.key(agent, place, facts.connection.name.as_str());
        let slice = self.slices.get(key, || self.slice(&self.index.matching(key)))?;
        match slice {
            // The base policy alone permits: nothing to ask Cedar.
            None => Ok(Ruling::Pass),
            Some(slice) => {
                let brief = Brief::of(facts, (place, action), slice.asked);
                self.rulings.get(&brief, || Ok(self.put_to(&slice.policies, brief.for_cedar()?)))
            }
        }
    }

    /// The same by every rule at once and with every fact: what the index must agree with.
    #[cfg(test)]
    pub(crate) fn evaluate_unsliced(&self, facts: &PolicyFacts<'_>) -> Ruling {
        let places: Vec<usize> = (0..self.rules.len()).collect();
        let brief = Brief::of(facts, facts.action().unwrap(), Asked::EVERYTHING);
        let slice = self.slice(&places).unwrap().unwrap();
        self.put_to(&slice.policies, brief.for_cedar().unwrap())
    }

    /// The rules at these places with the base policy; `None` if there are no rules.
    fn slice(&self, places: &[usize]) -> Result<Option<Slice>, BadFacts> {
        if places.is_empty() {
            return Ok(None);
        }
        let rules = places.iter().filter_map(|place| self.rules.get(*place));
        let policies = rules.map(|rule| rule.policy.clone()).chain([BASE.clone()]);
        let set = cedar_policy::PolicySet::from_policies(policies);
        let policies = set.map_err(|error| BadFacts::Cedar(error.to_string()))?;
        let asked = places.iter().filter_map(|place| self.asked.get(*place));
        let asked = asked.fold(Asked::NOTHING, |all, one| all.and(*one));
        Ok(Some(Slice { policies, asked }))
    }

    fn put_to(
        &self,
        policies: &cedar_policy::PolicySet,
        (request, entities): (Request, Entities),
    ) -> Ruling {
        let response = Authorizer::new().is_authorized(&request, policies, &entities);
        let diagnostics = response.diagnostics();
        let errors: Vec<_> = diagnostics
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| error)
            .collect();
        if let Some(first) = errors.iter().min_by_key(|error| error.policy_id()) {
            let rules = self.rules_of(errors.iter().map(|error| error.policy_id()));
            let rules = rules.iter().map(|rule| rule.id.clone()).collect();
            return Ruling::Error { rules, message: printable(&first.to_string()) };
        }
        if response.decision() == Decision::Allow {
            return Ruling::Pass;
        }
        object(&self.rules_of(diagnostics.reason()))
    }

    /// The rules of these ids, sorted by id.
    fn rules_of<'a>(&self, ids: impl Iterator<Item = &'a PolicyId>) -> Vec<&Rule> {
        let places = ids.filter_map(|id| self.by_id.get(id));
        let mut rules: Vec<&Rule> = places.filter_map(|place| self.rules.get(*place)).collect();
        rules.sort_by(|left, right| left.id.cmp(&right.id));
        rules
    }
}

/// The ruling of the rules that object. To forbid is stronger than to ask.
fn object(rules: &[&Rule]) -> Ruling {
    let mut asking = Vec::new();
    let mut forbidding = Vec::new();
    for rule in rules {
        match &rule.objection {
            Objection::Ask(words) => asking.push((rule.id.clone(), words.as_str())),
            Objection::Forbid(words) => forbidding.push((rule.id.clone(), &**words)),
        }
    }
    if !forbidding.is_empty() {
        let (rules, words) = told(forbidding);
        return Ruling::Forbid { rules, words };
    }
    if !asking.is_empty() {
        let (rules, words) = told(asking);
        return Ruling::Ask { rules, words };
    }
    // Cedar refused and no rule of ours did: never taken for a yes.
    Ruling::Error { rules: Vec::new(), message: "the policies refuse without a reason".to_owned() }
}

fn told(objections: Vec<(RuleId, &str)>) -> (Vec<RuleId>, String) {
    let mut words: Vec<&str> = Vec::new();
    for (_, reason) in &objections {
        if !words.contains(reason) && words.len() < MAX_REASONS {
            words.push(reason);
        }
    }
    let words = words.join("; ");
    (objections.into_iter().map(|(id, _)| id).collect(), words)
}

// JSON, because names and texts of files are whatever their authors wrote: no two sets of files may
// run together into one text.
fn canonical_text(sources: &[PolicySource]) -> String {
    let mut files: Vec<_> = sources.iter().map(|source| (&source.name, &source.text)).collect();
    files.sort();
    let [schema, base] = [schema_text(), BASE_TEXT.to_owned()];
    serde_json::json!({ "schema": schema, "base": base, "files": files }).to_string()
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("policies", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "rulings_tests.rs"]
mod rulings_tests;
#[cfg(test)]
#[path = "scale_tests.rs"]
mod scale_tests;
#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
