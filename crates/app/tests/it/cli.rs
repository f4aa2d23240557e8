//! The command line as a person meets it: every verb, its help, its rehearsal, its refusals.

use std::collections::BTreeSet;

use super::support::{Json, Marque, PASSPHRASE, World, chmod};

/// RFC 7515 appendix A.3.1, its public half.
pub(crate) const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n\
    6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n\
    -----END PUBLIC KEY-----\n";

/// Verbs that change the plane, and must be able to only say what they would do.
const MUTATING: [&str; 27] = [
    "agent add",
    "agent limit",
    "agent resume",
    "agent retire",
    "agent suspend",
    "approval decline",
    "approval give",
    "client add",
    "client resume",
    "client retire",
    "client suspend",
    "connection add",
    "connection limit",
    "connection remove",
    "connection rotate",
    "grant add",
    "grant revoke",
    "issuer add",
    "issuer remove",
    "key retire",
    "key rotate",
    "kill",
    "run",
    "store migrate",
    "store restored",
    "task close",
    "token revoke",
];

/// Verbs that change nothing of the plane but who is there.
const OTHERS: [&str; 36] = [
    "agent list",
    "agent show",
    "approval list",
    "approval show",
    "claim",
    "client list",
    "client show",
    "completions",
    "config check",
    "connection list",
    "connection show",
    "decision explain",
    "demo",
    "doctor",
    "grant list",
    "issuer list",
    "issuer show",
    "key allowed-signers",
    "key list",
    "lock",
    "log export",
    "log query",
    "log show",
    "log verify",
    "run list",
    "run show",
    "store check",
    "store move",
    "token exchange",
    "token inspect",
    "token issue",
    "token verify",
    "unlock",
    "up",
    "whoami",
    "",
];

/// Every verb that the help speaks of, and what the help of each says.
fn verbs(marque: &Marque, words: &[&str], found: &mut Vec<(String, String)>) {
    let help = marque.cli(&[words, &["--help"]].concat());
    let listed = help.ok().lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  ") && !line.trim().is_empty());
    let below = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let below: Vec<_> = below.filter(|verb| !verb.is_empty() && *verb != "help").collect();
    for verb in &below {
        verbs(marque, &[words, &[verb]].concat(), found);
    }
    let is_noun = !below.is_empty() && !matches!(words, ["run"] | []);
    found.extend((!is_noun).then(|| (words.join(" "), help.out.clone())));
}

#[test]
fn every_verb_has_help_with_examples_and_every_change_can_be_rehearsed() {
    let marque = Marque::nothing_yet();
    let mut found = Vec::new();
    verbs(&marque, &[], &mut found);
    let names: BTreeSet<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    let listed: BTreeSet<_> = MUTATING.into_iter().chain(OTHERS).collect();
    assert_eq!(names, listed, "put a new verb into one of the lists, and tell its story");
    for (name, help) in &found {
        let is_told = help.contains("Example") || name.is_empty() && help.contains("First steps");
        assert!(is_told, "`marque {name} --help` has no example: {help}");
        let rehearses = help.contains("--dry-run");
        assert_eq!(rehearses, MUTATING.contains(&name.as_str()), "`marque {name}`: {help}");
        let short = marque.cli(&[&name.split(' ').collect::<Vec<_>>()[..], &["-h"]].concat());
        assert!(name.is_empty() || !short.ok().is_empty());
    }
    assert!(!marque.data().exists(), "help makes nothing");
}

