//! Loading: from the text of policy files to rules, or to everything that is wrong with them.
//!
//! Strict: what cannot matter is as wrong as what cannot be read, because whoever wrote it believes
//! that it protects them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, EntityUid, Policy, PolicyId, Template, ValidationMode, Validator};
use marque_domain::{Name, UserName};

use crate::error::{LoadError, LoadErrors};
use crate::nesting::{TooMuch, too_much};
use crate::ruling::RuleId;
use crate::schema::{schema, vocabulary};
use crate::set::PolicySource;

const MAX_FILES: usize = 1_000;
const MAX_FILE_BYTES: usize = 1024 * 1024;
const MAX_POLICIES: usize = 20_000;
const MAX_LABEL_BYTES: usize = 128;
const MAX_WORDS_BYTES: usize = 1_000;
const ANNOTATIONS: [&str; 3] = ["id", "ask", "reason"];

/// The id of the base policy, which no other may take.
pub(crate) const BASE_ID: &str = "base";

// `resource.connection.name` takes two steps from the request. What a policy reaches beyond what a
// request brings along would be an error at every decision.
const MAX_STEPS: u32 = 2;

/// One organisation policy, checked.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) policy: Policy,
    pub(crate) objection: Objection,
}

/// What a rule does where it matches.
#[derive(Debug)]
pub(crate) enum Objection {
    /// Holds for a human; the words are theirs to read.
    Ask(String),
    /// Forbids, with the reason the caller is given.
    Forbid(Cow<'static, str>),
}

/// A policy as it stands in its file.
struct Written<'a> {
    source: &'a PolicySource,
    /// From 1.
    number: usize,
    byte: usize,
    policy: Policy,
}

/// The rules of these files, by file name and place. Fails with everything that is wrong.
pub(crate) fn rules(sources: &[PolicySource]) -> Result<Vec<Rule>, LoadErrors> {
    let mut errors = Vec::new();
    let mut written = Vec::new();
    for source in in_order(sources, &mut errors) {
        match parse(source) {
            Ok(policies) => written.extend(policies),
            Err(wrong) => errors.extend(wrong),
        }
        if let Some(beyond) = written.get(MAX_POLICIES) {
            let message = format!("more than {MAX_POLICIES} policies");
            errors.push(beyond.error(&message, "a scope with `in` says many of them in one"));
            break;
        }
    }
    let mut taken = HashMap::from([(BASE_ID.to_owned(), "Marque's own base policy".to_owned())]);
    // As many as are kept: one takes half a kilobyte here, and as much where one could be.
    let mut rules = Vec::with_capacity(written.len().min(MAX_POLICIES));
    let mut places = HashMap::new();
    for policy in written.iter().take(MAX_POLICIES) {
        match policy.rule(&mut taken) {
            Ok(rule) => {
                places.insert(rule.policy.id().clone(), policy);
                rules.push(rule);
            }
            Err(wrong) => errors.extend(wrong),
        }
    }
    errors.extend(check_types(&rules, &places));
    LoadErrors::check(errors)?;
    Ok(rules)
}

