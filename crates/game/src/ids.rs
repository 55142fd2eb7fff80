//! Identifiers and texts from outside, validated when they are made.

use std::fmt;
use std::sync::Arc;

use crate::bounds::{NAME_CHARS_MAX, PURCHASE_ID_BYTES_MAX, TOKEN_BYTES_MAX, USERNAME_BYTES_MAX};

/// A value from outside that is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// As spelled in the wire.
    pub field: &'static str,
    pub reason: Reason,
}

/// Why a value is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("must not be empty")]
    Empty,
    #[error("has {found} bytes of UTF-8, at most {max} are allowed")]
    TooManyBytes { found: usize, max: usize },
    #[error("has {found} characters, at most {max} are allowed")]
    TooManyChars { found: usize, max: usize },
    #[error("must not contain control characters")]
    ControlCharacter,
    #[error("must consist of visible ASCII characters")]
    NotVisibleAscii,
    #[error("must be one of {0}")]
    NotOneOf(&'static str),
    #[error("must be from {min} to {max}")]
    OutOfRange { min: i64, max: i64 },
}

impl Reason {
    /// Adds the field.
    pub fn of(self, field: &'static str) -> Invalid {
        Invalid { field, reason: self }
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Validates the text.
            ///
            /// # Errors
            /// [`Invalid`], naming the field and the reason.
            pub fn new(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> Result<(), Reason> = $check;
                check(text).map_err(|reason| reason.of($field))?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text!(
    /// A player's name in the system: 1 to 128 bytes of UTF-8, no control characters, compared byte by byte.
    Username,
    "username",
    |text| bytes_within(text, USERNAME_BYTES_MAX).and_then(|()| no_control(text))
);
text!(
    /// The name displayed instead of the username: 1 to 64 characters, no control characters.
    DisplayName,
    "name",
    |text| match text.chars().count() {
        0 => Err(Reason::Empty),
        found if found > NAME_CHARS_MAX => Err(Reason::TooManyChars { found, max: NAME_CHARS_MAX }),
        _ => no_control(text),
    }
);
text!(
    /// The address of a device for pushes: 1 to 4096 bytes, no control characters.
    Token,
    "token",
    |text| bytes_within(text, TOKEN_BYTES_MAX).and_then(|()| no_control(text))
);
text!(
    /// The id of a purchase, scoped to the player: 1 to 128 visible ASCII characters.
    PurchaseId,
    "Idempotency-Key",
    |text| {
        bytes_within(text, PURCHASE_ID_BYTES_MAX)?;
        if text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(()) } else { Err(Reason::NotVisibleAscii) }
    }
);

fn bytes_within(text: &str, max: usize) -> Result<(), Reason> {
    match text.len() {
        0 => Err(Reason::Empty),
        found if found > max => Err(Reason::TooManyBytes { found, max }),
        _ => Ok(()),
    }
}

fn no_control(text: &str) -> Result<(), Reason> {
    if text.chars().any(char::is_control) { Err(Reason::ControlCharacter) } else { Ok(()) }
}

/// The kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    Android,
    Ios,
    Web,
}

impl Platform {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Android, Self::Ios, Self::Web];

    /// The code in the wire and the store.
    pub fn code(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Web => "web",
        }
    }

    /// The platform of a code.
    ///
    /// # Errors
    /// [`Invalid`] when there is none.
    pub fn from_code(code: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|platform| platform.code() == code);
        found.ok_or(Reason::NotOneOf("android, ios, web").of("platform"))
    }
}

/// The partition of a player: FNV-1a (64 bits, folded to 32) of the username's bytes, modulo the number of
/// partitions. It must never change while a game runs, so the hash is implemented here instead of
/// taken from a library.
pub fn partition_of(username: &str, partitions: u16) -> u16 {
    let mut hash = Fnv1a::default();
    hash.write(username.as_bytes());
    let hash = hash.finish();
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    let index = folded % u64::from(partitions.max(1));
    u16::try_from(index).unwrap_or_default() // cannot fail: index < partitions ≤ u16::MAX
}

/// FNV-1a of 64 bits.
///
/// Source of the constants: the FNV specification, draft-eastlake-fnv, section 5.
#[derive(Debug, Clone, Copy)]
pub struct Fnv1a(u64);

impl Default for Fnv1a {
    /// The hash of no bytes.
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a {
    /// Hashes more bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    }

    /// The hash of all bytes.
    pub fn finish(self) -> u64 {
        self.0
    }
}
