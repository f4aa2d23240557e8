//! A push: every command is an effect of its own, and so is every option.
//!
//! Reads the command section and no byte of the pack (threats 116 and 117). The new object ids
//! commit to what the pack holds, so an approval of them covers it.

use marque_crypto::hash::sha256;
use marque_domain::{Body, Class, Effect, Operation};
use marque_wire::git::ObjectId;
use marque_wire::git::push::{BadPush, Command, CommandKind, Fed, Push, PushReader};

use super::{About, class_of};
use crate::recognise::{Learned, ReadBody};
use crate::refuse::Notice;
use crate::voice::Voice;

/// The body of a push that is about to be read.
pub(super) struct PushBody {
    about: About,
    reader: PushReader,
}

impl PushBody {
    pub(super) fn new(about: About) -> Self {
        Self { about, reader: PushReader::new() }
    }

    /// A refusal that git prints, as far as the client has said how.
    fn refused(&self, bad: BadPush) -> Notice {
        let notice = Notice::malformed("push", bad.to_string(), "push with git as it is");
        match self.reader.answerable() {
            Some(style) => {
                let refs = self.reader.refs().cloned().collect();
                notice.in_voice(Voice::Push { style, refs })
            }
            None => notice,
        }
    }
}

impl ReadBody for PushBody {
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, Notice> {
        match self.reader.feed(bytes) {
            Ok(fed) => Ok(fed == Fed::Done),
            Err(bad) => Err(self.refused(bad)),
        }
    }

    fn learn(self: Box<Self>) -> Result<Learned, Notice> {
        let Self { about, reader } = *self;
        let refused = |bad: BadPush| Notice::malformed("push", bad.to_string(), "push it again");
        let push = reader.finish().map_err(refused)?;
        if push.is_probe() {
            return Ok(Learned::Probe);
        }
        let voice = voice(&push);
        Ok(Learned::Operation(Box::new(operation(about, &push)), voice))
    }
}

fn voice(push: &Push) -> Voice {
    let Some(style) = push.capabilities.report else { return Voice::Http };
    let refs = push.commands.iter().map(|command| command.reference.clone()).collect();
    Voice::Push { style, refs }
}

fn operation(about: About, push: &Push) -> Operation {
    let repo = about.repo.as_str().to_owned();
    let effect = |name: &str, part: &str| Effect {
        name: name.to_owned(),
        class: class_of(name),
        resource: vec![repo.clone(), part.to_owned()],
    };
    let commands = push.commands.iter().map(|command| {
        let name = match command.kind() {
            CommandKind::Create | CommandKind::Update => "git.push",
            CommandKind::Delete => "git.delete",
        };
        effect(name, command.reference.as_str())
    });
    let options = push.options.iter().map(|option| effect("git.option", option.key()));
    let mut effects = commands.chain(options);
    let first = effects.next().unwrap_or_else(|| effect("git.push", "refs/"));
    let also: Vec<Effect> = effects.collect();
    let class = also.iter().map(|effect| effect.class).fold(first.class, Class::max);
    let mut parameters = about.common.parameters;
    for command in &push.commands {
        parameters.insert(format!("ref.{}", command.reference), told(command));
    }
    for (number, option) in push.options.iter().enumerate() {
        parameters.insert(format!("option.{number}"), option.as_str().to_owned());
    }
    if !push.shallow.is_empty() {
        parameters.insert("shallow".to_owned(), digest_of(&push.shallow));
    }
    if push.capabilities.atomic {
        parameters.insert("atomic".to_owned(), "true".to_owned());
    }
    Operation {
        name: first.name,
        class,
        resource: first.resource,
        also,
        parameters,
        body: Body::Bound,
        ..about.common
    }
}

/// Hundreds of ids tell a human nothing; their digest binds an approval to them.
fn digest_of(ids: &[ObjectId]) -> String {
    let ids: Vec<&str> = ids.iter().map(ObjectId::as_str).collect();
    sha256(ids.join(" ").as_bytes()).to_string()
}

fn told(command: &Command) -> String {
    let Command { old, new, .. } = command;
    match command.kind() {
        CommandKind::Create => format!("create {new}"),
        CommandKind::Update => format!("update {old} {new}"),
        CommandKind::Delete => format!("delete {old}"),
    }
}
