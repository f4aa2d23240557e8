//! The same bytes, straight to three real servers and through Marque: what a server sees behind
//! Marque is what Marque decided, and what servers read differently never gets there.

mod cases;
mod client;
mod frames;
mod judged;
mod servers;
mod spellings;
mod way;

use std::io::Write as _;
use std::thread::{self, ScopedJoinHandle};

use cases::Case;
use client::{Client, Trust};
use judged::{decided, doubtful, has_arrived, of};
use servers::Server;
use way::{Protocol, Way};

use super::support::{CREDENTIAL, Marque, Run};

/// Cases that the servers are to read differently without Marque, at least. Fewer, and the table or
/// the servers have gone blind.
const DOUBTFUL_MIN: [(Protocol, usize); 2] = [(Protocol::Http1, 50), (Protocol::Http2, 40)];
/// Requests under way at one server, on either way: they mostly wait for nothing to come.
const LANES: usize = 4;

// threat 72, threat 73, threat 74, threat 75, threat 84, threat 85, threat 89, threat 90
#[test]
fn what_three_servers_see_behind_marque_is_what_was_decided() {
    compares(Way::Plain);
}

// the same threats, threat 78, threat 91
#[test]
fn what_three_servers_see_in_tls_is_what_was_decided_in_a_tunnel() {
    compares(Way::Tls);
}

// the same
#[test]
fn what_three_servers_see_in_http2_is_what_was_decided_in_a_tunnel() {
    compares(Way::Http2);
}

fn compares(way: Way) {
    let marque = Marque::start();
    let Some(servers) = servers::start(marque.home(), way) else { return };
    let cases = cases::all(way);
    let (_run, client) = connects(&marque, &servers, way);
    let answered = tries(&servers, &cases, &client);
    let saw = servers.each_ref().map(Server::saw);
    let mut wrong = Vec::new();
    for ((server, statuses), (_, through)) in servers.iter().zip(&answered).zip(&saw) {
        for (number, (case, status)) in cases.iter().zip(statuses).enumerate() {
            let seen: Vec<_> = of(through, number).collect();
            if !(case.fate.is_told(*status) && has_arrived(case, &seen, &server.host(), way)) {
                wrong.push(format!("`{}`, {}: {status}, {seen:#?}", case.name, server.name));
            }
        }
        let of_cases = (0..cases.len()).flat_map(|number| of(through, number)).count();
        assert_eq!(of_cases, through.len(), "{} saw what nobody sent", server.name);
    }
    assert!(wrong.is_empty(), "{way:?}: {}", wrong.join("\n"));
    for server in &servers {
        decided(&marque, server, &cases, way);
    }
    let straight = saw.each_ref().map(|(straight, _)| straight.as_slice());
    for (protocol, least) in DOUBTFUL_MIN {
        if way.is_said_in(protocol) && way.is_served_in(protocol) {
            let (count, doubtful) = doubtful(&cases, protocol, &straight);
            let told = format!("{way:?}: {count} cases of {protocol:?}, {} differ", doubtful.len());
            let _ = std::io::stderr().write_all(format!("{told}\n").as_bytes());
            assert!(doubtful.len() >= least, "{told}: {doubtful:#?}");
        }
    }
}

/// A run whose agent may do anything below `/v1` at each server.
fn connects(marque: &Marque, servers: &[Server], way: Way) -> (Run, Client) {
    marque.cli(&["agent", "add", "bot", "--purpose", "stories"]).ok();
    let secret = marque.write("secret", CREDENTIAL);
    let secret = secret.to_str().unwrap();
    let mut grant = ["grant", "add", "bot", "--until", "1d"].map(str::to_owned).to_vec();
    for server in servers {
        let (host, pin) = (server.host(), server.through.to_string());
        let words = ["connection", "add", server.name, "--host", &host, "--pin", &pin];
        let manner = match way {
            Way::Plain => vec!["--plain-http"],
            Way::Tls | Way::Http2 => vec!["--authority", server.authority.to_str().unwrap()],
        };
        let bearer = ["--bearer", "--secret-file", secret];
        marque.cli(&[&words[..], &manner, &bearer].concat()).ok();
        for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
            grant.extend(["--allow".to_owned(), format!("{}:{method} /v1/**", server.name)]);
        }
    }
    marque.cli(&grant.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let mut run = Run::open(marque, &["--agent", "bot", "--task", "ticket:OPS-12"]);
    let trust = Trust::in_pem(&run.types("cat \"$SSL_CERT_FILE\"").out);
    let client = Client { way, proxy: run.proxy(), trust };
    (run, client)
}

/// Sends every case to every server both ways; the status of each through Marque, or nought.
fn tries(servers: &[Server], cases: &[Case], client: &Client) -> Vec<Vec<u16>> {
    let numbered: Vec<_> = cases.iter().enumerate().collect();
    let lanes: Vec<_> = numbered.chunks(cases.len().div_ceil(LANES)).collect();
    let straight = |server: &Server, lane: &[(usize, &Case)]| {
        let asked = lane.iter().filter(|(_, case)| client.way.is_served_in(case.protocol));
        asked.for_each(|(number, case)| server.hears(case, *number));
    };
    let through = |server: &Server, lane: &[(usize, &Case)]| -> Vec<u16> {
        lane.iter().map(|(number, case)| client.asks(case, *number, &server.host())).collect()
    };
    let (straight, through, lanes) = (&straight, &through, &lanes);
    thread::scope(|scope| {
        let tried = servers.iter().map(|server| {
            let lanes = lanes.iter().map(|lane| {
                scope.spawn(move || straight(server, lane));
                scope.spawn(move || through(server, lane))
            });
            lanes.collect::<Vec<_>>()
        });
        let tried: Vec<_> = tried.collect();
        let of_server = |lanes: Vec<ScopedJoinHandle<'_, Vec<u16>>>| {
            lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
        };
        tried.into_iter().map(of_server).collect()
    })
}
