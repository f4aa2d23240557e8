use http::{HeaderMap, HeaderValue, StatusCode};
use marque_domain::{Code, Id, Refusal, Timestamp};
use marque_wire::address::Reach;

use super::{MARK, Notice, Place, Style};
use crate::failure::Failure;

fn nothing_allows() -> Refusal {
    Refusal::new(Code::NothingAllows, "nothing allows `api:POST /v1`", "ask for it")
}

fn style(accept: &'static str) -> Style {
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static(accept));
    Style::of(&headers)
}

#[test]
fn people_read_text_and_programs_that_say_so_read_json() {
    assert_eq!(Style::of(&HeaderMap::new()), Style::Text);
    for (accept, expected) in [
        ("*/*", Style::Text),
        ("text/html", Style::Text),
        ("application/json", Style::Json),
        ("application/vnd.api+JSON, */*", Style::Json),
    ] {
        assert_eq!(style(accept), expected, "accept: {accept}");
    }
}

#[test]
fn a_refusal_says_what_why_and_what_next() {
    let notice = Notice::refused(nothing_allows(), Place::Tunnel);
    let expected = "marque: refused.mandate.nothing_allows\n\
                    nothing allows `api:POST /v1`\n\
                    hint: ask for it\n";
    assert_eq!(notice.text(), expected);
    let problem = notice.problem();
    assert_eq!(problem["code"], "refused.mandate.nothing_allows");
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["remedy"], "ask for it");
}

// wget and pip print the status line and no more.
#[test]
fn the_status_line_of_a_refusal_holds_its_code() {
    let response = Notice::refused(nothing_allows(), Place::Captured).response(Style::Text);
    let phrase = response.extensions().get::<hyper::ext::ReasonPhrase>().unwrap();
    assert_eq!(phrase.as_bytes(), b"Forbidden (refused.mandate.nothing_allows)");
}

#[test]
fn a_recorded_refusal_names_the_decision_that_explains_it() {
    let decision = Id::new(Timestamp::from_millis(1), [7; 10]);
    let notice =
        Notice::refused(Refusal { decision: Some(decision), ..nothing_allows() }, Place::Tunnel);
    assert!(notice.text().ends_with(&format!("ref: {decision}\n")));
    assert_eq!(notice.problem()["decision"], decision.to_string());
}

#[test]
fn a_hold_names_the_question_and_the_command_that_answers_it() {
    let approval = Id::new(Timestamp::from_millis(1), [7; 10]);
    let mut refusal = Refusal::new(Code::MandateNeedsApproval, "asks a human first", "wait");
    refusal.approval = Some(approval);
    let notice = Notice::refused(refusal, Place::Tunnel);
    assert!(notice.text().ends_with(&format!("ref: {approval}\n")));
    let problem = notice.problem();
    assert_eq!(problem["approval"], approval.to_string());
    assert_eq!(problem["command"], format!("marque approval give {approval}"));
}

#[test]
fn each_stage_has_its_status_and_every_answer_of_ours_is_marked() {
    for (code, place, status) in [
        (Code::CallerMissing, Place::Proxy, 407),
        (Code::CallerUnknown, Place::Proxy, 407),
        (Code::CallerUnknown, Place::Tunnel, 403),
        (Code::CallerDoor, Place::Proxy, 403),
        (Code::CallerDoor, Place::Tunnel, 403),
        (Code::RunKilled, Place::Proxy, 403),
        (Code::CallerMissing, Place::Reverse, 401),
        (Code::CallerReplayed, Place::Reverse, 401),
        (Code::CallerStepUp, Place::Reverse, 401),
        (Code::RunKilled, Place::Reverse, 401),
        (Code::AgentStopped, Place::Reverse, 403),
        (Code::BeyondToken, Place::Reverse, 403),
        (Code::MandateNeedsApproval, Place::Reverse, 403),
        (Code::CallsSpent, Place::Reverse, 429),
        (Code::Overloaded, Place::Reverse, 503),
        (Code::BodyTooLarge, Place::Tunnel, 403),
        (Code::RateSpent, Place::Tunnel, 429),
        (Code::CallsSpent, Place::Tunnel, 429),
        (Code::LogUnavailable, Place::Proxy, 503),
    ] {
        let refusal = Refusal::new(code, "no", "nothing");
        let response = Notice::refused(refusal, place).response(Style::Json);
        assert_eq!(response.status().as_u16(), status, "{code}");
        assert_eq!(response.headers().get(MARK).unwrap(), code.text().as_str());
        assert_eq!(response.headers().contains_key("proxy-authenticate"), status == 407, "{code}");
    }
}

#[test]
fn only_what_comes_back_by_itself_says_when() {
    for (code, comes_back) in [
        (Code::RateSpent, true),
        (Code::Overloaded, true),
        (Code::CallsSpent, false),
        (Code::NothingAllows, false),
    ] {
        let refusal = Refusal::new(code, "no", "nothing");
        let response = Notice::refused(refusal, Place::Tunnel).response(Style::Text);
        assert_eq!(response.headers().contains_key("retry-after"), comes_back, "{code}");
    }
}

// threat 77: the client must not learn where a private name leads.
#[test]
fn a_failure_tells_the_kind_of_an_address_and_never_the_address() {
    let failure = Failure::Address { host: "intra.test".to_owned(), reach: Reach::Private };
    let notice = Notice::failed(&failure);
    assert_eq!(notice.status, StatusCode::BAD_GATEWAY);
    assert!(
        notice.text().starts_with("marque: failed.address\n`intra.test` resolves to a private")
    );
}

#[test]
fn a_raw_answer_is_one_whole_message_that_ends_the_connection() {
    let notice = Notice::malformed("head", "two lengths", "send one");
    let raw = String::from_utf8(notice.raw()).unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request (malformed.head)\r\n"));
    assert!(head.contains("\r\nconnection: close"));
    assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())));
    assert_eq!(body, notice.text());
}
