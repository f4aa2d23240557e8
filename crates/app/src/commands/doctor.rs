//! `marque doctor`

use clap::Args;
use marque_domain::Tier;
use serde::Serialize;

use crate::context::Context;
use crate::demo::tools;
use crate::doctor::{Row, Verdict, plane};
use crate::exit::{Exit, Failure};
use crate::output::Table;

/// Tell how firmly runs are held here, and which tools work in them
///
/// Tries what the kernel gives, one thing after another, then each installed tool that is known: in
/// a run, through a gateway, to an API that demands a token, all of it temporary and its own.
/// Changes nothing and leaves nothing behind.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// The kernel only; no tool is tried
    #[arg(long)]
    quick: bool,
}

const EXAMPLES: &str = "\
Examples:
  marque doctor
  marque doctor --quick --json

Exits with 0 if runs are captured here, with 3 if only a weaker tier is possible, and with 1 if no
tool was served or something was left behind.";

/// What was found.
#[derive(Serialize)]
struct Report {
    /// The tier a run gets here.
    tier: Tier,
    /// Why it is not `captured`.
    why: Option<String>,
    rows: Vec<Row>,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if context.is_inside_a_run() {
            return Err(Failure::new(
                Exit::Failed,
                "this is a run, and shows nothing of its machine",
            )
            .hint("ask outside of runs: `marque doctor`")
            .into());
        }
        let mut rows = Vec::new();
        let progress = |row: &Row| context.output.remark(&format!("marque: {}…", row.what));
        let mut tell = |row: Row| {
            progress(&row);
            rows.push(row);
        };
        let (tier, why) = kernel(context, &mut tell)?;
        plane::rows(context).await.into_iter().for_each(&mut tell);
        let before = rows.len();
        if !self.quick {
            let mut tell = |row: Row| {
                progress(&row);
                rows.push(row);
            };
            tools::rows(context, tier, &mut tell).await?;
        }
        let exit = exit(tier, rows.get(before..).unwrap_or_default());
        context.output.result(&Report { tier, why, rows }, shown)?;
        Ok(exit)
    }
}

#[cfg(target_os = "linux")]
fn kernel(context: &Context, tell: &mut dyn FnMut(Row)) -> Result<(Tier, Option<String>), Failure> {
    crate::doctor::kernel::rows(tell);
    crate::doctor::kernel::best_tier(context)
}

#[cfg(not(target_os = "linux"))]
fn kernel(_: &Context, tell: &mut dyn FnMut(Row)) -> Result<(Tier, Option<String>), Failure> {
    let why = "only Linux holds a run";
    tell(Row::failed("kernel", why, "run agents in a Linux machine or container"));
    Ok((Tier::Advisory, Some(why.to_owned())))
}

/// `tools` is empty where none was tried.
fn exit(tier: Tier, tools: &[Row]) -> Exit {
    let (left, tools) = match tools.split_last() {
        Some((left, tools)) => (Some(left), tools),
        None => (None, tools),
    };
    let is_left = left.is_some_and(|row| row.verdict != Verdict::Ok);
    let mut tried = tools.iter().filter(|row| row.verdict != Verdict::Absent).peekable();
    let is_broken = tried.peek().is_some() && tried.all(|row| row.verdict == Verdict::Failed);
    match tier {
        _ if is_left || is_broken => Exit::Failed,
        Tier::Captured => Exit::Done,
        _ => Exit::Refused,
    }
}

fn shown(report: &Report) -> String {
    let mut table = Table::new(["what", "result", "remedy"]);
    for row in &report.rows {
        let mark = match row.verdict {
            Verdict::Ok | Verdict::Refused => "",
            Verdict::Absent => "- ",
            Verdict::Failed => "! ",
        };
        let result = format!("{mark}{}", row.result);
        table.row([&row.what, &result, row.remedy.as_deref().unwrap_or_default()]);
    }
    let verdict = match (&report.tier, &report.why) {
        (Tier::Captured, _) => "runs are captured here".to_owned(),
        (tier, why) => {
            let why = why.as_deref().unwrap_or("it is not known why");
            format!("runs are not captured here, only {tier}: {}", crate::output::clean(why))
        }
    };
    format!("{}\n{verdict}\n", table.text(""))
}

#[cfg(test)]
mod tests {
    use marque_domain::Tier;

    use super::exit;
    use crate::doctor::Row;
    use crate::exit::Exit;

    #[test]
    fn the_exit_code_tells_how_runs_are_held_and_whether_any_tool_works() {
        let (good, bad) = (Row::ok("a", ""), Row::failed("b", "", ""));
        let (none, left) = (Row::absent("c", ""), Row::ok("left behind", "nothing"));
        assert_eq!(exit(Tier::Captured, &[]), Exit::Done);
        assert_eq!(exit(Tier::Confined, &[]), Exit::Refused);
        let some = [good.clone(), bad.clone(), none.clone(), left.clone()];
        assert_eq!(exit(Tier::Captured, &some), Exit::Done);
        assert_eq!(exit(Tier::Advisory, &some), Exit::Refused);
        assert_eq!(exit(Tier::Captured, &[bad.clone(), none, left]), Exit::Failed);
        assert_eq!(exit(Tier::Captured, &[good, bad]), Exit::Failed);
    }
}
