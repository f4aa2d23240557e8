//! How deep a policy text goes, measured before Cedar reads it.
//!
//! Cedar's parser recurses without a bound, so that a text of some hundred brackets would end the
//! process; and an expression of some hundred operators would be an error at every decision.

/// How many brackets may stand open at once. Cedar overflows 2 MiB of stack between 100 and 150.
const MAX_OPEN: usize = 32;
/// How many operators and dots one policy may have. Cedar gives up on evaluating above 400 on a
/// stack of 2 MiB.
pub(crate) const MAX_OPERATORS: usize = 300;

/// Why a text must not be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMuch {
    Brackets,
    Operators,
}

/// The first byte at which a policy of the text goes beyond the bounds.
pub(crate) fn too_much(text: &str) -> Option<(usize, TooMuch)> {
    let (mut open, mut operators) = (0usize, 0);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = token(rest, first);
        let (word, after) = rest.split_at_checked(length)?;
        match word {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            "&&" | "||" | "+" | "-" | "*" | "." | "if" => operators += 1,
            // Brackets are not closed by it: an unbalanced text may only look deeper than it is.
            ";" => operators = 0,
            _ => {}
        }
        if open > MAX_OPEN {
            return Some((text.len() - rest.len(), TooMuch::Brackets));
        }
        if operators > MAX_OPERATORS {
            return Some((text.len() - rest.len(), TooMuch::Operators));
        }
        rest = after;
    }
    None
}

/// The length in bytes of what stands at the head of `rest`: a string or a comment whole, as
/// Cedar's lexer takes them, a word whole, else an operator of two signs or one character.
fn token(rest: &str, first: char) -> usize {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if first == '"' {
        return string(rest);
    }
    if rest.starts_with("//") {
        return rest.find(['\n', '\r']).unwrap_or(rest.len());
    }
    if is_word(first) {
        return rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    }
    if rest.starts_with("&&") || rest.starts_with("||") { 2 } else { first.len_utf8() }
}

fn string(rest: &str) -> usize {
    let mut is_escaped = false;
    for (place, character) in rest.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::{MAX_OPEN, MAX_OPERATORS, TooMuch, too_much};

    fn found(text: &str) -> Option<TooMuch> {
        too_much(text).map(|(_, what)| what)
    }

    #[test]
    fn brackets_and_operators_are_counted_within_one_policy() {
        assert_eq!(found(&"(".repeat(MAX_OPEN)), None);
        assert_eq!(found(&"[{(".repeat(MAX_OPEN)), Some(TooMuch::Brackets));
        assert_eq!(found(&"()[]{}".repeat(MAX_OPEN)), None);
        assert_eq!(found(&"a && if b.c || ".repeat(MAX_OPERATORS / 4)), None);
        assert_eq!(found(&"a && if b.c || ".repeat(MAX_OPERATORS)), Some(TooMuch::Operators));
        assert_eq!(found(&"a && if b.c; ".repeat(MAX_OPERATORS)), None);
    }

    #[test]
    fn strings_and_comments_count_for_nothing() {
        let brackets = "(".repeat(100);
        assert_eq!(found(&format!("\"{brackets}\\\"{brackets}\\\\\"")), None);
        assert_eq!(found(&format!("// \"\n// {brackets}\r// \"")), None);
        assert_eq!(found(&format!("\"//\" {brackets}")), Some(TooMuch::Brackets));
        assert_eq!(found(&format!("// \"\n{brackets}")), Some(TooMuch::Brackets));
        assert_eq!(found(&format!("//\r{brackets}")), Some(TooMuch::Brackets));
    }
}
