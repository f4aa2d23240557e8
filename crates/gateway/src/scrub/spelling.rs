//! One character of a text, whatever escapes it: `A`, `%41`, `\u0041`, `\x41`, `%2541`.
//!
//! Owns which escapes are undone, and how many inside each other. Knows nothing of what is
//! searched for.

/// How many escapes inside each other are undone: `\\u0041` is `\u0041` is `A`.
pub(super) const DEPTH_MAX: usize = 2;

/// The text ends within the character.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut;

/// One character as it is meant, and where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Character {
    bytes: [u8; 4],
    len: u8,
    pub(super) end: usize,
}

impl Character {
    fn byte(byte: u8, end: usize) -> Self {
        Self { bytes: [byte, 0, 0, 0], len: 1, end }
    }

    fn scalar(character: char, end: usize) -> Self {
        let mut bytes = [0; 4];
        character.encode_utf8(&mut bytes);
        let len = match character {
            '\0'..='\u{7f}' => 1,
            '\u{80}'..='\u{7ff}' => 2,
            '\u{800}'..='\u{ffff}' => 3,
            _ => 4,
        };
        Self { bytes, len, end }
    }

    /// What it means; several bytes only for one that is not ASCII.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether it can begin an escape itself, once it is undone.
    pub(super) fn may_escape(&self) -> bool {
        self.single().is_some_and(is_escape)
    }

    fn octet(value: u32, end: usize) -> Self {
        let [byte, ..] = value.to_le_bytes();
        Self::byte(byte, end)
    }

    fn single(&self) -> Option<u8> {
        if let [byte] = self.bytes() { Some(*byte) } else { None }
    }
}

/// Whether a byte can begin an escape.
pub(super) fn is_escape(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\')
}

/// Whether an escape may begin with `sign` where `next` follows it: a glance that [`read`] agrees
/// with, at every depth.
pub(super) fn may_escape(sign: u8, next: u8) -> bool {
    is_escape(next)
        || match sign {
            b'%' => next.is_ascii_hexdigit(),
            b'\\' => next.is_ascii_punctuation() || b"uxbfnrt".contains(&next),
            _ => false,
        }
}

/// Reads the character at `at`, undoing escapes up to `depth` times. What is no escape means
/// itself.
pub(super) fn read(text: &[u8], at: usize, depth: usize) -> Result<Character, Cut> {
    match depth {
        0 => plain(text, at),
        1 => unescaped(text, at, plain),
        _ => unescaped(text, at, |text, at| unescaped(text, at, plain)),
    }
}

fn plain(text: &[u8], at: usize) -> Result<Character, Cut> {
    text.get(at).map(|byte| Character::byte(*byte, at + 1)).ok_or(Cut)
}

/// The character at `at` of a text whose characters `below` reads.
#[inline]
fn unescaped<R>(text: &[u8], at: usize, below: R) -> Result<Character, Cut>
where
    R: Fn(&[u8], usize) -> Result<Character, Cut>,
{
    let first = below(text, at)?;
    let escaped = match first.single() {
        // RFC 3986 §2.1
        Some(b'%') => {
            digits(text, first.end, 2, below)?.map(|(value, end)| Character::octet(value, end))
        }
        Some(b'\\') => backslash(text, first.end, below)?,
        _ => None,
    };
    Ok(escaped.unwrap_or(first))
}

/// RFC 8259 §7, what shells and regular expressions do to marks, and `\x41` of many languages.
fn backslash<R>(text: &[u8], at: usize, below: R) -> Result<Option<Character>, Cut>
where
    R: Fn(&[u8], usize) -> Result<Character, Cut>,
{
    let next = below(text, at)?;
    let Some(byte) = next.single() else { return Ok(None) };
    Ok(match byte {
        b'u' => digits(text, next.end, 4, below)?.and_then(|(value, end)| {
            let character = char::from_u32(value)?;
            Some(Character::scalar(character, end))
        }),
        b'x' => digits(text, next.end, 2, below)?.map(|(value, end)| Character::octet(value, end)),
        b'b' => Some(Character::byte(0x08, next.end)),
        b'f' => Some(Character::byte(0x0c, next.end)),
        b'n' => Some(Character::byte(b'\n', next.end)),
        b'r' => Some(Character::byte(b'\r', next.end)),
        b't' => Some(Character::byte(b'\t', next.end)),
        mark if mark.is_ascii_punctuation() => Some(next),
        _ => None,
    })
}

/// The value of so many hexadecimal digits, and where they end.
fn digits<R>(
    text: &[u8],
    mut at: usize,
    count: usize,
    below: R,
) -> Result<Option<(u32, usize)>, Cut>
where
    R: Fn(&[u8], usize) -> Result<Character, Cut>,
{
    let mut value = 0;
    for _ in 0..count {
        let character = below(text, at)?;
        let digit = character.single().and_then(|byte| char::from(byte).to_digit(16));
        let Some(digit) = digit else { return Ok(None) };
        value = value * 16 + digit;
        at = character.end;
    }
    Ok(Some((value, at)))
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, may_escape, read};

    #[test]
    fn whatever_is_read_as_an_escape_may_be_one_at_a_glance() {
        let tails = ["", "1", "41", "0041", "u0041", "x41", "%41", "%2541", "5c41", "\\x41"];
        let pairs = b"%\\".iter().flat_map(|sign| (0..=255_u8).map(move |next| (*sign, next)));
        for ((sign, next), tail) in pairs.flat_map(|pair| tails.map(|tail| (pair, tail))) {
            let text = [&[sign, next], tail.as_bytes()].concat();
            let is_escape = |depth| read(&text, 0, depth).map_or(true, |read| read.end > 1);
            assert!(may_escape(sign, next) || !(1..=DEPTH_MAX).any(is_escape), "{text:?}");
        }
    }

    #[test]
    fn most_bytes_after_a_sign_are_no_escape_at_a_glance() {
        let many = |sign| (0..=255).filter(|next| may_escape(sign, *next)).count();
        assert_eq!((many(b'%'), many(b'\\')), (24, 39));
    }
}
