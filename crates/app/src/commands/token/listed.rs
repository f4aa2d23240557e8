//! What the status list that a token names says of it.

use marque_wire::jose::{JwkSet, NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{AccessTokenClaims, BadStatusList, Issuer, Status, StatusListClaims};

use super::service;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Whether it names a list; fails where that does not say that the token is good.
pub(super) async fn must_be_good(
    context: &Context,
    (issuer, keys): (&Issuer, &JwkSet),
    (claims, now): (&AccessTokenClaims, NumericDate),
) -> Result<bool, Failure> {
    let Some(place) = &claims.status else { return Ok(false) };
    // Only the issuer says what its tokens are worth.
    if place.uri.origin() != issuer.origin() {
        return Err(bad(&BadStatusList::OtherList));
    }
    let text = service::published(context, place.uri.as_str()).await?;
    let read = Unverified::parse(TokenClass::StatusList, text.trim_ascii());
    let read = read.map_err(|error| bad(&error))?;
    let key = keys.find(read.key_id(), read.algorithm());
    let key = key.ok_or_else(|| bad(&"its key is none that the issuer publishes"))?;
    let held = read.verify(key).map_err(|error| bad(&error))?;
    let list = StatusListClaims::read(held, &place.uri, now).map_err(|error| bad(&error))?.list;
    let at = usize::try_from(place.idx).map_err(|_| bad(&BadStatusList::OutOfRange))?;
    match list.status(at).map_err(|error| bad(&error))? {
        Status::Valid => Ok(true),
        Status::Invalid | Status::Suspended | Status::Other(_) => {
            let message = "the issuer's status list says that the token is not good";
            Err(Failure::new(Exit::Failed, message).hint(
                "it was taken back, or its run is over: `marque log query --run RUN` shows which",
            ))
        }
    }
}

fn bad(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("the status list of the token does not hold: {error}"))
}