#[test]
fn every_verb_answers_people_in_words_and_programs_in_json() {
    let world = World::new();
    let mut run = world.run();
    run.curl("https://api.test/v1/a");
    run.curl("-d pay https://api.test/v1/orders");
    let approval = world.json(&["approval", "list"])[0]["approval"]["id"].clone();
    let approval = approval.as_str().unwrap();
    let entries = world.json(&["log", "query", "--event", "decided"]);
    let decision = entries[0]["event"]["id"].as_str().unwrap();
    for (words, told) in [
        (&["agent", "list"][..], "bot"),
        (&["agent", "show", "bot"], "stories"),
        (&["connection", "list"], "api.test"),
        (&["connection", "show", "api"], "sealed"),
        (&["grant", "list"], "bot"),
        (&["run", "list"], &run.id),
        (&["run", "show", &run.id], "ticket:OPS-12"),
        (&["approval", "list"], "asked"),
        (&["approval", "show", approval], "POST https://api.test"),
        (&["decision", "explain", decision], "allowed"),
        (&["key", "list"], "key-encryption"),
        (&["key", "rotate", "log", "--dry-run"], "retired"),
        (&["log", "query"], "claimed the plane"),
        (&["log", "query", "--count-by", "agent"], "bot"),
        (&["log", "show", "0"], "claimed"),
        (&["log", "show", "0", "--receipt"], ""),
        (&["log", "verify"], "entries"),
        (&["whoami"], ""),
        (&["config", "check"], "policies"),
        (&["kill", "--all", "--dry-run"], &run.id),
        (&["approval", "decline", approval, "--dry-run"], "declined"),
        (&["agent", "limit", "bot", "--rate", "60", "--dry-run"], "60 calls a minute"),
        (&["agent", "suspend", "bot", "--dry-run"], "suspended"),
    ] {
        let human = world.cli(words);
        assert!(human.ok().contains(told), "`{told}` is missing: {}", human.whole());
        let looks_like_json = serde_json::from_str::<Json>(&human.out).is_ok();
        assert!(!looks_like_json || words[0] == "log", "{}", human.whole());
        assert!(!human.out.contains('\u{1b}'), "colour without a terminal: {}", human.out);
        let document = world.json(words);
        assert!(document.is_object() || document.is_array(), "{words:?}: {document}");
    }
}

fn trusting<'a>(name: &'a str, keys: &'a str) -> [&'a str; 11] {
    let [issuer, us] = ["https://l.test", "us"];
    let issuer = if name == "login" { issuer } else { "https://o.test" };
    let whom = ["--jwks", keys, "--person", "00u1=alice"];
    let [jwks, keys, person, who] = whom;
    ["issuer", "add", name, "--issuer", issuer, "--audience", us, jwks, keys, person, who]
}

