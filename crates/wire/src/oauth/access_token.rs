//! What an access token of Marque says, claim by claim (RFC 9068, and the claims it borrows).
//!
//! Owns reading, writing and the checks that need nothing but the token, the moment and what was
//! expected. Does not say whether the run is alive, nor that the presenter holds the key of `cnf`.
//! Claims that nobody here knows are passed over (RFC 7519 section 4); inside `act` and `cnf`
//! there are none such.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Act, AuthorizationDetails, Confirmation, Issuer, NAME_MAX_BYTES, Profile, Resource, RunClaim,
    SKEW_MAX_SECS, Scope, read_name,
};
use crate::jose::{BadJson, NumericDate, TokenClass, Unverified, Verified};
use crate::json::{Object, need};

/// Longest life of an access token, in seconds.
pub const LIFETIME_MAX_SECS: u64 = 900;
/// Longest scope, in bytes.
const SCOPE_MAX_BYTES: usize = 8 * 1024;

/// The claims.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessTokenClaims {
    /// Who issued it.
    pub iss: Issuer,
    /// For which one resource.
    pub aud: Resource,
    /// Whose authority is used: a person's, or the agent's own.
    pub sub: String,
    /// Of what kind that party is.
    pub sub_profile: Option<Profile>,
    /// Which client asked for it; never who acts.
    pub client_id: String,
    /// Of what kind the client is.
    pub client_profile: Option<Profile>,
    /// When it was issued.
    pub iat: NumericDate,
    /// From when it is good.
    pub nbf: NumericDate,
    /// From when it is no longer.
    pub exp: NumericDate,
    /// Its own name, never that of another.
    pub jti: String,
    /// The name of the whole tree of calls, through every hop.
    pub txn: Option<String>,
    /// How the person was authenticated.
    pub authentication: Option<Authentication>,
    /// What it allows, coarsely.
    pub scope: Scope,
    /// What it allows, in detail.
    pub authorization_details: AuthorizationDetails,
    /// Who acts, where that is not `sub`.
    pub act: Option<Act>,
    /// Who may become its next actor.
    pub may_act: Option<MayAct>,
    /// Who may present it.
    pub cnf: Option<Confirmation>,
    /// In which run it was issued. A registered workload has none.
    pub run: Option<RunClaim>,
    /// Where its revocation is published.
    pub status: Option<StatusReference>,
}

/// How and when a person was authenticated (RFC 9068 section 2.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// When.
    pub auth_time: NumericDate,
    /// In which class.
    pub acr: Option<String>,
    /// By which methods.
    pub amr: Vec<String>,
}

/// Who may act next (RFC 8693 section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayAct {
    /// Who, in the names of `iss`.
    pub sub: String,
    /// Whose name that is.
    pub iss: Issuer,
}

/// A place in a status list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReference {
    /// Which place.
    pub idx: u64,
    /// In which list.
    pub uri: Resource,
}

/// What a token must be for.
#[derive(Debug, Clone)]
pub struct ExpectedToken<'a> {
    /// Who issues here.
    pub issuer: &'a Issuer,
    /// Which resource asks.
    pub audience: &'a Resource,
    /// Now.
    pub now: NumericDate,
}

/// Why a token is refused: `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadAccessToken {
    /// A claim is missing or malformed.
    #[error("the access token is refused: {0}")]
    Claim(#[from] BadJson),
    /// It lives longer than any of ours, or ends before it begins.
    #[error("the access token does not live from 1 to {LIFETIME_MAX_SECS} seconds")]
    Lifetime,
    /// Another issuer's.
    #[error("the access token is of another issuer")]
    Issuer,
    /// For another resource.
    #[error("the access token is for another resource")]
    Audience,
    /// It is over.
    #[error("the access token has expired")]
    Expired,
    /// It has not begun.
    #[error("the access token is not good yet")]
    Early,
}

impl AccessTokenClaims {
    /// Reads the claims of a token whose signature was verified.
    ///
    /// # Errors
    /// [`BadAccessToken`] for a claim that is missing, malformed or beyond its bounds.
    pub fn read(token: Verified) -> Result<Self, BadAccessToken> {
        Self::from_object(token.into_claims(&[TokenClass::AccessToken])?)
    }

