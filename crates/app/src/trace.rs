//! What the program says about itself, on standard error. Never a secret: nothing that holds one
//! can be printed. What happened to agents is in the log, not here.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::environment::Environment;
use crate::exit::{Exit, Failure};

/// Starts tracing: what `MARQUE_TRACE` says, else `default`.
pub(crate) fn start(environment: &Environment, default: &str) -> Result<(), Failure> {
    let wanted = environment.text("MARQUE_TRACE").unwrap_or(default);
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        Failure::new(Exit::Usage, format!("`MARQUE_TRACE` is not a filter: {error}"))
            .hint("write `info`, `debug`, or `marque_plane=debug,info`")
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_span_events(FmtSpan::NONE);
    // Fails only if somebody started tracing before us, and nobody does.
    let _ = match environment.text("MARQUE_TRACE_FORMAT") {
        Some("json") => lines.json().try_init(),
        _ => lines.with_ansi(false).compact().try_init(),
    };
    Ok(())
}
