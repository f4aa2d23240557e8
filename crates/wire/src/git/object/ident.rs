//! Who made an object, as git writes it: `Name <mail> seconds zone`.

/// A person or an agent, as an object names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ident<'a> {
    /// Called what.
    pub name: &'a [u8],
    /// At which address.
    pub mail: &'a [u8],
    /// When, by their own word: seconds since the epoch.
    pub seconds: Option<u64>,
}

impl<'a> Ident<'a> {
    /// Reads what stands behind `author`, `committer` or `tagger`. As git does: the address is what
    /// is between the first `<` and the `>` after it, the time what follows the last `>`.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'<')?;
        let (name, rest) = text.split_at_checked(open)?;
        let rest = rest.get(1..)?;
        let close = rest.iter().position(|byte| *byte == b'>')?;
        let last = rest.iter().rposition(|byte| *byte == b'>')?;
        let after = std::str::from_utf8(rest.get(last + 1..)?).ok();
        let seconds = after.and_then(|after| after.split_ascii_whitespace().next()?.parse().ok());
        Some(Self { name: name.trim_ascii(), mail: rest.get(..close)?, seconds })
    }

    /// Whether it is exactly that one.
    pub fn is(&self, name: &str, mail: &str) -> bool {
        self.name == name.as_bytes() && self.mail == mail.as_bytes()
    }
}
