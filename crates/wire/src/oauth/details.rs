//! Rich authorization (RFC 9396): a short list of typed objects.
//!
//! Owns the common members and their bounds. Which types there are, and which fields of their own
//! each has, is for whoever registers them to say: those are in [`AuthorizationDetail::fields`],
//! and whoever reads a type must refuse fields that the type does not have.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::jose::BadJson;
use crate::json::{Limits, Object, need};

/// Most objects of one list.
pub const DETAILS_MAX: usize = 16;
/// How the parameter of a request is bounded.
const LIMITS: Limits = Limits { bytes: 16 * 1024, depth: 12, values: 1024 };
/// Most texts of one member, and the longest of them.
const TEXTS_MAX: usize = 32;
const TEXT_MAX_BYTES: usize = 1024;
/// Most fields of a type's own.
const FIELDS_MAX: usize = 32;

/// What was asked for or given in detail. Empty where nothing was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuthorizationDetails(Vec<AuthorizationDetail>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuthorizationDetail {
    /// Of which type. It says what the rest means.
    pub kind: String,
    /// Where.
    pub locations: Vec<String>,
    /// To do what.
    pub actions: Vec<String>,
    /// With which data.
    pub datatypes: Vec<String>,
    /// On exactly what.
    pub identifier: Option<String>,
    /// At which levels.
    pub privileges: Vec<String>,
    /// The fields that the type itself has.
    pub fields: Map<String, Value>,
}

/// Why a list is refused: `invalid_authorization_details`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`authorization_details` is refused: {0}")]
pub struct BadDetails(#[from] pub BadJson);

impl AuthorizationDetails {
    /// The list of these. `None` for too many.
    pub fn new(details: Vec<AuthorizationDetail>) -> Option<Self> {
        (details.len() <= DETAILS_MAX).then_some(Self(details))
    }

    /// Reads the parameter of a request.
    ///
    /// # Errors
    /// [`BadDetails`].
    pub fn parse(text: &str) -> Result<Self, BadDetails> {
        // The reader of objects is the one with bounds, so the list gets a name.
        let named = [br#"{"authorization_details":"#, text.as_bytes(), b"}"].concat();
        let mut members = Object::parse(&named, &LIMITS)?;
        let details = Self::take(&mut members)?;
        members.finish("authorization_details")?;
        Ok(details)
    }

    pub(super) fn take(members: &mut Object) -> Result<Self, BadJson> {
        let details = members.objects("authorization_details", DETAILS_MAX)?.unwrap_or_default();
        let details = details.into_iter().map(AuthorizationDetail::from_object);
        details.collect::<Result<_, _>>().map(Self)
    }

    /// The objects.
    pub fn as_slice(&self) -> &[AuthorizationDetail] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list as a token or an answer has it.
    pub fn to_json(&self) -> Value {
        self.0.iter().map(AuthorizationDetail::to_json).collect::<Vec<_>>().into()
    }
}

impl AuthorizationDetail {
    fn from_object(mut members: Object) -> Result<Self, BadJson> {
        let kind = need("type", members.text("type", 128)?)?;
        let mut texts = |name| members.texts(name, TEXTS_MAX, TEXT_MAX_BYTES);
        let (locations, actions) = (texts("locations")?, texts("actions")?);
        let (datatypes, privileges) = (texts("datatypes")?, texts("privileges")?);
        let identifier = members.text("identifier", TEXT_MAX_BYTES)?;
        let fields = members.rest();
        if fields.len() > FIELDS_MAX {
            return Err(BadJson::TooMany(FIELDS_MAX));
        }
        Ok(Self {
            kind,
            locations: locations.unwrap_or_default(),
            actions: actions.unwrap_or_default(),
            datatypes: datatypes.unwrap_or_default(),
            identifier,
            privileges: privileges.unwrap_or_default(),
            fields,
        })
    }

    fn to_json(&self) -> Value {
        let mut members = self.fields.clone();
        members.insert("type".to_owned(), self.kind.as_str().into());
        let lists = [
            ("locations", &self.locations),
            ("actions", &self.actions),
            ("datatypes", &self.datatypes),
            ("privileges", &self.privileges),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                members.insert(name.to_owned(), list.clone().into());
            }
        }
        if let Some(identifier) = &self.identifier {
            members.insert("identifier".to_owned(), identifier.as_str().into());
        }
        Value::Object(members)
    }
}
