//! Every route there is, in one table: for the router, the gate, the documentation and its test.

use axum::Router;
use axum::routing::{MethodRouter, delete, get, post};

use crate::handlers::{
    agents, approvals, clients, connections, decisions, grants, humans, issuers, keys, log,
    own_run, runs, status, tokens,
};
use crate::oauth;
use crate::shared::Shared;

/// The one route that may wait as long as a run lasts.
pub(crate) const HOLD: &str = "/v1/run/hold";
/// Where a launcher says that its run is over.
const END: &str = "/v1/run/end";

/// The one route whose body may have 1 MiB: an object of git.
pub(crate) const SIGN: &str = "/v1/run/git/sign";
/// Where a run asks for a token of its own.
const TOKEN: &str = "/v1/run/token";

/// Who reaches a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Any process of the server's user or root, runs included.
    Anybody,
    /// Any of those outside a run, without a factor.
    Outside,
    /// A human: by factor, or at a terminal they unlocked.
    Human,
    /// A human with the factor in this very request.
    Present,
    /// A run, by its secret or by descent, for itself.
    Run,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteLine {
    /// The method.
    pub method: &'static str,
    /// The path's template.
    pub path: &'static str,
    /// Who reaches it.
    pub who: Who,
}

struct Route {
    line: RouteLine,
    handler: MethodRouter<Shared>,
}

/// Every route, for documentation and coverage tests.
pub fn listing() -> Vec<RouteLine> {
    table().into_iter().map(|route| route.line).collect()
}

pub(crate) fn router() -> Router<Shared> {
    let add = |router: Router<Shared>, route: Route| router.route(route.line.path, route.handler);
    table().into_iter().fold(Router::new(), add)
}

/// Whether a run may reach that route.
pub(crate) fn is_for_runs(path: &str) -> bool {
    path == "/healthz" || path.starts_with("/v1/run/")
}

/// Whether only the launcher of a run may reach that route of its run.
pub(crate) fn is_for_launchers(path: &str) -> bool {
    path == HOLD || path == END
}

/// What a route does, if it cannot be judged without being done.
pub(crate) fn without_rehearsal(path: &str) -> Option<&'static str> {
    match path {
        "/v1/claim" => Some("a claim"),
        "/v1/unlock" => Some("an unlock"),
        "/v1/lock" => Some("a lock"),
        "/v1/run/children" => Some("a child run"),
        END => Some("the end of a run"),
        SIGN => Some("a signature"),
        TOKEN => Some("a token"),
        _ => None,
    }
}