#[test]
fn a_rehearsal_says_what_would_be_and_changes_nothing() {
    let world = World::new();
    let mut run = world.run();
    run.curl("-d pay https://api.test/v1/orders");
    let approval = world.json(&["approval", "list"])[0]["approval"]["id"].clone();
    let grant = world.json(&["grant", "list"])[0]["id"].clone();
    let (approval, grant) = (approval.as_str().unwrap(), grant.as_str().unwrap());
    let secret = world.path("secret").to_str().unwrap().to_owned();
    let secret = secret.as_str();
    world.write("desk.pub", PUBLIC_KEY);
    let public = world.path("desk.pub");
    let public = public.to_str().unwrap();
    world.cli(&["client", "add", "desk", "--agent", "bot", "--key", public]).ok();
    world.cli(&trusting("login", public)).ok();
    let other = trusting("other", public);
    let size = || world.json(&["log", "verify"])["size"].as_u64().unwrap();
    let before = size();
    let (mut rehearsed, tried) = (
        BTreeSet::new(),
        [
            &["agent", "add", "other", "--purpose", "x"][..],
            &["agent", "limit", "bot", "--bytes-per-day", "50MiB"],
            &["agent", "suspend", "bot"],
            &["agent", "retire", "bot"],
            &["connection", "add", "more", "--host", "m.test", "--bearer", "--secret-file", secret],
            &["connection", "limit", "api", "--none"],
            &["connection", "rotate", "api", "--secret-file", secret],
            &["connection", "remove", "api"],
            &["grant", "add", "bot", "--allow", "api:DELETE /**", "--until", "1d"],
            &["grant", "revoke", grant],
            &["task", "close", "ticket:OPS-12"],
            &["approval", "give", approval],
            &["approval", "decline", approval],
            &["key", "rotate", "log"],
            &["kill", "bot"],
            &["client", "add", "more", "--agent", "bot", "--key", public],
            &["client", "suspend", "desk"],
            &["client", "retire", "desk"],
            &other,
            &["issuer", "remove", "login"],
            &["run", "--agent", "bot"],
            &["store", "migrate"],
            &["store", "restored"],
        ],
    );
    for words in tried {
        let told = world.cli(&[words, &["--dry-run"]].concat());
        assert_eq!(told.code, 0, "{}", told.whole());
        rehearsed.insert(words[..2].join(" "));
        assert_eq!(size(), before, "{words:?}");
    }
    // States that only what is suspended can be moved from.
    for noun in ["agent resume bot", "client resume desk"] {
        world.cli(&[&noun.split(' ').collect::<Vec<_>>()[..], &["--dry-run"]].concat()).ends(1);
    }
    // The keys of tokens and tokens are told of where the service is on.
    let elsewhere = ["key retire", "token revoke"];
    assert_eq!(rehearsed.len() + 2 + elsewhere.len(), MUTATING.len());
    for wrong in [
        &["agent", "add", "bot", "--purpose", "taken"][..],
        &["agent", "retire", "nobody"],
        &["grant", "add", "bot", "--allow", "api:FLY /**", "--until", "1d"],
        &["connection", "remove", "nothing"],
    ] {
        let told = world.cli(&[wrong, &["--dry-run"]].concat());
        assert_ne!(told.code, 0, "a rehearsal must find this: {}", told.whole());
    }
    assert_eq!(size(), before);
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_right() {
    let marque = Marque::start();
    marque.write("work/token", "canary-on-the-command-line");
    for words in [
        &["agnet", "list"][..],
        &["agent"],
        &["agent", "add"],
        &["agent", "add", "bot"],
        &["agent", "add", "Bot!", "--purpose", "x"],
        &["agent", "add", "bot", "--purpose", "x", "--digest", "prompt=md5:0"],
        &["agent", "limit", "bot"],
        &["agent", "limit", "bot", "--bytes-per-day", "50MB"],
        &["run"],
        &["run", "--agent", "bot"],
        &["run", "--agent", "bot", "--ttl", "soon", "--", "true"],
        &["run", "--agent", "bot", "--task", "no colon", "--", "true"],
        &["kill"],
        &["kill", "bot", "--all"],
        &["kill", "bot", "--owner", "alice"],
        &["kill", "--all", "--owner", "alice"],
        &["client", "add", "x", "--agent", "bot"],
        &["client", "add", "x", "--agent", "bot", "--key", "a", "--certificate", "b"],
        &["client", "add", "x", "--agent", "bot", "--ca", "a"],
        &["client", "add", "x", "--agent", "bot", "--issuer", "https://a.test", "--jwks", "a"],
        &["connection", "add", "x", "--service", "resource"],
        &["connection", "add", "x", "--audience", "https://a.test/"],
        &["key", "rotate", "log", "--alg", "RS256"],
        &["key", "retire", "log", "x"],
        &["token", "issue"],
        &["token", "issue", "--resource", "ftp://a.test/"],
        &["token", "issue", "--resource", "https://a.test/"],
        &["token", "issue", "--resource", "https://a.test/", "--client", "cli_1"],
        &["token", "exchange", "--resource", "https://a.test/"],
        &["token", "inspect"],
        &["token", "verify", "token", "--issuer", "https://a.test"],
        &["token", "revoke", "tok_01ARYZ6S410000000000000000"],
        &["kill", "Not A Name"],
        &["grant", "add", "bot", "--until", "never"],
        &["connection", "add", "x", "--host", "x.test"],
        &["connection", "add", "x", "--host", "x.test", "--bearer", "--basic", "me"],
        &["connection", "add", "x", "--host", "x.test", "--bearer", "--secret", "canary-argv"],
        &["connection", "add", "x", "--host", "x.test", "--bearer", "canary-argv"],
        &["connection", "add", "x", "--host", "x.test", "--bearer", "--token=canary-argv"],
        &["connection", "rotate", "x", "canary-argv"],
        &["claim", "--passphrase", "canary-argv"],
        &["unlock", "--ttl", "for ever"],
        &["log", "query", "--answer", "maybe"],
        &["log", "show"],
        &["completions", "no-such-shell"],
        &["up", "--idle-exit", "later"],
    ] {
        let told = marque.cli(words);
        assert_eq!(told.code, 2, "{words:?}: {}", told.whole());
        let helps = ["--help", "hint: ", "tip: ", "Usage: ", "possible values"];
        assert!(helps.iter().any(|help| told.err.contains(help)), "{words:?}: {}", told.whole());
        assert!(told.out.is_empty(), "{words:?}: {}", told.whole());
    }
}

#[test]
fn a_secret_comes_from_standard_input_or_a_private_file_and_from_nowhere_else() {
    let marque = Marque::start();
    let add = ["connection", "add", "x", "--host", "x.test", "--bearer"];
    let given = |input: &str| marque.cli_given(&[&add[..], &["--secret-stdin"]].concat(), input);
    given("").fails(1, "empty");
    given("two\nlines").fails(1, "control character");
    let unasked = marque.cli(&add);
    assert_ne!(unasked.code, 0, "{}", unasked.whole());
    assert!(unasked.err.contains("--secret-file"), "{}", unasked.whole());
    marque.write("token", "from a file");
    let token = marque.path("token");
    chmod(&token, 0o644);
    let file = [&add[..], &["--secret-file", token.to_str().unwrap()]].concat();
    marque.cli(&file).fails(1, "others may read it");
    given("from standard input\n").ok();
    let shown = marque.json(&["connection", "show", "x"]);
    assert_eq!(shown["slot"], "bearer", "{shown}");
    assert!(!shown.to_string().contains("from standard input"));
}

#[test]
fn without_a_plane_a_claim_or_a_factor_it_says_what_is_missing() {
    let marque = Marque::nothing_yet();
    for words in
        [&["agent", "list"][..], &["run", "--agent", "bot", "--", "true"], &["kill", "--all"]]
    {
        marque.cli(words).fails(5, "there is no plane").hints("marque claim");
    }
    marque.cli(&["log", "verify"]).ends(5);
    assert!(!marque.data().exists(), "asking makes nothing");

    let marque = Marque::unclaimed();
    marque.cli(&["agent", "list"]).fails(5, "claim").hints("marque claim");
    marque.write("weak", "short");
    let weak = marque.path("weak");
    let claim = ["claim", "--name", "alice", "--passphrase-file", weak.to_str().unwrap()];
    assert_ne!(marque.cli(&claim).code, 0);
    marque.cli(&["claim", "--name", "alice"]).ok();

    let mut bare = marque.words(&["agent", "list"]);
    let told = bare.env_remove("MARQUE_PASSPHRASE_FILE").output().unwrap();
    let words = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(5), "{words}");
    assert!(words.contains("hint: ") && words.contains("marque unlock"), "{words}");
}