/// The sources that can be read, by name.
fn in_order<'a>(sources: &'a [PolicySource], errors: &mut Vec<LoadError>) -> Vec<&'a PolicySource> {
    let mut sorted: Vec<&PolicySource> = sources.iter().collect();
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    if let Some(beyond) = sorted.get(MAX_FILES) {
        let message = format!("more than {MAX_FILES} policy files");
        errors.push(LoadError::at(&beyond.name, "", 0, &message, "put several in one file"));
        sorted.truncate(MAX_FILES);
    }
    let mut last = None;
    sorted.retain(|source| {
        let is_second = last == Some(&source.name);
        last = Some(&source.name);
        let wrong = if is_second {
            Some(("two policy files have this name".to_owned(), "rename one"))
        } else if !is_label(&source.name) {
            Some((
                format!("`{}` cannot be the name of a policy file", source.name),
                "use 1 to 128 printable ASCII characters without spaces: rules are named by it",
            ))
        } else if source.text.len() > MAX_FILE_BYTES {
            Some((format!("larger than {MAX_FILE_BYTES} bytes"), "split it"))
        } else {
            None
        };
        let fine = wrong.is_none();
        errors.extend(
            wrong.map(|(message, remedy)| LoadError::at(&source.name, "", 0, &message, remedy)),
        );
        fine
    });
    sorted
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The policies of a file, in the order they stand there.
fn parse(source: &PolicySource) -> Result<Vec<Written<'_>>, Vec<LoadError>> {
    if let Some((byte, what)) = too_much(&source.text) {
        let (message, remedy) = match what {
            TooMuch::Brackets => ("brackets nest too deeply", "split the condition"),
            TooMuch::Operators => (
                "the policy has too many operators",
                "split it into several, or write `[\"a\", \"b\"].contains(…)` for many `||`",
            ),
        };
        return Err(vec![LoadError::at(&source.name, &source.text, byte, message, remedy)]);
    }
    let set: cedar_policy::PolicySet = source.text.parse().map_err(|errors| {
        let errors: cedar_policy::ParseErrors = errors;
        let wrong = |error| {
            let detail = DetailedError::from(error);
            LoadError::from_cedar(&source.name, &source.text, 0, detail)
        };
        errors.iter().map(wrong).collect::<Vec<_>>()
    })?;
    let mut errors = Vec::new();
    let mut policies = Vec::new();
    let mut searched = 0;
    for number in 1..=set.num_of_policies() + set.num_of_templates() {
        // Cedar numbers what it parses from 0.
        let id = PolicyId::new(format!("policy{}", number - 1));
        let (policy, template) = (set.policy(&id), set.template(&id));
        let text = policy.and_then(Policy::to_cedar).or(template.map(Template::to_cedar));
        let text = text.unwrap_or_default();
        let rest = source.text.get(searched..).unwrap_or_default();
        let byte = searched + rest.find(&text).unwrap_or(0);
        searched = byte + text.len();
        match policy {
            Some(policy) => {
                policies.push(Written { source, number, byte, policy: policy.clone() });
            }
            None => errors.push(LoadError::at(
                &source.name,
                &source.text,
                byte,
                "a template: nothing fills its slots",
                "write the agent or connection in place of `?principal` or `?resource`",
            )),
        }
    }
    if errors.is_empty() { Ok(policies) } else { Err(errors) }
}

