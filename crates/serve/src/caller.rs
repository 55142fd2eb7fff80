//! The sender of a request.

use std::convert::Infallible;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

/// How players sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// No sign-in: everybody plays under any name.
    Open,
}

impl Auth {
    /// The caller of a request.
    pub fn caller(self) -> Caller {
        match self {
            Self::Open => Caller::Anybody,
        }
    }
}

/// The sender of a request, as far as known. A handler that reads no body takes it as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Not signed in: the name in the request counts.
    Anybody,
}

impl Caller {
    /// The player for whom the request acts, if it names this one.
    pub fn acts_as<Name>(self, named: Name) -> Name {
        match self {
            Self::Anybody => named,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Auth: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Auth::from_ref(state).caller())
    }
}
