//! How tightly a run is held: the best tier this machine allows, or the one that was demanded.

use marque_domain::Tier;

#[cfg(target_os = "linux")]
pub(super) use crate::capture::Home as HomeProfile;
#[cfg(target_os = "linux")]
use crate::capture::{Fence, Stage};

/// What holds a run that is about to be opened.
pub(super) enum Held {
    /// Namespaces of its own, built and waiting.
    #[cfg(target_os = "linux")]
    Captured(Box<Stage>),
    /// A fence of files and ports, tried; with the reason, if more was wanted.
    #[cfg(target_os = "linux")]
    Confined(Box<Fence>, Option<String>),
    /// Its proxy variables; with the reason, if more was wanted.
    Advisory(Option<String>),
}

impl Held {
    /// The tier.
    pub(super) fn tier(&self) -> Tier {
        match self {
            #[cfg(target_os = "linux")]
            Self::Captured(_) => Tier::Captured,
            #[cfg(target_os = "linux")]
            Self::Confined(..) => Tier::Confined,
            Self::Advisory(_) => Tier::Advisory,
        }
    }

    /// Why it is not captured, if it was to be.
    pub(super) fn why_not_captured(&self) -> Option<&str> {
        match self {
            Self::Advisory(why) => why.as_deref(),
            #[cfg(target_os = "linux")]
            Self::Confined(_, why) => why.as_deref(),
            #[cfg(target_os = "linux")]
            Self::Captured(_) => None,
        }
    }

    /// What this kernel does not hold of what the tier promises.
    pub(super) fn lacking(&self) -> &[&'static str] {
        match self {
            #[cfg(target_os = "linux")]
            Self::Confined(fence, _) => &fence.lacking,
            _ => &[],
        }
    }
}