#[rustfmt::skip]
fn table() -> Vec<Route> {
    use Who::{Anybody, Human, Outside, Present, Run};
    vec![
        read("/healthz", Anybody, get(status::healthz)),
        read("/readyz", Outside, get(status::readyz)),
        read("/metrics", Outside, get(status::metrics)),
        read("/v1/status", Outside, get(status::status)),
        read("/v1/whoami", Outside, get(humans::whoami)),
        act("/v1/claim", Present, post(humans::claim)),
        act("/v1/unlock", Present, post(humans::unlock)),
        act("/v1/lock", Outside, post(humans::lock)),
        read("/v1/agents", Human, get(agents::list)),
        act("/v1/agents", Human, post(agents::add)),
        read("/v1/agents/{agent}", Human, get(agents::show)),
        act("/v1/agents/{agent}/limit", Human, post(agents::limit)),
        act("/v1/agents/{agent}/suspend", Human, post(agents::suspend)),
        act("/v1/agents/{agent}/resume", Human, post(agents::resume)),
        act("/v1/agents/{agent}/retire", Human, post(agents::retire)),
        read("/v1/clients", Human, get(clients::list)),
        act("/v1/clients", Human, post(clients::add)),
        read("/v1/clients/{client}", Human, get(clients::show)),
        act("/v1/clients/{client}/suspend", Human, post(clients::suspend)),
        act("/v1/clients/{client}/resume", Human, post(clients::resume)),
        act("/v1/clients/{client}/retire", Human, post(clients::retire)),
        read("/v1/issuers", Human, get(issuers::list)),
        read("/v1/issuers/{issuer}", Human, get(issuers::show)),
        act("/v1/issuers", Human, post(issuers::add)),
        act("/v1/issuers/{issuer}/remove", Human, post(issuers::remove)),
        read("/v1/connections", Human, get(connections::list)),
        act("/v1/connections", Human, post(connections::add)),
        read("/v1/connections/{connection}", Human, get(connections::show)),
        act("/v1/connections/{connection}/limit", Human, post(connections::limit)),
        act("/v1/connections/{connection}/rotate", Human, post(connections::rotate)),
        remove("/v1/connections/{connection}", Human, delete(connections::remove)),
        read("/v1/grants", Human, get(grants::list)),
        act("/v1/grants", Human, post(grants::add)),
        act("/v1/grants/{grant}/revoke", Human, post(grants::revoke)),
        read("/v1/runs", Human, get(runs::list)),
        act("/v1/runs", Human, post(runs::open)),
        read("/v1/runs/{run}", Human, get(runs::show)),
        act("/v1/kill", Human, post(runs::kill)),
        act("/v1/tasks/close", Human, post(runs::close_task)),
        read("/v1/approvals", Human, get(approvals::list)),
        read("/v1/approvals/{approval}", Human, get(approvals::show)),
        act("/v1/approvals/{approval}/give", Present, post(approvals::give)),
        act("/v1/approvals/{approval}/decline", Human, post(approvals::decline)),
        read("/v1/decisions/{decision}", Human, get(decisions::explain)),
        read("/v1/keys", Human, get(keys::list)),
        act("/v1/keys/log/rotate", Human, post(keys::rotate_log)),
        act("/v1/keys/git/rotate", Human, post(keys::rotate_git)),
        act("/v1/keys/token/rotate", Human, post(keys::rotate_token)),
        act("/v1/keys/token/retire", Human, post(keys::retire_token)),
        read("/v1/keys/git/allowed-signers", Outside, get(keys::allowed_signers)),
        act("/v1/tokens/revoke", Human, post(tokens::revoke)),
        read("/v1/log", Human, get(log::query)),
        read("/v1/log/count", Human, get(log::count)),
        read("/v1/log/checkpoint", Human, get(log::checkpoint)),
        read("/v1/log/receipt/{index}", Human, get(log::receipt)),
        read("/v1/run/whoami", Run, get(own_run::whoami)),
        act("/v1/run/children", Run, post(own_run::open_child)),
        act(SIGN, Run, post(own_run::sign)),
        act(TOKEN, Run, post(oauth::own_token)),
        read(HOLD, Run, get(own_run::hold)),
        act(END, Run, post(own_run::end)),
    ]
}

fn read(path: &'static str, who: Who, handler: MethodRouter<Shared>) -> Route {
    Route { line: RouteLine { method: "GET", path, who }, handler }
}

fn act(path: &'static str, who: Who, handler: MethodRouter<Shared>) -> Route {
    Route { line: RouteLine { method: "POST", path, who }, handler }
}

fn remove(path: &'static str, who: Who, handler: MethodRouter<Shared>) -> Route {
    Route { line: RouteLine { method: "DELETE", path, who }, handler }
}

#[cfg(test)]
mod tests {
    use super::{RouteLine, Who, is_for_runs, listing, without_rehearsal};

    // threat 165
    #[test]
    fn a_run_reaches_its_own_routes_and_health_and_nothing_else() {
        for line in listing() {
            let expected = matches!(line.who, Who::Run | Who::Anybody);
            assert_eq!(is_for_runs(line.path), expected, "{} {}", line.method, line.path);
        }
        assert!(!is_for_runs("none") && !is_for_runs("/v1/runs"));
    }

    #[test]
    fn what_changes_something_is_rehearsed_or_says_that_it_cannot_be() {
        // A human's verbs are rehearsed by the plane; giving an approval, by its handler.
        let is_rehearsed = |line: &RouteLine| {
            line.who == Who::Human || line.path == "/v1/approvals/{approval}/give"
        };
        for line in listing().iter().filter(|line| line.method != "GET") {
            let told = without_rehearsal(line.path);
            assert_ne!(is_rehearsed(line), told.is_some(), "{} {}", line.method, line.path);
        }
    }

    #[test]
    fn no_route_stands_twice_in_the_table() {
        let mut seen = std::collections::BTreeSet::new();
        for line in listing() {
            assert!(seen.insert((line.method, line.path)), "{} {}", line.method, line.path);
        }
    }
}
