//! Who may call an operation. An operation cannot be declared without it, and one that names a
//! permission only compiles if its handler takes the `Caller` with that permission.

use serde_json::{Value, json};

use crate::http::extract::{Caller, Permit, Reviewer};
use crate::rules::identity::permission::Permission;

/// What a request must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Pages and forms for browsers. The handler redirects browsers without a session to `/login`.
    Browser,
    /// An access token with this scope. The handler checks it (RFC 6750).
    Bearer(&'static str),
    /// The secret of a resource server. The handler checks it.
    ResourceServer,
    /// The keys of a user with one of these permissions.
    Keys(&'static [Permission]),
    /// The same, or an access token that also has the scope of the same name.
    KeysOrToken(&'static [Permission]),
    /// The keys of a reviewer.
    Reviewer,
    /// The keys of any user, or an access token with this scope.
    KeysOrScope(&'static str),
}

impl Access {
    /// The `security` of the operation in the OpenAPI document.
    pub fn security(self) -> Value {
        let keys = json!({"apiKeyAuth": [], "appKeyAuth": []});
        match self {
            Self::Public | Self::Browser => json!([]),
            Self::Bearer(scope) => json!([{"bearerAuth": [scope]}]),
            Self::ResourceServer => json!([{"resourceAuth": []}, {}]),
            Self::Keys(_) | Self::Reviewer => json!([keys]),
            Self::KeysOrScope(scope) => json!([keys, {"bearerAuth": [scope]}]),
            Self::KeysOrToken(any_of) => {
                let by_token =
                    any_of.iter().map(|permission| json!({"bearerAuth": [permission.as_str()]}));
                std::iter::once(keys).chain(by_token).collect()
            }
        }
    }
}

/// Declares who may call an operation whose handler has the arguments `T`.
pub trait Admits<T> {
    fn access(&self) -> Access;
}

/// For handlers that need no credentials or check them themselves.
pub struct ByHandler(Access);

pub const PUBLIC: ByHandler = ByHandler(Access::Public);
pub const BROWSER: ByHandler = ByHandler(Access::Browser);
pub const RESOURCE_SERVER: ByHandler = ByHandler(Access::ResourceServer);

pub const fn bearer(scope: &'static str) -> ByHandler {
    ByHandler(Access::Bearer(scope))
}

impl<T> Admits<T> for ByHandler {
    fn access(&self) -> Access {
        self.0
    }
}

/// For handlers that take a `Reviewer`.
pub struct ForReviewers;

pub const REVIEWER: ForReviewers = ForReviewers;

impl<T: Takes<Reviewer>> Admits<T> for ForReviewers {
    fn access(&self) -> Access {
        Access::Reviewer
    }
}

/// A permission, such as `AppsRead`, admits to handlers that take a `Caller<AppsRead>`.
impl<P: Permit, T: Takes<Caller<P>>> Admits<T> for P {
    fn access(&self) -> Access {
        match P::TOKEN_SCOPE {
            _ if !P::ACCEPTS_TOKENS => Access::Keys(P::ANY_OF),
            Some(scope) => Access::KeysOrScope(scope),
            None => Access::KeysOrToken(P::ANY_OF),
        }
    }
}

/// The arguments of a handler whose second one is `E`. The caller comes before the rest of the
/// request, so that requests without credentials are refused first. The first member of the tuple
/// is a marker of axum.
#[diagnostic::on_unimplemented(message = "the second argument of this handler must be `{E}`")]
pub trait Takes<E> {}

impl<M, A, E> Takes<E> for (M, A, E) {}
impl<M, A, E, B> Takes<E> for (M, A, E, B) {}
impl<M, A, E, B, C> Takes<E> for (M, A, E, B, C) {}
impl<M, A, E, B, C, D> Takes<E> for (M, A, E, B, C, D) {}
