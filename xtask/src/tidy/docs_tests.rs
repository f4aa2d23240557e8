use super::super::tree::Tree;
use super::{codes, commands, config, events, links, routes};

const CODE: &str =
    "pub enum Code { /** Over. */ #[serde(rename = \"refused.run.closed\")] RunClosed }";

fn messages(findings: &[super::Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_refusal_code_needs_a_heading_and_a_row_and_an_old_one_must_go() {
    let stages = ("crates/domain/src/stage.rs", CODE);
    let road = ("docs/concepts/road.md", "### refused.run.closed\n");
    let page = ("docs/reference/status-codes.md", "| `refused.run.closed` | 403 |\n");
    assert_eq!(codes(&Tree::of(&[stages, road, page])), []);
    let bare = ("docs/concepts/road.md", "### refused.run.gone\n");
    let found = messages(&codes(&Tree::of(&[stages, bare, page])));
    assert!(found.contains("`refused.run.closed`") && found.contains("`refused.run.gone`"));
    assert_eq!(codes(&Tree::of(&[stages, road])).len(), 1);
    assert_eq!(codes(&Tree::of(&[road, page])).len(), 2, "a source that moved is found");
}

#[test]
fn an_event_and_a_change_word_need_a_row() {
    let source = "enum Event { RunOpened, Claimed }
                  enum Verb { #[serde(rename = \"grant.added\")] GrantAdded }";
    let events_of = |page| {
        let page = ("docs/reference/events.md", page);
        events(&Tree::of(&[("crates/domain/src/event.rs", source), page])).len()
    };
    assert_eq!(events_of("| `run_opened` |\n| `claimed` |\n| `grant.added` |\n| `facts` |\n"), 0);
    assert_eq!(events_of("| `run_opened` |\n| `grant.added` |\n| `grant.sold` |\n"), 2);
}

#[test]
fn a_route_needs_a_row_with_its_path() {
    let source =
        "read(\"/v1/agents\", get(x)); path.starts_with(\"/v1/run/\")\n#[cfg(test)] \"/no\"";
    let routes_of = |page| {
        let page = ("docs/reference/http-api.md", page);
        routes(&Tree::of(&[("crates/api/src/routes.rs", source), page])).len()
    };
    assert_eq!(routes_of("| `GET /v1/agents` | human |\n"), 0);
    assert_eq!(routes_of("| `GET /v1/agent` | human |\n"), 2);
}

#[test]
fn a_key_of_the_configuration_needs_a_row() {
    let source = "struct Config { server: Server }\nstruct Server { idle_exit: Span }";
    let config_of = |page| {
        let page = ("docs/reference/config.md", page);
        config(&Tree::of(&[("crates/app/src/config.rs", source), page])).len()
    };
    assert_eq!(config_of("| `server.idle_exit` | 60s |\n| `marque.db` | facts |\n"), 0);
    assert_eq!(config_of("| `server.idle` | 60s |\n"), 2);
}

#[test]
fn a_command_needs_a_section_unless_it_is_hidden_or_only_holds_verbs() {
    let cli = "enum Command { Up(Up), #[command(subcommand)] Agent(agent::Agent), Run(run::Run), \
               #[command(hide = true)] Secret(S) }";
    let agent = "#[derive(Subcommand)] enum Agent { Add(A) }\nenum Other { Not }";
    let run = "#[derive(Args)] struct Run;\n#[derive(Subcommand)] enum Verb { List(L) }";
    let commands_of = |page| {
        commands(&Tree::of(&[
            ("crates/app/src/cli.rs", cli),
            ("crates/app/src/commands/agent.rs", agent),
            ("crates/app/src/commands/run.rs", run),
            ("docs/reference/cli.md", page),
        ]))
    };
    let page = "## marque up\n## marque agent add\n## marque run\n## marque run list\n# Commands\n";
    assert_eq!(commands_of(page), []);
    let found = messages(&commands_of("## marque up\n## marque down\n## marque run\n"));
    assert!(found.contains("`marque agent add`") && found.contains("`marque down`"), "{found}");
}

#[test]
fn a_relative_link_must_lead_to_a_file_or_a_folder() {
    let one = ("docs/a/one.md", "[two](../two.md#part) [folder](../a) [web](https://x.example/y)");
    let two = ("docs/two.md", "[here](#part)");
    assert_eq!(links(&Tree::of(&[one, two])), []);
    let bad = ("docs/bad.md", "[no](a/none.md) [out](../../two.md)\n[yes](two.md)");
    assert_eq!(links(&Tree::of(&[one, two, bad])).len(), 2);
}
