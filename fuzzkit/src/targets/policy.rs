//! Policy files: any text is loaded or refused, and what was loaded is loaded again.

use marque_policy::{PolicySet, PolicySource};

/// Cedar reads some megabytes a second: longer texts teach nothing more.
const TEXT_MAX_BYTES: usize = 4 * 1024;

pub(super) fn check(data: &[u8]) {
    let Some(text) = std::str::from_utf8(data).ok().filter(|text| text.len() <= TEXT_MAX_BYTES)
    else {
        return;
    };
    let source = PolicySource { name: "any.cedar".to_owned(), text: text.to_owned() };
    match PolicySet::load(std::slice::from_ref(&source)) {
        Ok(set) => {
            let again = PolicySet::load(&[source]).expect("what was loaded is loaded again");
            assert_eq!(set.canonical_text(), again.canonical_text());
            assert!(set.unscoped_count() <= set.len());
        }
        Err(errors) => assert!(!errors.to_string().is_empty(), "a refusal that says nothing"),
    }
}