impl Written<'_> {
    fn error(&self, message: &str, remedy: &str) -> LoadError {
        LoadError::at(&self.source.name, &self.source.text, self.byte, message, remedy)
    }

    /// This policy as a rule. `taken` holds the ids so far, with where they stand.
    fn rule(&self, taken: &mut HashMap<String, String>) -> Result<Rule, Vec<LoadError>> {
        let mut errors = Vec::new();
        if self.policy.effect() == Effect::Permit {
            errors.push(self.error(
                "a policy cannot widen a mandate: `permit` is not for organisation policies",
                "write `forbid (…) unless { … }`; what an agent may do is granted with \
                 `marque grant add`",
            ));
        }
        for (key, _) in self.policy.annotations().filter(|(key, _)| !ANNOTATIONS.contains(key)) {
            let message = format!("`@{key}` is not an annotation Marque knows");
            errors.push(self.error(&message, "use `@id`, `@ask` or `@reason`, or a comment"));
        }
        let literals = self.policy.entity_literals();
        errors.extend(literals.iter().filter_map(|uid| self.impossible_name(uid)));
        let id = self.id(taken).map_err(|error| errors.push(error));
        let objection = self.objection().map_err(|error| errors.push(error));
        match (id, objection) {
            (Ok(id), Ok(objection)) if errors.is_empty() => {
                let policy = self.policy.new_id(PolicyId::new(&id));
                Ok(Rule { id: RuleId(id), policy, objection })
            }
            _ => Err(errors),
        }
    }

    fn id(&self, taken: &mut HashMap<String, String>) -> Result<String, LoadError> {
        let id = match self.policy.annotation("id") {
            None => format!("{}#{}", self.source.name, self.number),
            Some(id) if is_label(id) => id.to_owned(),
            Some(id) => {
                let message = format!("`{id}` cannot be the id of a policy");
                return Err(self.error(
                    &message,
                    "use 1 to 128 printable ASCII characters without spaces, such as \
                     `no-deletes-by-night`",
                ));
            }
        };
        let place = format!("policy {} of `{}`", self.number, self.source.name);
        match taken.get(&id) {
            None => {
                taken.insert(id.clone(), place);
                Ok(id)
            }
            Some(first) => {
                let message = format!("the id `{id}` is taken by {first}");
                Err(self.error(&message, "ids stand in the log: give each policy its own"))
            }
        }
    }

    fn objection(&self) -> Result<Objection, LoadError> {
        let words = |key| self.policy.annotation(key).map(|words| self.words(key, words));
        match (words("ask").transpose()?, words("reason").transpose()?) {
            (Some(_), Some(_)) => Err(self.error(
                "both `@ask` and `@reason`: a policy either asks or forbids",
                "keep `@ask` to hold for a human, `@reason` to forbid",
            )),
            (Some(words), None) => Ok(Objection::Ask(words)),
            (None, Some(words)) => Ok(Objection::Forbid(words.into())),
            (None, None) => Ok(Objection::Forbid("the organisation forbids it".into())),
        }
    }

    // They are read in a terminal, by somebody about to approve.
    fn words(&self, key: &str, words: &str) -> Result<String, LoadError> {
        let fits = (1..=MAX_WORDS_BYTES).contains(&words.trim().len());
        if fits && !words.chars().any(is_deceptive) {
            return Ok(words.trim().to_owned());
        }
        let message = format!("`@{key}` has no words a human can be shown");
        let remedy = format!("write `@{key}(\"…\")`: one line, 1 to {MAX_WORDS_BYTES} bytes");
        Err(self.error(&message, &remedy))
    }

    /// A name nothing can ever have, so that the policy never says what it seems to say.
    fn impossible_name(&self, uid: &EntityUid) -> Option<LoadError> {
        let (kind, name) = (uid.type_name(), uid.id().unescaped());
        let words = vocabulary();
        let wrong = if *kind == words.agent || *kind == words.connection {
            name.parse::<Name>().err()
        } else if *kind == words.user {
            name.parse::<UserName>().err()
        } else if *kind == words.resource {
            let Some((connection, _)) = name.split_once(' ') else {
                let message = format!("`{name}` can be no resource");
                return Some(self.error(&message, "write the connection, a space and the path"));
            };
            connection.parse::<Name>().err()
        } else {
            None
        };
        wrong.map(|wrong| self.error(&wrong.to_string(), ""))
    }
}

/// Whether a character changes how its neighbours are shown: controls, and the marks that reorder
/// text or are not seen (Unicode Standard Annex #9).
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

/// What Cedar's validator says: names and types that do not exist, and policies that never apply.
/// Its warnings are errors here, each a policy that does not do what it seems to do.
fn check_types(rules: &[Rule], places: &HashMap<PolicyId, &Written<'_>>) -> Vec<LoadError> {
    let Ok(set) = cedar_policy::PolicySet::from_policies(rules.iter().map(|r| r.policy.clone()))
    else {
        return Vec::new();
    };
    let validator = Validator::new(schema().clone());
    let result = validator.validate_with_level(&set, ValidationMode::Strict, MAX_STEPS);
    // Cedar checks a policy once for every action it may apply to: one mistake is told once.
    let mut places_told = HashSet::new();
    let mut found = Vec::new();
    for error in result.validation_errors() {
        let detail = DetailedError::from(error);
        let start = detail.source_locations.first().map(|label| label.loc.start);
        if places_told.insert((error.policy_id(), start)) {
            found.push((error.policy_id(), detail));
        }
    }
    let mut told: HashSet<&PolicyId> = found.iter().map(|(id, _)| *id).collect();
    for warning in result.validation_warnings() {
        // A policy with an error often seems impossible too, which helps nobody to mend it.
        if told.insert(warning.policy_id()) {
            let mut detail = DetailedError::from(warning);
            let never = || "as it stands it would protect nothing: mend it or delete it".to_owned();
            detail.help.get_or_insert_with(never);
            found.push((warning.policy_id(), detail));
        }
    }
    let at_its_place = |(id, detail): (&PolicyId, DetailedError)| {
        let Written { source, byte, .. } = places.get(id)?;
        Some(LoadError::from_cedar(&source.name, &source.text, *byte, detail))
    };
    found.into_iter().filter_map(at_its_place).collect()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
