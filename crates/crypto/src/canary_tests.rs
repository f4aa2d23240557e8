//! Secrets cannot be printed, serialised or copied: this file compiles only while that is true.

use std::fmt::{Debug, Display};

use serde::Serialize;

use crate::factor::PassphraseHash;
use crate::git_key::GitKey;
use crate::intercept::{InterceptAuthority, Leaf};
use crate::key_file::KeyMaterial;
use crate::key_ring::KeyRing;
use crate::machine::{MachineHashKey, MachineSecret};
use crate::proof_key::ProofKey;
use crate::seal::FileKeyManager;
use crate::secret::Secret;
use crate::sign::LogKey;
use crate::token_key::TokenKey;

/// Has one implementation for every type and a second one for those that are `$bound`, so that
/// naming it without saying which is ambiguous, hence a compile error, exactly if the bound holds.
macro_rules! never {
    ($bound:ident: $($secret:ty),+) => {{
        trait Ambiguous<Which> {
            fn named() {}
        }
        struct Bounded;
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + $bound> Ambiguous<Bounded> for T {}
        $(<$secret as Ambiguous<_>>::named();)+
    }};
}

#[test]
fn threat_152_no_type_that_holds_a_secret_can_be_printed_serialised_or_silently_copied() {
    never!(Debug: Secret, MachineSecret, MachineHashKey, KeyMaterial, FileKeyManager, LogKey,
        TokenKey, KeyRing<TokenKey>, PassphraseHash, InterceptAuthority, Leaf, GitKey, ProofKey);
    never!(Display: Secret, MachineSecret, MachineHashKey, KeyMaterial, FileKeyManager, LogKey,
        TokenKey, KeyRing<TokenKey>, PassphraseHash, InterceptAuthority, Leaf, GitKey, ProofKey);
    never!(Serialize: Secret, MachineSecret, MachineHashKey, KeyMaterial, FileKeyManager, LogKey,
        TokenKey, KeyRing<TokenKey>, PassphraseHash, InterceptAuthority, Leaf, GitKey, ProofKey);
    never!(Clone: Secret, MachineSecret, MachineHashKey, KeyMaterial, FileKeyManager, LogKey,
        TokenKey, KeyRing<TokenKey>, InterceptAuthority, Leaf, GitKey, ProofKey);
}