    /// What a token says of itself, whoever wrote it: for people to read, and for nobody to act on.
    ///
    /// # Errors
    /// As [`AccessTokenClaims::read`].
    pub fn as_claimed(token: &Unverified<'_>) -> Result<Self, BadAccessToken> {
        Self::from_object(token.as_claimed(TokenClass::AccessToken)?)
    }

    pub(super) fn from_object(mut claims: Object) -> Result<Self, BadAccessToken> {
        let claims = &mut claims;
        let issuer = |text: &str| Issuer::parse(text).ok();
        let resource = |text: &str| Resource::parse(text).ok();
        let iss = claims.parsed("iss", 1024, "an issuer", issuer)?;
        let iss = need("iss", iss)?;
        // One audience, as a text: RFC 8707 section 2, and threat 11.
        let aud = claims.parsed("aud", 1024, "one resource", resource)?;
        let scope = |text: &str| Scope::parse(text).ok();
        let scope = claims.parsed("scope", SCOPE_MAX_BYTES, "a scope", scope)?;
        let run = claims.take(&RunClaim::name(&iss)).map(RunClaim::from_value).transpose()?;
        let iat = need("iat", claims.date("iat")?)?;
        let token = Self {
            aud: need("aud", aud)?,
            sub: need("sub", name(claims, "sub")?)?,
            sub_profile: Profile::take(claims, "sub_profile")?,
            client_id: need("client_id", name(claims, "client_id")?)?,
            client_profile: Profile::take(claims, "client_profile")?,
            iat,
            nbf: claims.date("nbf")?.unwrap_or(iat),
            exp: need("exp", claims.date("exp")?)?,
            jti: need("jti", name(claims, "jti")?)?,
            txn: name(claims, "txn")?,
            authentication: Authentication::take(claims)?,
            scope: scope.unwrap_or_default(),
            authorization_details: AuthorizationDetails::take(claims)?,
            act: claims.object("act")?.map(Act::from_object).transpose()?,
            may_act: claims.object("may_act")?.map(MayAct::from_object).transpose()?,
            cnf: claims.object("cnf")?.map(Confirmation::from_object).transpose()?,
            run,
            status: claims.object("status")?.map(StatusReference::from_object).transpose()?,
            iss,
        };
        let lifetime = token.exp.seconds_since(token.iat);
        let holds = (1..=LIFETIME_MAX_SECS).contains(&lifetime) && token.nbf < token.exp;
        if holds { Ok(token) } else { Err(BadAccessToken::Lifetime) }
    }

    /// Whether the token is of this issuer, for this resource, and good at this moment.
    ///
    /// # Errors
    /// [`BadAccessToken`], the first that does not hold.
    pub fn check(&self, expected: &ExpectedToken<'_>) -> Result<(), BadAccessToken> {
        if self.iss != *expected.issuer {
            return Err(BadAccessToken::Issuer);
        }
        if self.aud != *expected.audience {
            return Err(BadAccessToken::Audience);
        }
        if expected.now >= self.exp {
            return Err(BadAccessToken::Expired);
        }
        let latest = expected.now.plus_seconds(SKEW_MAX_SECS);
        if self.iat > latest || self.nbf > latest {
            return Err(BadAccessToken::Early);
        }
        Ok(())
    }

