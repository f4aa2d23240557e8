//! Rules for files of any kind: decision records, sizes, traces of one machine.

use super::tree::{Finding, Tree};

const DECISIONS: &str = "docs/decisions/";
const BLOB_BYTES: usize = 200 * 1024;

/// Every decision record is linked from `docs/decisions/README.md`.
pub(super) fn decisions(tree: &Tree) -> Vec<Finding> {
    let index = tree.file("docs/decisions/README.md").map_or("", |file| file.text.as_str());
    let records = tree.with_extension("md").filter_map(|file| {
        let name = file.path.strip_prefix(DECISIONS)?;
        (name != "README.md").then_some((file, name))
    });
    records
        .filter(|(_, name)| !index.contains(&format!("({name})")))
        .map(|(file, name)| {
            file.finding(0, format!("nobody finds this record: link `({name})` in the README.md"))
        })
        .collect()
}

/// No file above 200 KiB but lock files: large data belongs to whoever measures with it.
pub(super) fn blobs(tree: &Tree) -> Vec<Finding> {
    let large = tree.files.iter().filter(|file| file.size_bytes > BLOB_BYTES);
    large
        .filter(|file| !file.path.ends_with("Cargo.lock"))
        .map(|file| {
            let message = format!("{} bytes, {BLOB_BYTES} at most: generate it", file.size_bytes);
            file.finding(0, message)
        })
        .collect()
}

/// No file names a path that exists on one machine only.
pub(super) fn machine_paths(tree: &Tree) -> Vec<Finding> {
    // Split, or these very lines would be findings.
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let starts_path = |before: Option<char>| {
        before.is_none_or(|c| !c.is_alphanumeric() && !"/._-~}*".contains(c))
    };
    let named = |text: &str| {
        paths.iter().any(|path| {
            let mut hits = text.match_indices(path);
            hits.any(|(at, _)| starts_path(text.get(..at).and_then(|head| head.chars().last())))
        })
    };
    let mut findings = Vec::new();
    for file in &tree.files {
        for (line, _) in file.lines().filter(|(_, text)| named(text)) {
            findings.push(file.finding(line, "a path of one machine: say it without"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::{blobs, decisions, machine_paths};

    #[test]
    fn a_decision_record_that_is_not_linked_is_found() {
        let index = ("docs/decisions/README.md", "- [One](0001-one.md)");
        let one = ("docs/decisions/0001-one.md", "# One");
        let two = ("docs/decisions/0002-two.md", "# Two");
        let found = decisions(&Tree::of(&[index, one, two]));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().contains("`(0002-two.md)`"));
        assert_eq!(decisions(&Tree::of(&[one])).len(), 1);
        assert_eq!(decisions(&Tree::of(&[index, one])), []);
    }

    #[test]
    fn a_large_file_is_found_unless_it_locks_versions() {
        let large = "a".repeat(200 * 1024 + 1);
        assert_eq!(blobs(&Tree::of(&[("a.bin", &large)])).len(), 1);
        assert_eq!(blobs(&Tree::of(&[("Cargo.lock", &large)])), []);
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_part_of_a_longer_path_is_not() {
        let text = |before: &str| format!("see {before}{}main", concat!("/wo", "rk/"));
        assert_eq!(machine_paths(&Tree::of(&[("a.md", &text(""))])).len(), 1);
        assert_eq!(machine_paths(&Tree::of(&[("a.md", &text("`"))])).len(), 1);
        assert_eq!(machine_paths(&Tree::of(&[("a.md", &text("https://a.example"))])), []);
    }
}
