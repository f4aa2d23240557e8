//! A permit out of a text.

use marque_plane::Permit;

fn from<T: serde::de::DeserializeOwned>(_: &str) -> Option<T> {
    None
}

/// One act, by what somebody wrote.
pub fn act(text: &str) -> Option<Permit> {
    from::<Permit>(text)
}
