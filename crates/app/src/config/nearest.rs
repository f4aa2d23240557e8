//! Which known word somebody may have meant.
//!
//! Pure; words are short, so the plain dynamic programme serves.

/// The known word closest to `word`, if it is close enough to be a slip of the hand.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(64).collect();
    let furthest = (word.chars().count() / 3).max(1);
    let with_distance = known.into_iter().map(|known| (distance(&word, known), known));
    let (distance, known) = with_distance.min()?;
    (distance <= furthest).then_some(known)
}

/// Letters to insert, delete or replace to turn one word into the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.chars().enumerate() {
        let mut left = place + 1;
        let mut next = vec![left];
        for (pair, known) in row.windows(2).zip(&other) {
            let [diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(letter != *known)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distance_counts_the_slips() {
        for (one, other, slips) in [
            ("", "", 0),
            ("a", "", 1),
            ("ttl", "tll", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(one, other), slips, "`{one}` to `{other}`");
        }
    }

    #[test]
    fn only_a_close_word_is_suggested() {
        let known = ["default_ttl", "max_ttl", "trust_floor"];
        assert_eq!(nearest("defualt_ttl", known), Some("default_ttl"));
        assert_eq!(nearest("trust-floor", known), Some("trust_floor"));
        assert_eq!(nearest("colour", known), None);
    }
}
