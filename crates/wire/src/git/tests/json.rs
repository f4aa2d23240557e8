//! Batches of large files in the manner of JSONTestSuite: what parsers differ on is refused.

use super::super::lfs::*;

const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

/// A batch with `more` as its last member.
fn with(more: &str) -> String {
    let objects = format!(r#"[{{"oid":"{OID}","size":1}}]"#);
    format!(r#"{{"operation":"download","objects":{objects},"more":{more}}}"#)
}

fn read(body: impl AsRef<[u8]>) -> Result<Operation, BadLfs> {
    Batch::parse(body.as_ref()).map(|batch| batch.operation)
}

#[test]
fn what_every_parser_takes_is_taken() {
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for more in [
        "[]",
        "{}",
        "null",
        "true",
        "0",
        "-0",
        "-1",
        "1.5",
        "1e5",
        "1E+5",
        "1e-5",
        "0e1",
        "\"\"",
        r#""\u0000""#,
        r#""\ud834\udd1e""#,
        r#""\"\\\/\b\f\n\r\t""#,
        "\"\u{2028}\u{7f}\"",
        "9007199254740993",
        "1.7976931348623157e308",
        "1e-400",
        " [ 1 ,\r\n\t2 ] ",
        r#"{"":1,"a":{"a":{"a":1}}}"#,
        nested.as_str(),
    ] {
        assert_eq!(read(with(more)), Ok(Operation::Download), "{more}");
    }
    assert_eq!(read(format!("\t\r\n {}\n", with("1"))), Ok(Operation::Download));
}

/// No values to every parser, and values to some.
const DOUBTFUL: &[&str] = &[
    "",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1",
    "1]",
    r#"{"a":1,}"#,
    r#"{"a" 1}"#,
    r#"{"a"}"#,
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    r#"{"a":1,"a":1}"#,
    r#"{"a":1,"\u0061":2}"#,
    r#"{"a":1,"A":2}"#,
    r#"[{"b":{"a":1,"a":2}}]"#,
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "inf",
    "True",
    "nul",
    "undefined",
    "01",
    "-01",
    "+1",
    ".5",
    "1.",
    "1.e1",
    "1e",
    "1e+",
    "0x1",
    "1_000",
    "1e400",
    "-1e400",
    "- 1",
    "\u{ff11}",
    "'a'",
    "\"a",
    "\"\t\"",
    "\"\n\"",
    "\"\0\"",
    r#""\x41""#,
    r#""\u12""#,
    r#""\u{41}""#,
    r#""\U0041""#,
    r#""\a""#,
    r#""\ud834""#,
    r#""\udd1e""#,
    r#""\udd1e\ud834""#,
    r#""\ud834\ud834""#,
    r#""\ud834a""#,
    "1/**/",
    "1//",
    "1#",
    "\u{a0}1",
    "\u{feff}1",
    "\u{c}1",
    "1\0",
];

#[test]
fn threat_119_what_parsers_differ_on_is_refused() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let maps = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    for more in DOUBTFUL.iter().copied().chain([deep.as_str(), maps.as_str()]) {
        assert!(matches!(read(with(more)), Err(BadLfs::Json(_))), "{more}");
    }
}

#[test]
fn threat_119_what_stands_around_a_batch_or_is_no_text_is_refused() {
    let fine = with("1");
    for body in [
        format!("\u{feff}{fine}"),
        format!("{fine}{fine}"),
        format!("{fine},"),
        format!("{fine}\0"),
        format!("{fine} x"),
        format!("[{fine}"),
        format!("//\n{fine}"),
        format!("\u{1e}{fine}"),
        fine.replace("download", "down\u{0}load"),
    ] {
        assert!(matches!(read(&body), Err(BadLfs::Json(_))), "{body}");
    }
    let utf16: Vec<u8> = fine.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(read(utf16), Err(BadLfs::Json(_))));
    let invalid: [&[u8]; 5] =
        [b"\"\xe9\"", b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"", b"\"\xc3\""];
    for more in invalid {
        let (before, after) = fine.rsplit_once('1').unwrap();
        let body = [before.as_bytes(), more, after.as_bytes()].concat();
        assert!(matches!(read(&body), Err(BadLfs::Json(_))), "{body:?}");
        assert!(matches!(strip_answer(&body), Err(BadLfs::Json(_))), "{body:?}");
    }
}

#[test]
fn threat_119_a_size_is_a_whole_number() {
    let size = |size: &str| {
        let body =
            format!(r#"{{"operation":"upload","objects":[{{"oid":"{OID}","size":{size}}}]}}"#);
        Batch::parse(body.as_bytes()).map(|batch| batch.objects[0].size)
    };
    assert_eq!(size("18446744073709551615"), Ok(u64::MAX));
    for wrong in ["-0", "-1", "1.0", "1e0", "18446744073709551616", "\"1\"", "null", "[1]", "true"]
    {
        assert_eq!(size(wrong), Err(BadLfs::Objects), "{wrong}");
    }
}

// What is written anew is read as it was, so that no client reads another answer.
#[test]
fn an_answer_that_is_written_anew_says_the_same() {
    for more in [
        r#""\u0000\ud834\udd1e\u2028<>&\/""#,
        "[0,-1,9007199254740993,18446744073709551615]",
        r#"{"":{"":[]},"\u0061":"\"\\"}"#,
        "[true,false,null,1.5,1e-7]",
    ] {
        let body = format!(r#"{{"objects":[],"more":{more}}}"#);
        let once = strip_answer(body.as_bytes()).unwrap();
        assert_eq!(strip_answer(&once).unwrap(), once, "{more}");
        let [before, after] = [body.as_bytes(), &once]
            .map(|text| serde_json::from_slice::<serde_json::Value>(text).unwrap());
        assert_eq!(before, after, "{more}");
    }
}
