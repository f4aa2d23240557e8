//! The vocabulary policies are written in: entity types, actions and context, as a Cedar schema
//! generated from the domain's services.
//!
//! Words with few values are enumerated entities, not strings, so that a misspelt tier or level is
//! refused when the policy is loaded instead of never matching.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, Schema};
use marque_domain::service::OperationKind;
use marque_domain::{Class, Service};

const SERVICES: [Service; 4] = Service::ALL;
const CLASSES: [Class; 4] = [Class::Read, Class::Write, Class::Admin, Class::Unclassified];

const TYPES: &str = r#"  // A human.
  entity User;

  // The agent that acts, by name.
  entity Agent = {
    name: String,
    owner: User,
    purpose: String,
  };

  // A tie to one upstream, by name.
  entity Connection = {
    name: String,
    service: Service,
  };

  // What is acted on: "<connection> <parts>", such as Marque::Resource::"bank /v1/transfers" or
  // Marque::Resource::"code acme/api refs/heads/main".
  entity Resource in [Connection] = {
    connection: Connection,
    path: String, // the first part: a path, or a repository in lower case
    name: String, // the second part in lower case: a ref or the key of a push option; or ""
    parts: Set<String>,
    host: String, // lower case
    port: Long,
  };

  entity Service enum [{services}];
  entity Tier enum ["advisory", "confined", "captured"];
  entity TrustLevel enum ["untrusted", "pending", "trusted"];
  entity Body enum ["empty", "streamed", "bound", "read"];

  type Facts = {
    now: {
      hour: Long, // 0 to 23, UTC
      weekday: Long, // 1 is Monday, 7 is Sunday, UTC
      epoch_secs: Long,
    },
    run: {
      task: String, // such as "ticket:OPS-12"
      tier: Tier,
      delegated: Bool, // acts for a person, not as itself
      on_behalf_of?: User,
      depth: Long, // actors in the chain, 1 for a run no other run opened
      opened_by: User,
    },
    trust: {
      score: Long, // 0 to 100
      level: TrustLevel,
    },
    operation: {
      scheme: String,
      has_query: Bool,
      body: Body,
    },
  };
"#;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::new);

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let parsed = Schema::from_cedarschema_str(&schema_text());
    // `the_checked_in_schema_is_the_generated_one` parses this very text.
    parsed.expect("invariant: the generated schema parses").0
});

/// The schema every policy is checked against, in Cedar's own schema language; checked in as
/// `policies/marque.cedarschema`.
pub fn schema_text() -> String {
    let quoted = |words: Vec<String>| {
        words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    };
    let services = quoted(SERVICES.iter().map(ToString::to_string).collect());
    let classes = quoted(CLASSES.iter().map(ToString::to_string).collect());
    let head = "// What policies may speak of. Generated from the services Marque recognises: \
                do not edit.\nnamespace Marque {\n";
    let types = TYPES.replace("{services}", &services);
    let groups = format!(
        "\n  // How much an operation can change, and the service it belongs to.\n  action \
         {classes};\n  action {services};\n"
    );
    [head, &types, &groups, &SERVICES.map(actions_text).concat(), "}\n"].concat()
}

fn actions_text(service: Service) -> String {
    let action = |kind: &OperationKind| {
        format!(
            "  action \"{service}:{}\" in [\"{}\", \"{service}\"]\n    appliesTo {{ principal: \
             Agent, resource: Resource, context: Facts }};\n",
            kind.name, kind.class
        )
    };
    let actions = service.operations().iter().map(action);
    std::iter::once("\n".to_owned()).chain(actions).collect()
}

/// The schema, parsed.
pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

/// Names of entity types, and every action.
pub(crate) fn vocabulary() -> &'static Vocabulary {
    &VOCABULARY
}

/// What policies and requests are made of.
pub(crate) struct Vocabulary {
    pub(crate) user: EntityTypeName,
    pub(crate) agent: EntityTypeName,
    pub(crate) connection: EntityTypeName,
    pub(crate) resource: EntityTypeName,
    pub(crate) service: EntityTypeName,
    pub(crate) tier: EntityTypeName,
    pub(crate) trust_level: EntityTypeName,
    pub(crate) body: EntityTypeName,
    pub(crate) actions: Vec<Action>,
    /// For every action and group, the places in `actions` it stands for.
    members: HashMap<EntityUid, Vec<usize>>,
}

/// One operation of one service, as Cedar sees it.
pub(crate) struct Action {
    service: Service,
    name: &'static str,
    /// What the service says of it; policies match on this class.
    pub(crate) class: Class,
    pub(crate) uid: EntityUid,
    /// Itself alone, in its two groups.
    pub(crate) entities: Entities,
}

impl Vocabulary {
    fn new() -> Self {
        let action_type = type_name("Action");
        let group = |name: String| uid(&action_type, &name);
        let words = CLASSES.iter().map(ToString::to_string);
        let groups = words.chain(SERVICES.iter().map(ToString::to_string));
        let mut members: HashMap<_, _> = groups.map(|word| (group(word), Vec::new())).collect();
        let mut actions = Vec::new();
        for service in SERVICES {
            for kind in service.operations() {
                let itself = group(format!("{service}:{}", kind.name));
                let groups = [group(kind.class.to_string()), group(service.to_string())];
                for uid in groups.iter().chain([&itself]) {
                    members.entry(uid.clone()).or_default().push(actions.len());
                }
                actions.push(Action {
                    service,
                    name: kind.name,
                    class: kind.class,
                    entities: alone(Entity::new_no_attrs(itself.clone(), HashSet::from(groups))),
                    uid: itself,
                });
            }
        }
        Self {
            user: type_name("User"),
            agent: type_name("Agent"),
            connection: type_name("Connection"),
            resource: type_name("Resource"),
            service: type_name("Service"),
            tier: type_name("Tier"),
            trust_level: type_name("TrustLevel"),
            body: type_name("Body"),
            actions,
            members,
        }
    }

    /// The place and the action of that operation.
    pub(crate) fn action(&self, service: Service, name: &str) -> Option<(usize, &Action)> {
        let mut actions = self.actions.iter().enumerate();
        actions.find(|(_, action)| action.service == service && action.name == name)
    }

    /// The places of the actions that action or group stands for; empty if it is not known.
    pub(crate) fn members(&self, action: &EntityUid) -> &[usize] {
        self.members.get(action).map_or(&[], Vec::as_slice)
    }
}

fn alone(entity: Entity) -> Entities {
    let entities = Entities::from_entities([entity], None);
    entities.expect("invariant: one entity is neither twice there nor its own parent")
}

fn type_name(word: &str) -> EntityTypeName {
    let name = format!("Marque::{word}").parse();
    name.expect("invariant: the words above are identifiers")
}

/// The entity of that type and id.
pub(crate) fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

#[cfg(test)]
mod tests {
    use super::schema_text;

    #[test]
    fn the_checked_in_schema_is_the_generated_one() {
        let fresh = std::env::temp_dir().join("marque.cedarschema");
        std::fs::write(&fresh, schema_text()).unwrap();
        let checked_in = include_str!("../../../policies/marque.cedarschema");
        assert!(
            checked_in == schema_text(),
            "the vocabulary changed: cp {} policies/marque.cedarschema",
            fresh.display()
        );
    }

    #[test]
    fn every_operation_of_every_service_is_an_action() {
        let vocabulary = super::vocabulary();
        let operations = super::SERVICES.iter().flat_map(|service| service.operations());
        assert_eq!(vocabulary.actions.len(), operations.count());
        assert_eq!(super::schema().actions().count(), vocabulary.actions.len() + 8);
    }
}
