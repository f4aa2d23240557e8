use super::super::tree::Tree;
use super::{globs, heads, sizes, unfinished};

fn file(text: &str) -> Tree {
    Tree::of(&[("crates/plane/src/a.rs", text)])
}

#[test]
fn a_file_past_600_lines_is_found_and_its_tests_do_not_count() {
    let code = "const A: u8 = 1;\n".repeat(601);
    let found = sizes(&file(&code));
    assert!(found[0].to_string().starts_with("crates/plane/src/a.rs: 601 lines"), "{found:?}");

    let test_module = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
    assert_eq!(sizes(&file(&test_module)), []);
    assert_eq!(sizes(&Tree::of(&[("crates/plane/src/a_tests.rs", &code)])), []);
    assert_eq!(sizes(&Tree::of(&[("crates/app/tests/it/a.rs", &code)])), []);
}

#[test]
fn a_function_past_70_lines_is_found_wherever_it_stands() {
    let body = "    let _ = \"}\";\n".repeat(69);
    let long = format!("fn long() {{\n{body}}}\n");
    let message = "`long` has 71 lines";
    assert!(sizes(&file(&long))[0].to_string().contains(message));
    assert!(sizes(&file(&format!("impl A {{\n{long}}}")))[0].to_string().contains(message));
    assert!(sizes(&file(&format!("trait A {{\n{long}}}")))[0].to_string().contains(message));
    assert!(sizes(&file(&format!("fn outer() {{ {long} }}"))).len() == 2);
    let test_module = format!("#[cfg(test)]\nmod tests {{\n{long}}}");
    assert!(sizes(&file(&test_module))[0].to_string().starts_with("crates/plane/src/a.rs:3: "));
}

#[test]
fn a_function_of_70_lines_under_a_long_comment_passes() {
    let comment = "/// Why.\n".repeat(30);
    let body = "    let _ = 1;\n".repeat(68);
    assert_eq!(sizes(&file(&format!("{comment}fn fits() {{\n{body}}}\n"))), []);
}

#[test]
fn a_line_past_100_columns_is_found_unless_it_holds_an_address() {
    let wide = format!("//! {}\n", "é".repeat(97));
    assert!(sizes(&file(&wide))[0].to_string().contains(":1: 101 columns"));
    assert_eq!(sizes(&Tree::of(&[("a.sql", &wide)])).len(), 1);
    let address = format!("//! https://example.com/{}\n", "a".repeat(97));
    assert_eq!(sizes(&file(&address)), []);
}

#[test]
fn a_file_that_does_not_parse_is_found() {
    assert!(sizes(&file("//! Head.\nfn {"))[0].to_string().contains(":2: this does not parse"));
}

#[test]
fn a_source_without_a_head_is_found_and_a_test_needs_none() {
    assert_eq!(heads(&file("use std::fmt;\n")).len(), 1);
    assert_eq!(heads(&file("//! What it owns.\n")), []);
    assert_eq!(heads(&Tree::of(&[("crates/plane/src/a_tests.rs", "use std::fmt;\n")])), []);
}

#[test]
fn a_glob_import_is_found_outside_tests_only() {
    assert!(globs(&file("use std::fmt;\nuse a::{b, c::*};\n"))[0].to_string().contains(":2: glob"));
    assert_eq!(globs(&file("#[cfg(test)]\nmod tests { use super::*; }\n")), []);
    assert_eq!(globs(&file("#[cfg(unix)]\nmod unix { use super::*; }\n")).len(), 1);
}

#[test]
fn unfinished_code_is_found_in_tests_too() {
    let later = concat!("to", "do!()");
    assert_eq!(unfinished(&file(&format!("fn a() {{ {later} }}"))).len(), 1);
    let test_module = format!("#[cfg(test)]\nmod tests {{ fn a() {{ {later}; }} }}");
    assert_eq!(unfinished(&file(&test_module)).len(), 1);
    assert_eq!(unfinished(&file(concat!("// FIX", "ME: later"))).len(), 1);
    assert_eq!(unfinished(&Tree::of(&[("a.sql", concat!("-- TO", "DO(#3)"))])).len(), 1);
    assert_eq!(unfinished(&file("// GET /todos\nfn todo() {}")), []);
}