#[test]
fn the_configuration_is_checked_as_the_server_reads_it() {
    let marque = Marque::start();
    let check = |text: &str| {
        marque.write("data/config.toml", text);
        marque.cli(&["config", "check"])
    };
    check("[server]\nproxy_lisen = \"127.0.0.1:0\"\n")
        .fails(1, "proxy_lisen")
        .hints("proxy_listen");
    check("[serwer]\n").fails(1, "serwer").hints("server");
    check("[run]\ndefault_ttl = \"soon\"\n").fails(1, "config.toml:2:15: `soon`");
    check("[run]\nmax_chain_depth = 9\n").fails(1, "max_chain_depth");
    check("[server]\nproxy_listen = \"0.0.0.0:8080\"\n").fails(1, "loopback").hints("127.0.0.1");
    check("not toml").ends(1);
    let told = marque.serves_not();
    assert!(told.err.contains("config.toml"), "{}", told.whole());
    check("[run]\ndefault_ttl = \"10m\"\nmax_ttl = \"1h\"\n").ok();

    marque.write("data/policies/broken.cedar", "forbid (principal, action");
    let told = marque.cli(&["config", "check"]);
    told.fails(1, "broken.cedar");
    let policy =
        "@id(\"no-other\")\nforbid (principal == Marque::Agent::\"nobody\", action, resource);\n";
    marque.write("data/policies/broken.cedar", policy);
    let told = marque.cli(&["config", "check"]);
    assert!(told.whole().contains("nobody"), "{}", told.whole());
}

