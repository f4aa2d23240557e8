//! The statements behind queries: one set for each index that can lead to the entries.
//!
//! Statements are static text, and which filters are set varies: one that is not set is null.

/// The index that leads to the entries; everything else filters.
#[derive(Clone, Copy)]
pub(super) enum Lead {
    Decision,
    Run,
    Agent,
    Task,
    Order,
}

/// The shapes of one query.
pub(super) struct Statements {
    pub(super) oldest_first: &'static str,
    pub(super) newest_first: &'static str,
    pub(super) counted: &'static str,
}

// The lead comes first and plain, so that the planner sees which index to take; the same filter
// comes again below, where it costs little. What an agent or a task did is what its runs did.
macro_rules! filtered {
    ($what:literal, $lead:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM log WHERE ",
            $lead,
            " AND (event = $1 OR $1 IS NULL) AND (run = $2 OR $2 IS NULL)",
            " AND (run IN (SELECT run FROM log WHERE event = 'run_opened' AND agent = $3)",
            " OR $3 IS NULL)",
            " AND (run IN (SELECT run FROM log WHERE event = 'run_opened' AND task = $4)",
            " OR $4 IS NULL)",
            " AND (user_name = $5 OR $5 IS NULL) AND (connection = $6 OR $6 IS NULL)",
            " AND (operation = $7 OR $7 IS NULL) AND (answer = $8 OR $8 IS NULL)",
            " AND (decision = $9 OR $9 IS NULL) AND at >= $10 AND at < $11",
            " AND idx >= $12 AND idx <= $13 ",
            $rest
        )
    };
}

macro_rules! statements {
    ($lead:literal) => {
        Statements {
            oldest_first: filtered!("idx, leaf, bytes", $lead, "ORDER BY idx LIMIT $14"),
            newest_first: filtered!("idx, leaf, bytes", $lead, "ORDER BY idx DESC LIMIT $14"),
            counted: filtered!(
                "CASE $15 WHEN 'agent' THEN agent WHEN 'task' THEN task \
                 WHEN 'operation' THEN operation ELSE resource END AS label, count(*) AS entries",
                $lead,
                "GROUP BY 1 ORDER BY 2 DESC, 1 NULLS FIRST LIMIT $14"
            ),
        }
    };
}

impl Lead {
    pub(super) fn statements(self) -> Statements {
        match self {
            Self::Decision => statements!("decision = $9"),
            Self::Run => statements!("run = $2"),
            Self::Agent => statements!(
                "run IN (SELECT run FROM log WHERE event = 'run_opened' AND agent = $3)"
            ),
            Self::Task => {
                statements!("run IN (SELECT run FROM log WHERE event = 'run_opened' AND task = $4)")
            }
            Self::Order => statements!("idx >= $12"),
        }
    }
}

#[cfg(test)]
#[path = "statements_tests.rs"]
mod tests;
