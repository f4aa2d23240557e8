//! What a push asks for, read from the start of its body: gitprotocol-pack(5), "Reference Update
//! Request", and gitprotocol-common(5), "pkt-line Format".
//!
//! The git host's own few lines, so that it is no echo of whom it judges.

use anyhow::{Context as _, bail};

use crate::demo::journal::Update;

/// The most bytes the commands of one push may take.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The updates, once `body` has all of them; none of them for a probe.
pub(super) fn read(mut body: &[u8]) -> anyhow::Result<Option<Vec<Update>>> {
    let mut updates = Vec::new();
    loop {
        let Some((length, rest)) = body.split_at_checked(4) else { return Ok(None) };
        let length = usize::from_str_radix(std::str::from_utf8(length)?, 16)?;
        if length == 0 {
            return Ok(Some(updates));
        }
        let length = length.checked_sub(4).filter(|length| *length > 0);
        let length = length.context("a packet of no commands")?;
        let Some((line, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        updates.extend(update(std::str::from_utf8(line)?)?);
        body = rest;
    }
}

/// What follows a NUL are capabilities.
fn update(line: &str) -> anyhow::Result<Option<Update>> {
    let line = line.split('\0').next().unwrap_or_default().trim_end_matches('\n');
    if line.starts_with("shallow ") {
        return Ok(None);
    }
    let mut words = line.splitn(3, ' ');
    let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else {
        bail!("no command: `{line}`");
    };
    Ok(Some(Update { old: old.to_owned(), new: new.to_owned(), name: name.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_commands_of_a_push_are_read_as_soon_as_all_of_them_came() {
        let (old, new) = ("0".repeat(40), "a".repeat(40));
        let first = format!("{old} {new} refs/heads/a\0 report-status agent=git/2\n");
        let second = format!("{new} {old} refs/heads/b");
        let lines = ["shallow 12\n", &first, &second];
        let packets = lines.map(|line| format!("{:04x}{line}", line.len() + 4)).concat();
        let whole = format!("{packets}0000PACK");
        for end in 0..packets.len() + 4 {
            assert!(read(&whole.as_bytes()[..end]).unwrap().is_none(), "at {end}");
        }
        let updates = read(whole.as_bytes()).unwrap().unwrap();
        let told: Vec<_> = updates.iter().map(|one| (&*one.old, &*one.new, &*one.name)).collect();
        assert_eq!(told, [(&*old, &*new, "refs/heads/a"), (&*new, &*old, "refs/heads/b")]);
        assert_eq!(read(b"0000").unwrap().unwrap(), []);
        for body in [&b"0001"[..], b"0004", b"zzzz", b"0009hello"] {
            assert!(read(body).is_err(), "{body:?}");
        }
    }
}
