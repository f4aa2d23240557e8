//! `marque-benchkit decision|record|log|token`: measures, and prints lines of JSON.

use anyhow::bail;
use marque_benchkit::{Words, decision, record, token};
use tokio::runtime::Builder;

fn main() -> anyhow::Result<()> {
    let words = Words::of_process();
    match words.what() {
        // In one thread, so that what planes do by themselves waits until nothing is measured.
        "decision" => {
            Builder::new_current_thread().enable_all().build()?.block_on(decision::time(&words))
        }
        "token" => {
            Builder::new_current_thread().enable_all().build()?.block_on(token::grow(&words))
        }
        "record" => {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(record::record(&words))
        }
        "log" => record::large(&words),
        other => {
            bail!("`{other}` is not measured here; `decision`, `record`, `log` and `token` are")
        }
    }
}