    /// The claims as a token or an introspection has them.
    pub fn to_json(&self) -> Map<String, Value> {
        let texts = [
            ("iss", Some(self.iss.as_str())),
            ("aud", Some(self.aud.as_str())),
            ("sub", Some(self.sub.as_str())),
            ("sub_profile", self.sub_profile.map(Profile::as_str)),
            ("client_id", Some(self.client_id.as_str())),
            ("client_profile", self.client_profile.map(Profile::as_str)),
            ("jti", Some(self.jti.as_str())),
            ("txn", self.txn.as_deref()),
        ];
        let dates = [("iat", self.iat), ("nbf", self.nbf), ("exp", self.exp)];
        let details = &self.authorization_details;
        let objects = [
            ("scope", (!self.scope.is_empty()).then(|| self.scope.to_string().into())),
            ("authorization_details", (!details.is_empty()).then(|| details.to_json())),
            ("act", self.act.as_ref().map(Act::to_json)),
            ("may_act", self.may_act.as_ref().map(MayAct::to_json)),
            ("cnf", self.cnf.map(Confirmation::to_json)),
            ("status", self.status.as_ref().map(StatusReference::to_json)),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text?))));
        let dates = dates.into_iter().map(|(name, date)| (name, date.as_seconds().into()));
        let objects = objects.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let members = texts.chain(dates).chain(objects);
        let mut claims: Map<String, Value> =
            members.map(|(name, value)| (name.to_owned(), value)).collect();
        if let Some(authentication) = &self.authentication {
            authentication.put(&mut claims);
        }
        if let Some(run) = &self.run {
            claims.insert(RunClaim::name(&self.iss), run.to_json());
        }
        claims
    }
}

impl Authentication {
    /// That of another issuer's token, which may say how without when: that is no authentication
    /// anybody could rely on.
    pub(super) fn of_another(claims: &Map<String, Value>) -> Result<Option<Self>, BadJson> {
        let names = ["auth_time", "acr", "amr"].into_iter();
        let said = names.filter_map(|name| Some((name.to_owned(), claims.get(name)?.clone())));
        let mut claims = Object::from_value(Value::Object(said.collect()))?;
        let auth_time = claims.date("auth_time")?;
        let acr = claims.text("acr", NAME_MAX_BYTES)?;
        let amr = claims.texts("amr", 16, 64)?.unwrap_or_default();
        Ok(auth_time.map(|auth_time| Self { auth_time, acr, amr }))
    }

    fn take(claims: &mut Object) -> Result<Option<Self>, BadJson> {
        let auth_time = claims.date("auth_time")?;
        let acr = claims.text("acr", NAME_MAX_BYTES)?;
        let amr = claims.texts("amr", 16, 64)?;
        match auth_time {
            Some(auth_time) => Ok(Some(Self { auth_time, acr, amr: amr.unwrap_or_default() })),
            None if acr.is_none() && amr.is_none() => Ok(None),
            None => Err(BadJson::Missing("auth_time")),
        }
    }

    fn put(&self, claims: &mut Map<String, Value>) {
        claims.insert("auth_time".to_owned(), self.auth_time.as_seconds().into());
        if let Some(acr) = &self.acr {
            claims.insert("acr".to_owned(), acr.as_str().into());
        }
        if !self.amr.is_empty() {
            claims.insert("amr".to_owned(), self.amr.clone().into());
        }
    }
}

impl MayAct {
    fn from_object(mut members: Object) -> Result<Self, BadJson> {
        let sub = name(&mut members, "sub")?;
        let issuer = |text: &str| Issuer::parse(text).ok();
        let iss = members.parsed("iss", 1024, "an issuer", issuer)?;
        members.finish("may_act")?;
        Ok(Self { sub: need("sub", sub)?, iss: need("iss", iss)? })
    }

    fn to_json(&self) -> Value {
        Value::Object(Map::from_iter([
            ("sub".to_owned(), self.sub.as_str().into()),
            ("iss".to_owned(), self.iss.as_str().into()),
        ]))
    }
}

impl StatusReference {
    fn from_object(mut members: Object) -> Result<Self, BadJson> {
        let mut list = need("status_list", members.object("status_list")?)?;
        let idx = need("idx", list.number("idx", u64::from(u32::MAX))?)?;
        let resource = |text: &str| Resource::parse(text).ok();
        let uri = need("uri", list.parsed("uri", 1024, "a URL", resource)?)?;
        Ok(Self { idx, uri })
    }

    fn to_json(&self) -> Value {
        serde_json::json!({ "status_list": { "idx": self.idx, "uri": self.uri.as_str() } })
    }
}

fn name(claims: &mut Object, name: &'static str) -> Result<Option<String>, BadJson> {
    claims.parsed(name, NAME_MAX_BYTES, "a name in visible ASCII", read_name)
}
