//! NumericDate (RFC 7519 section 2), in whole seconds.

use marque_domain::Timestamp;

/// A moment as tokens write it. At most the last second of the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate(u64);

impl NumericDate {
    /// The last one there is.
    pub const MAX: Self = Self(Timestamp::MAX.as_millis() / 1000);

    /// So many seconds after the epoch, if that is not beyond [`NumericDate::MAX`].
    pub const fn from_seconds(seconds: u64) -> Option<Self> {
        if seconds > Self::MAX.0 { None } else { Some(Self(seconds)) }
    }

    /// Seconds after the epoch.
    pub const fn as_seconds(self) -> u64 {
        self.0
    }

    /// The last whole second that is not after `moment`.
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.as_millis() / 1000)
    }

    /// The moment.
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(self.0 * 1000)
    }

    /// This date and so many seconds more, at most [`NumericDate::MAX`].
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        let sum = self.0.saturating_add(seconds);
        if sum > Self::MAX.0 { Self::MAX } else { Self(sum) }
    }

    /// How many seconds `self` lies after `earlier`; zero if it does not.
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
