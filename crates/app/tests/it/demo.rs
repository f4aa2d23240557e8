//! The demonstration, as the README promises it.

use super::support::Marque;

#[test]
fn the_demonstration_holds_and_leaves_nothing_behind() {
    let marque = Marque::nothing_yet();
    let told = marque.cli(&["demo", "--json"]);
    let document = told.json();
    let steps = document["steps"].as_array().unwrap();
    assert!(steps.len() >= 10, "{document}");
    for step in steps {
        assert_eq!(step["ok"], true, "{step}");
        assert!(step["name"].is_string() && step["expected"].is_string(), "{step}");
        assert!(step["observed"].is_string(), "{step}");
    }
    assert!(!marque.data().exists(), "it has a plane of its own");
    let left = std::fs::read_dir(marque.path("tmp")).unwrap().count();
    assert_eq!(left, 0, "something is left in the temporary directory");
}
