//! The rotation of the key of commits: one savepoint, and every server has the next key with the
//! next signature it gives.

use marque_domain::{Event, User};

use super::keys::{KEYS_MAX, Kept, SETTING, print, read};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::view::RotatedView;

impl Plane {
    /// Retires the key that signs what runs commit for a new one. The private half of the old one
    /// leaves the store; its public half stays, for what it signed.
    pub async fn rotate_git_key(&self, who: &Acting<User>) -> Result<RotatedView, AdminError> {
        let by = Self::by(who);
        let unusable = |error: &marque_crypto::CryptoError| {
            AdminError::new(AdminKind::Unavailable, format!("no new key can be made: {error}"))
                .hint("nothing was changed; look at the server's output")
        };
        let made = Kept::new(&self.inner().parts, self.now());
        let made = made.map_err(|error| unusable(&error))?;
        let rotated = self.change(who, move |step| {
            let text = step.tx.setting(SETTING)?.unwrap_or_default();
            let mut keys = read(&text).map_err(|error| AdminError::conflict(&error))?;
            if keys.len() >= KEYS_MAX {
                let message = format!("the key of commits was rotated {KEYS_MAX} times");
                return Err(AdminError::new(AdminKind::Conflict, message));
            }
            let index = step.head.size();
            let new = made.clone().take_over(step.now, index);
            let old = keys.last_mut().ok_or_else(AdminError::unavailable)?;
            old.retire(step.now, index);
            let (old_key, new_key) = (old.public.clone(), new.public.clone());
            keys.push(new);
            step.tx.put_setting(SETTING, &print(&keys))?;
            step.append(Event::GitKeyRotated {
                by: by.clone(),
                old_key: old_key.clone(),
                new_key: new_key.clone(),
            })?;
            Ok(RotatedView { index, old: old_key, new: new_key })
        });
        let rotated = rotated.await?;
        let (plane, store) = (self.clone(), self.inner().store.clone());
        // So that what is shown is up to date; signing looks for itself.
        let heeded = self.blocking(move || {
            let text = store.read("git_keys", |tx| tx.setting(SETTING))?.unwrap_or_default();
            if let Err(error) = plane.git().keys_of(&text) {
                tracing::error!(%error, "the key of commits cannot be used");
            }
            Ok::<_, marque_store::StoreError>(())
        });
        heeded.await??;
        Ok(rotated)
    }
}
