use crate::testing::{Told, file, ruled, set};
use crate::{LoadError, PolicySet, PolicySource, Ruling};

/// The only thing wrong with a file.
fn wrong(text: &str) -> LoadError {
    let errors = PolicySet::load(&[file(text)]).unwrap_err();
    assert_eq!(errors.iter().count(), 1, "{errors}");
    errors.iter().next().unwrap().clone()
}

#[test]
fn a_policy_that_permits_is_refused() {
    let error = wrong("// words\n  permit(principal, action, resource);");
    assert_eq!((error.line, error.column), (2, 3));
    assert!(error.message.contains("cannot widen a mandate"), "{error}");
    assert!(error.remedy.unwrap().contains("unless"));
}

#[test]
fn words_that_do_not_exist_are_refused() {
    for (text, word) in [
        (r#"forbid(principal, action == Marque::Action::"http:BREW", resource);"#, "http:BREW"),
        (r#"forbid(principal == Marque::Robot::"a", action, resource);"#, "Robot"),
        ("forbid(principal, action, resource) when { context.moon == 1 };", "moon"),
        ("forbid(principal, action, resource) when { resource.size > 1 };", "size"),
        (
            r#"forbid(principal, action, resource)
               when { context.run.tier == Marque::Tier::"captive" };"#,
            "captive",
        ),
    ] {
        let error = wrong(text);
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn a_policy_that_can_match_nothing_is_refused() {
    for text in [
        "forbid(principal, action, resource) when { false };",
        "forbid(principal, action, resource) when { principal is Marque::User };",
        "forbid(principal is Marque::User, action, resource);",
        r#"forbid(principal == Marque::User::"alice", action, resource);"#,
        r#"forbid(principal, action, resource == Marque::Connection::"bank");"#,
        r#"forbid(principal, action == Marque::Action::"write", resource);"#,
        r#"forbid(principal, action in Marque::Action::"net", resource)
           when { action in Marque::Action::"http" };"#,
        // The service has no operation of this class.
        r#"forbid(principal, action in Marque::Action::"admin", resource)
           when { action in Marque::Action::"http" };"#,
        // Names nothing can have.
        r#"forbid(principal == Marque::Agent::"Triage", action, resource);"#,
        r#"forbid(principal, action, resource in Marque::Connection::"a b");"#,
        r#"forbid(principal, action, resource == Marque::Resource::"/v1");"#,
        r#"forbid(principal, action, resource)
           when { principal.owner == Marque::User::"a b" };"#,
    ] {
        assert!(PolicySet::load(&[file(text)]).is_err(), "must be refused: {text}");
    }
}

#[test]
fn what_would_be_an_error_at_every_decision_is_refused() {
    for text in [
        "forbid(principal, action, resource) when { context.run.on_behalf_of == principal.owner };",
        r#"forbid(principal, action, resource) when { Marque::Agent::"b".purpose like "*x*" };"#,
        "forbid(principal, action, resource) when { resource.path > 3 };",
    ] {
        assert!(PolicySet::load(&[file(text)]).is_err(), "must be refused: {text}");
    }
}

#[test]
fn an_id_is_given_once_and_can_stand_in_a_log() {
    let twice = "@id(\"a\") forbid(principal, action, resource);\n\
                 @id(\"a\") forbid(principal, action, resource);";
    let error = wrong(twice);
    assert_eq!(error.line, 2);
    assert!(error.message.contains("policy 1 of `test.cedar`"), "{error}");
    for id in ["base", "", "a b", "a\\nb", "ä"] {
        let text = format!("@id(\"{id}\") forbid(principal, action, resource);");
        assert!(PolicySet::load(&[file(&text)]).is_err(), "id {id:?} must be refused");
    }
    let default = "@id(\"test.cedar#2\") forbid(principal, action, resource);\n\
                   forbid(principal, action, resource);";
    assert_eq!(wrong(default).line, 2);
}

// threat 139: words that reach a human's terminal carry neither escapes nor reordered text.
#[test]
fn words_for_humans_are_plain_text() {
    for words in ["", "  ", "a\\nb", "\\u{1b}[31m", "\\u{202e}yas", "\\u{200b}"] {
        let text = format!("@ask(\"{words}\") forbid(principal, action, resource);");
        assert!(PolicySet::load(&[file(&text)]).is_err(), "words {words:?} must be refused");
    }
    let error = wrong("@ask forbid(principal, action, resource);");
    assert!(error.message.contains("no words"), "{error}");
    wrong("@ask(\"a\") @reason(\"b\") forbid(principal, action, resource);");
    let error = wrong("@aks(\"a\") forbid(principal, action, resource);");
    assert!(error.message.contains("`@aks`"), "{error}");
    let error = wrong("forbid(principal, action, resource) when { context.\"\u{1b}[31m\" };");
    assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
}

#[test]
fn everything_wrong_in_every_file_is_told_at_its_place() {
    let source = |name: &str, text: &str| PolicySource { name: name.into(), text: text.into() };
    let errors = PolicySet::load(&[
        source("c.cedar", "forbid(principal, action, resource) when { context.mon == 1 };"),
        source("b.cedar", "forbid(principal, action,\n  resourse);"),
        source("a.cedar", "permit(principal, action, resource);\nforbid(?principal, action);"),
        source("d.cedar", "\n\nforbid(principal == ?principal, action, resource);"),
        source("e.cedar", "forbid(principal, action, resource);"),
        source("e.cedar", "forbid(principal, action, resource);"),
        source("f g.cedar", ""),
    ])
    .unwrap_err();
    let places: Vec<_> = errors.iter().map(|e| (e.file.as_str(), e.line, e.column)).collect();
    assert_eq!(places[0].0, "a.cedar");
    assert!(places.contains(&("b.cedar", 2, 3)), "{errors}");
    assert!(places.contains(&("c.cedar", 1, 44)), "{errors}");
    assert!(places.contains(&("d.cedar", 3, 1)), "{errors}");
    assert!(places.contains(&("e.cedar", 1, 1)), "{errors}");
    assert!(places.contains(&("f g.cedar", 1, 1)), "{errors}");
}

#[test]
fn sizes_are_bounded() {
    let large = format!("//{}", "a".repeat(super::MAX_FILE_BYTES));
    assert!(wrong(&large).message.contains("larger than"));
    let sources: Vec<_> = (0..=super::MAX_FILES)
        .map(|n| PolicySource { name: format!("{n}.cedar"), text: String::new() })
        .collect();
    assert!(PolicySet::load(&sources).is_err());
}

#[test]
fn deep_text_is_refused_and_does_not_end_the_process() {
    for (start, end) in [("(", ")"), ("!(", ")"), ("[", "]"), ("{a:", "}"), ("-(", ")")] {
        let condition = format!("{}true{}", start.repeat(50_000), end.repeat(50_000));
        let text = format!("forbid(principal, action, resource) when {{ {condition} }};");
        assert!(wrong(&text).message.contains("nest too deeply"), "{start}");
    }
    for start in ["1 < 2 && ", "1 < 2 || ", "1 + ", "1 - ", "1 * ", "if 1 < 2 then 1 else ", "a."] {
        let condition = format!("{}context.now.hour < 3", start.repeat(20_000));
        let text = format!("forbid(principal, action, resource) when {{ {condition} }};");
        assert!(wrong(&text).message.contains("too many operators"), "{start}");
    }
}

#[test]
fn a_policy_as_large_as_is_allowed_can_be_evaluated() {
    let operators = "context.now.hour < 25 && ".repeat(crate::nesting::MAX_OPERATORS / 3 - 1);
    let text = format!(
        "forbid(principal, action, resource) when {{ {}{operators}1 < 2{} }};",
        "(".repeat(30),
        ")".repeat(30)
    );
    let ruling = ruled(&set(&text), &Told::default());
    assert!(matches!(ruling, Ruling::Forbid { .. }), "{ruling:?}");
}
