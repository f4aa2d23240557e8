//! Questions for names: whatever comes, what is answered is a whole answer to it, as another
//! library reads it, and short enough for every client.

use std::net::{Ipv4Addr, Ipv6Addr};

use marque_wire::dns::{ANSWER_MAX_BYTES, Found, Question, Unread, of_this_host};
use marque_wire::host::DnsName;
use simple_dns::Packet;

pub(super) fn check(data: &[u8]) {
    let question = match Question::read(data) {
        Ok(question) => question,
        Err(Unread::Silence) => {
            let is_answer = data.get(2).is_some_and(|flags| flags & 0x80 != 0);
            assert!(data.len() < 12 || is_answer, "a question got no answer");
            return;
        }
        Err(Unread::Told(answer)) => return answers(data, &answer),
    };
    let mut found = vec![
        Found::Address(Ipv4Addr::LOCALHOST.into()),
        Found::Address(Ipv6Addr::LOCALHOST.into()),
        Found::Nothing,
        Found::NoSuchName,
        Found::Failure,
    ];
    let longest = longest();
    if question.reversed().is_some() {
        found.push(Found::Name(&longest));
    }
    if let Ok(name) = question.name() {
        assert_eq!(DnsName::parse(name.as_str()), Ok(name.clone()));
        found.extend(of_this_host(&name, question.kind()));
    }
    for found in found {
        answers(data, &question.answer(found));
    }
}

fn answers(asked: &[u8], answer: &[u8]) {
    assert!(answer.len() <= ANSWER_MAX_BYTES, "an answer of {} bytes", answer.len());
    assert_eq!(answer.get(..2), asked.get(..2), "an answer to another question");
    assert!(answer[2] & 0x80 != 0, "an answer that is a question would be answered");
    // Of classes that it does not know the other library reads nothing.
    if Packet::parse(asked).is_ok() {
        let read = Packet::parse(answer);
        assert!(read.is_ok(), "another library cannot read the answer: {read:?}");
    }
}

fn longest() -> DnsName {
    let labels = [63, 63, 63, 61].map(|length| "a".repeat(length));
    DnsName::parse(&labels.join(".")).unwrap()
}
