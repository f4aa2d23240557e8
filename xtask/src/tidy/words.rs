//! One word per idea: names that use a retired synonym are refused.
//!
//! The words and their retired synonyms live in `docs/glossary.md`, for people and for this rule.

use super::tree::{File, Finding, Tree};

const GLOSSARY: &str = "docs/glossary.md";
const HEADING: &str = "## Retired words";

/// A row of the table: never this, say that, but here it is another's word.
struct Retired {
    word: String,
    instead: String,
    except: Vec<String>,
}

/// Names in Rust, SQL and documentation use the words of the glossary. `two_words` is also
/// found in `AllTwoWords`; two words of a sentence are never a name.
pub(super) fn retired(tree: &Tree) -> Vec<Finding> {
    let Some(glossary) = tree.file(GLOSSARY) else { return Vec::new() };
    let table = parse(glossary);
    if table.is_empty() {
        let message = format!("no table under `{HEADING}`: tidy reads the retired words there");
        return vec![glossary.finding(0, message)];
    }
    ["rs", "sql", "md"]
        .iter()
        .flat_map(|extension| tree.with_extension(extension))
        .filter(|file| file.path != GLOSSARY)
        .flat_map(|file| stale_names(file, &table))
        .collect()
}

fn parse(glossary: &File) -> Vec<Retired> {
    let table = glossary.text.lines().skip_while(|line| *line != HEADING).skip(1);
    let table = table.take_while(|line| !line.starts_with("## "));
    table.filter_map(parse_row).collect()
}

/// A row is `| word | instead | except |`; only what stands in backticks counts.
fn parse_row(line: &str) -> Option<Retired> {
    let mut cells = line.strip_prefix('|')?.split('|');
    let word = quoted(cells.next()?).next()?.to_owned();
    let instead = cells.next()?.trim().to_owned();
    let except = quoted(cells.next()?).map(str::to_owned).collect();
    Some(Retired { word, instead, except })
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn stale_names(file: &File, table: &[Retired]) -> Vec<Finding> {
    let stale = |name: &str| {
        let name = snake(name);
        table.iter().find(|row| {
            format!("_{name}_").contains(&format!("_{}_", row.word))
                && !row.except.iter().any(|path| file.path.starts_with(path))
        })
    };
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        for name in text.split(|c| !is_name(c)) {
            if let Some(row) = stale(name) {
                let message =
                    format!("`{name}` is a retired word: say {} (see `{GLOSSARY}`)", row.instead);
                findings.push(file.finding(line, message));
            }
        }
    }
    findings
}

/// `TwoWords` and `TWO_WORDS` as `two_words`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for c in name.chars() {
        if c.is_uppercase() && after_small {
            snake.push('_');
        }
        after_small = c.is_lowercase() || c.is_numeric();
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::retired;

    const GLOSSARY: &str = "# Words\n\n## Retired words\n\n| Never | Say | Except in |\n\
        |---|---|---|\n| `old_name` | `Name` | `crates/scan/` |\n";

    fn found(path: &str, text: &str) -> usize {
        retired(&Tree::of(&[("docs/glossary.md", GLOSSARY), (path, text)])).len()
    }

    #[test]
    fn a_retired_word_is_found_in_any_case_and_inside_longer_names() {
        assert_eq!(found("a.rs", "let old_name = 1;"), 1);
        assert_eq!(found("a.rs", "struct OldName; struct TheOldNameList;"), 2);
        assert_eq!(found("a.sql", "SELECT OLD_NAME_ID FROM a"), 1);
        assert_eq!(found("a.md", "The `oldName` field."), 1);
    }

    #[test]
    fn prose_other_words_and_other_files_are_not_names() {
        assert_eq!(found("a.md", "An old name, an old-name."), 0);
        assert_eq!(found("a.rs", "let bold_names = 1;"), 0);
        assert_eq!(found("a.json", "old_name"), 0);
        assert_eq!(found("crates/scan/a.rs", "old_name"), 0);
    }

    #[test]
    fn the_message_says_the_word_to_use() {
        let tree = Tree::of(&[("docs/glossary.md", GLOSSARY), ("a.rs", "old_name")]);
        assert!(retired(&tree)[0].to_string().contains("say `Name`"));
    }

    #[test]
    fn a_glossary_whose_table_cannot_be_read_is_found() {
        assert_eq!(retired(&Tree::of(&[("docs/glossary.md", "# Words\n")])).len(), 1);
    }
}
