//! Who hears about a run: whoever sits here, or whoever asked for it from inside another one.

#[cfg(target_os = "linux")]
use tokio::sync::mpsc;

#[cfg(target_os = "linux")]
use crate::capture::asked::Told;
use crate::exit::Failure;
use crate::output::Output;

/// Whom to tell, and how.
pub(super) enum Voice {
    /// On this process's own standard error.
    Own(Output),
    /// Whoever asked; what they do not read in time is not told.
    #[cfg(target_os = "linux")]
    Asker {
        /// Whether they want JSON.
        is_json: bool,
        /// To them.
        said: mpsc::Sender<Told>,
    },
}

impl Voice {
    /// Whether what is told about a run is JSON.
    pub(super) fn is_json(&self) -> bool {
        match self {
            Self::Own(output) => output.is_json(),
            #[cfg(target_os = "linux")]
            Self::Asker { is_json, .. } => *is_json,
        }
    }

    /// A remark.
    pub(super) fn remark(&self, text: &str) {
        match self {
            Self::Own(output) => output.remark(text),
            #[cfg(target_os = "linux")]
            Self::Asker { said, .. } => {
                let _heard = said.try_send(Told::Remark(text.to_owned()));
            }
        }
    }

    /// Something to know before going on.
    pub(super) fn warning(&self, text: &str) {
        match self {
            Self::Own(output) => output.warning(text),
            #[cfg(target_os = "linux")]
            Self::Asker { said, .. } => {
                let _heard = said.try_send(Told::Warning(text.to_owned()));
            }
        }
    }

    /// What failed.
    pub(super) fn failure(&self, failure: &Failure) {
        match self {
            Self::Own(output) => output.failure(failure),
            #[cfg(target_os = "linux")]
            Self::Asker { said, .. } => {
                let _heard = said.try_send(Told::from(failure));
            }
        }
    }
}
