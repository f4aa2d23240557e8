//! Lines: permissions as humans write them, read against the connections there are.

use marque_domain::authority::MAX_LINES;
use marque_domain::{Authority, Permission, Sorted};

use crate::error::{AdminError, AdminKind};
use crate::spec::Lines;
use crate::world::World;

/// The authority that lines spell.
pub(crate) fn read(world: &World, lines: &Lines) -> Result<Authority, AdminError> {
    let authority = Authority {
        allow: read_set(world, &lines.allow)?,
        ask: read_set(world, &lines.ask)?,
        never: read_set(world, &lines.never)?,
    };
    if authority.len() > MAX_LINES {
        let message = format!("these are more than {MAX_LINES} lines: use fewer and wider ones");
        return Err(AdminError::new(AdminKind::Invalid, message));
    }
    Ok(authority.normal())
}

fn read_set(world: &World, lines: &[String]) -> Result<Sorted<Permission>, AdminError> {
    let find = |name: &str| {
        let connection = world.connection_named(&name.parse().ok()?)?;
        connection.fact.is_live().then(|| connection.fact.registered())
    };
    let mut permissions = Vec::new();
    for line in lines {
        let parsed = Permission::parse(line, find).map_err(|error| AdminError::invalid(&error))?;
        permissions.extend(parsed);
    }
    Ok(permissions.into_iter().collect())
}

/// How lines are printed.
pub(crate) fn print(lines: &[Permission]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

/// How lines stand in an entry: one text.
pub(crate) fn joined(lines: &[Permission]) -> String {
    print(lines).join("; ")
}