#[test]
fn an_organisation_policy_forbids_and_asks_whatever_the_grant_says() {
    let mut world = World::new();
    let policies = "@id(\"no-exports\")\n@reason(\"exports go through the data team\")\n\
        forbid (principal, action, resource in Marque::Connection::\"api\")\n\
        when { resource.path == \"/v1/export\" };\n";
    world.stop();
    world.write("data/policies/exports.cedar", policies);
    world.serve();
    let mut run = world.run();
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
    let (status, body) = run.curl("https://api.test/v1/export");
    assert_eq!((status, body.contains("refused.policy.forbidden")), (403, true), "{body}");
    assert!(body.contains("no-exports") || body.contains("data team"), "{body}");
    assert_eq!(world.api.saw().len(), 1);
}

#[test]
fn an_unlocked_terminal_administers_for_a_while_and_gives_no_approval() {
    let world = World::new();
    let mut run = world.run();
    run.curl("-d pay https://api.test/v1/orders");
    let approval = world.json(&["approval", "list"])[0]["approval"]["id"].clone();
    let approval = approval.as_str().unwrap();
    let marque = super::support::BINARY;
    world.write(
        "session.sh",
        &format!(
            "unset MARQUE_PASSPHRASE_FILE\n\
             {marque} unlock --passphrase-file \"$HOME/passphrase\" --ttl 5m; echo \"unlock $?\"\n\
             {marque} agent list; echo \"list $?\"\n\
             timeout --foreground 1 {marque} approval give {approval}; echo \"give $?\"\n\
             setsid --wait {marque} agent list < /dev/null 2>&1; echo \"elsewhere $?\"\n\
             {marque} run --agent bot -- sh -c '{marque} agent list; echo \"inside $?\"'\n\
             {marque} lock; echo \"lock $?\"\n\
             setsid --wait {marque} agent list < /dev/null 2>&1; echo \"after $?\"\n"
        ),
    );
    let session = format!("sh {}", world.path("session.sh").display());
    let told = world.tool("timeout", &["60", "script", "-qec", &session, "/dev/null"]);
    let said = told.out.replace('\r', "");
    for line in ["unlock 0", "list 0", "elsewhere 5", "inside 3", "lock 0", "after 5"] {
        assert!(said.lines().any(|said| said == line), "`{line}` is missing: {said}");
    }
    // It asks, every time, and nobody answers.
    assert!(said.contains("Passphrase: give 124"), "{said}");
    assert_eq!(world.json(&["approval", "show", approval])["state"], "asked");
    let unlocked = world.json(&["log", "query", "--operation", "terminal.unlocked"]);
    assert_eq!(unlocked.as_array().unwrap().len(), 1, "{unlocked}");
    assert!(!said.contains(PASSPHRASE));
}

#[test]
fn completions_are_printed_for_each_shell() {
    let marque = Marque::nothing_yet();
    for shell in ["bash", "zsh", "fish"] {
        let told = marque.cli(&["completions", shell]);
        assert!(told.ok().contains("connection"), "{shell}: {}", told.out);
    }
}
