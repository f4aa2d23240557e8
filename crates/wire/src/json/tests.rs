use super::{BadJson, Limits, Object, need};

const LIMITS: Limits = Limits { bytes: 4096, depth: 4, values: 20 };

fn parse(text: &str) -> Result<Object, BadJson> {
    Object::parse(text.as_bytes(), &LIMITS)
}

fn problem(text: &str) -> Option<BadJson> {
    parse(text).err()
}

#[test]
fn members_are_taken_as_what_they_are_and_nothing_is_left() {
    let mut object =
        parse(r#" {"a":"x","b":["y","z"],"c":{"d":7},"e":true,"f":1800000000,"g":[{},{}]} "#)
            .unwrap();
    assert_eq!(object.text("a", 1), Ok(Some("x".to_owned())));
    assert_eq!(object.texts("b", 2, 1), Ok(Some(vec!["y".to_owned(), "z".to_owned()])));
    let mut inner = need("c", object.object("c").unwrap()).unwrap();
    assert_eq!(inner.number("d", 7), Ok(Some(7)));
    assert_eq!(inner.finish("c"), Ok(()));
    assert_eq!(object.take("e"), Some(true.into()));
    assert_eq!(object.date("f").unwrap().unwrap().as_seconds(), 1_800_000_000);
    assert_eq!(object.objects("g", 2).unwrap().unwrap().len(), 2);
    assert_eq!(object.text("a", 1), Ok(None), "it was taken");
    assert_eq!(object.finish("it"), Ok(()));
    assert_eq!(parse(r#"{"a":1}"#).unwrap().finish("it"), Err(BadJson::Unknown("it")));
    assert_eq!(need::<u8>("a", None), Err(BadJson::Missing("a")));
}

#[test]
fn a_member_of_another_type_or_beyond_its_bounds_is_refused() {
    for value in ["null", "1", "[]", "{}", "true", r#""""#, r#""ab""#, r#""\u0007""#, r#""é""#] {
        let mut object = parse(&format!(r#"{{"a":{value}}}"#)).unwrap();
        assert_eq!(object.text("a", 1), Err(BadJson::Wrong("a", "a short text")), "{value}");
    }
    for value in ["null", r#""x""#, "{}", "[1]", r#"["xx"]"#, r#"[""]"#, r#"["x","x","x"]"#] {
        let mut object = parse(&format!(r#"{{"a":{value}}}"#)).unwrap();
        assert!(object.texts("a", 2, 1).is_err(), "{value}");
    }
    for value in ["null", "{}", "[1]", "[[]]", "[{},{},{}]"] {
        let mut object = parse(&format!(r#"{{"a":{value}}}"#)).unwrap();
        assert!(object.objects("a", 2).is_err(), "{value}");
    }
}

// threat 13: a date is a whole number that every reader takes for the same moment.
#[test]
fn threat_13_a_date_is_written_in_whole_seconds() {
    let date = |text: &str| parse(&format!(r#"{{"a":{text}}}"#)).map(|mut it| it.date("a"));
    assert_eq!(date("0").unwrap().unwrap().unwrap().as_seconds(), 0);
    assert_eq!(date("253402300799").unwrap().unwrap().unwrap().as_seconds(), 253_402_300_799);
    for text in [
        "-1",
        "-0",
        "1.0",
        "1.5",
        "1e3",
        "1E9",
        "\"1800000000\"",
        "253402300800",
        "18446744073709551615",
        "18446744073709551616",
        "null",
        "true",
        "[1]",
    ] {
        assert!(date(text).unwrap().is_err(), "{text}");
    }
    for text in ["1e400", "-1e400", "NaN", "01", "+1", "1.", ".5", "0x1", "1_000"] {
        assert_eq!(date(text).err(), Some(BadJson::Syntax), "{text}");
    }
}

// threat 15
#[test]
fn threat_15_no_name_stands_twice_at_any_depth_or_in_any_spelling() {
    for text in [
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"sub":"a","sub":"a"}"#,
        r#"{"sub":"a","\u0073ub":"b"}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":[{"b":1,"b":2}]}"#,
    ] {
        assert_eq!(problem(text), Some(BadJson::Twice), "{text}");
    }
    assert_eq!(problem(r#"{"sub":"a","Sub":"b"}"#), None, "names have a case");
}

// threat 16
#[test]
fn threat_16_what_is_not_one_whole_value_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "{}}",
        "{} {}",
        "{}x",
        "{},",
        "{}\0",
        "\u{feff}{}",
        "{}//",
        "/**/{}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\":[1,]}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\\ud800\"}",
        "{\"\\ud800\":1}",
        "{\"a\":\"\\x41\"}",
        "\u{a0}{}",
    ] {
        assert_eq!(problem(text), Some(BadJson::Syntax), "{text}");
    }
    for text in ["[]", "null", "1", "\"{}\"", "true"] {
        assert_eq!(problem(text), Some(BadJson::NotObject), "{text}");
    }
    let invalid: [&[u8]; 3] = [b"{\"a\":\"\xff\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"];
    for text in invalid {
        assert_eq!(Object::parse(text, &LIMITS).err(), Some(BadJson::Syntax), "{text:?}");
    }
}

// threat 159: depth, members and length have ends.
#[test]
fn threat_159_depth_members_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert_eq!(problem(&nested(4)), None);
    assert_eq!(problem(&nested(5)), Some(BadJson::TooDeep(4)));
    let lists = format!(r#"{{"a":{}{}}}"#, "[".repeat(4), "]".repeat(4));
    assert_eq!(problem(&lists), Some(BadJson::TooDeep(4)));
    let listed = |count: usize| format!(r#"{{"a":[{}]}}"#, vec!["1"; count].join(","));
    assert_eq!(problem(&listed(18)), None);
    assert_eq!(problem(&listed(19)), Some(BadJson::TooMany(20)));
    assert_eq!(problem(&" ".repeat(4097)), Some(BadJson::TooLong(4096)));
}
