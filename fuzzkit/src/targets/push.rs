//! The body of a push: commands and pack, the same however they are cut; what is read of the
//! commands, written again, reads the same.

use marque_wire::git::ObjectFormat;
use marque_wire::git::answer::{PushRefusal, push_refused};
use marque_wire::git::pack::PushedObjects;
use marque_wire::git::pkt::{PktReader, PktWriter};
use marque_wire::git::push::{BadPush, Fed, Push, PushReader, ReportStyle};

use crate::pieces::pieces;

pub(super) fn check(data: &[u8]) {
    let Some((&seed, bytes)) = data.split_first() else { return };
    let (whole, cut) = (read(&[bytes]), read(&pieces(bytes, seed)));
    assert_eq!(whole, cut, "what is read depends on the cuts");
    if let Ok(push) = &whole.push {
        written_again(push);
    }
    refused(bytes);
    let objects = (looked(&[bytes]), looked(&pieces(bytes, seed)));
    assert_eq!(objects.0, objects.1, "what is found in the pack depends on the cuts");
}

#[derive(Debug, PartialEq, Eq)]
struct Read {
    push: Result<Push, BadPush>,
    length: Option<usize>,
    answerable: Option<ReportStyle>,
}

fn read(pieces: &[&[u8]]) -> Read {
    let mut reader = PushReader::new();
    for piece in pieces {
        match reader.feed(piece) {
            Ok(Fed::More) => {}
            Ok(Fed::Done) => break,
            Err(refused) => {
                assert_eq!(reader.feed(b"0000"), Err(refused), "a refusal did not stay");
                break;
            }
        }
    }
    let (length, answerable) = (reader.length(), reader.answerable());
    let push = reader.finish();
    // How far a refused section was followed is nobody's affair.
    Read { length: push.is_ok().then_some(length), answerable, push }
}

fn written_again(push: &Push) {
    let mut section = PktWriter::new();
    for id in &push.shallow {
        section.line(format!("shallow {id}").as_bytes()).unwrap();
    }
    let capabilities = &push.capabilities;
    let mut names = vec![match capabilities.object_format {
        ObjectFormat::Sha1 => "object-format=sha1",
        ObjectFormat::Sha256 => "object-format=sha256",
    }];
    names.extend(capabilities.report.map(|_| "report-status"));
    let has_band = capabilities.report.is_some_and(|style| style.side_band);
    names.extend(has_band.then_some("side-band-64k"));
    names.extend(capabilities.atomic.then_some("atomic"));
    names.extend(capabilities.push_options.then_some("push-options"));
    for (place, command) in push.commands.iter().enumerate() {
        let list = if place == 0 { format!("\0 {}", names.join(" ")) } else { String::new() };
        section.line(format!("{command}{list}\n").as_bytes()).unwrap();
    }
    section.flush();
    if capabilities.push_options {
        for option in &push.options {
            section.line(option.as_str().as_bytes()).unwrap();
        }
        section.flush();
    }
    let again = read(&[&section.into_bytes()]);
    assert_eq!(again.push.as_ref(), Ok(push), "written again, it is another push");
}

/// A refusal can be told in the protocol at any point, in whole packets.
fn refused(bytes: &[u8]) {
    let mut reader = PushReader::new();
    let _verdict = reader.feed(bytes);
    let Some(style) = reader.answerable() else { return };
    let reason = String::from_utf8_lossy(bytes);
    let refusal = PushRefusal { reason: &reason, lines: &[reason.clone().into_owned()] };
    let told = push_refused(style, reader.refs(), refusal);
    let (mut pkts, mut rest) = (PktReader::new(), &told[..]);
    while pkts.next(&mut rest).expect("what is told is packets").is_some() {}
    assert!(pkts.is_between_packets() && rest.is_empty());
}

type Found = (Vec<(String, Vec<u8>)>, String);

fn looked(pieces: &[&[u8]]) -> Found {
    let mut objects = PushedObjects::default();
    let mut found = Vec::new();
    for piece in pieces {
        objects.feed(piece, &mut |id, content| found.push((id.to_owned(), content.to_vec())));
    }
    (found, format!("{:?}", objects.finish()))
}
