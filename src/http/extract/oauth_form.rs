//! The bodies of requests to the token, revocation and introspection endpoints.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::app::App;
use crate::http::error::OAuthError;
use crate::http::headers::credentials::{basic_of, bearer_token};
use crate::http::middleware::body;
use crate::http::middleware::body::BodyBounds;
use crate::http::middleware::origin::Origin;
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::client::ClientId;
use crate::rules::secret::Secret;
use crate::rules::syntax::parameters::Parameters;

/// The parameters of a form.
pub struct OAuthForm(pub Parameters);

impl FromRequest<Arc<App>> for OAuthForm {
    type Rejection = OAuthError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, OAuthError> {
        check_credentials(&request)?;
        let bytes = body::read(request, &[body::FORM], BodyBounds::of(&app.config))
            .await
            .map_err(OAuthError::Form)?;
        Ok(Self(Parameters::from_form(&bytes)?))
    }
}

/// The parameters that a client sends, which is counted before the body is read. The body may be a
/// form or JSON, which the compatible API's troubleshooting page describes.
pub struct ClientForm {
    /// They contain the `client_id`, even if it was sent in the header.
    pub parameters: Parameters,
    pub credentials: ClientCredentials,
}

/// A secret in a URL ends up in logs and histories (RFC 6749 section 2.3.1), and of two headers
/// nobody knows which one counts.
fn check_credentials(request: &Request) -> Result<(), OAuthError> {
    let query = request.uri().query().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "client_secret") {
        return Err(OAuthError::SecretInUrl);
    }
    match request.headers().get_all(AUTHORIZATION).iter().nth(1) {
        Some(_) => Err(OAuthError::BadClientSecret),
        None => Ok(()),
    }
}

/// Whether both texts name one client: the same id may be in upper or lower case.
fn is_same_client(one: &str, other: &str) -> bool {
    let id = |text| ClientId::parse(text).ok();
    one == other || (id(one).is_some() && id(one) == id(other))
}

/// How a client authenticates (RFC 6749 section 2.3).
#[derive(Debug, Default)]
pub struct ClientCredentials {
    /// The readings of the one secret that was sent. Empty if none was.
    pub secrets: Vec<Secret>,
    /// Whether the secret was in the `Authorization` header.
    pub by_header: bool,
    /// Where the request came from, which counts failures.
    pub source: Option<Counted>,
}

impl ClientCredentials {
    /// Reads the credentials, and adds a `client_id` from the header to the parameters. A bearer
    /// token is ignored, since the compatible API's example sends one.
    pub fn read(
        header: Option<&HeaderValue>,
        source: Option<Counted>,
        parameters: &mut Parameters,
    ) -> Result<Self, OAuthError> {
        let in_body = parameters.get("client_secret").map(|text| Secret::new(text.to_owned()));
        let Some(value) = header.filter(|value| bearer_token(value).is_none()) else {
            return Ok(Self { secrets: in_body.into_iter().collect(), by_header: false, source });
        };
        let basic = basic_of(value).ok_or(OAuthError::Authenticated)?;
        if in_body.is_some() {
            return Err(OAuthError::TwoCredentials);
        }
        parameters.add_missing("client_id", &basic.client_id);
        let is_other = |id: &str| !is_same_client(id, &basic.client_id);
        if parameters.get("client_id").is_some_and(is_other) {
            return Err(OAuthError::TwoClients);
        }
        Ok(Self { secrets: basic.secrets, by_header: true, source })
    }
}

impl FromRequest<Arc<App>> for ClientForm {
    type Rejection = OAuthError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, OAuthError> {
        let source = request.extensions().get::<Origin>();
        let source = source.map(|origin| Counted::Network(origin.address.into()));
        if let Some(source) = source {
            app.limits.take(Class::Token, source).map_err(OAuthError::RateLimited)?;
        }
        check_credentials(&request)?;
        let header = request.headers().get(AUTHORIZATION).cloned();
        let is_json = body::is_sent_as(request.headers(), body::JSON);
        let types = [body::FORM, body::JSON];
        let bytes = body::read(request, &types, BodyBounds::of(&app.config))
            .await
            .map_err(OAuthError::Form)?;
        let mut parameters =
            if is_json { Parameters::from_json(&bytes)? } else { Parameters::from_form(&bytes)? };
        let credentials = ClientCredentials::read(header.as_ref(), source, &mut parameters)?;
        Ok(Self { parameters, credentials })
    }
}

/// The `Authorization` header, whatever its scheme.
pub struct Authorization(pub Option<HeaderValue>);

impl<S: Sync> FromRequestParts<S> for Authorization {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get(AUTHORIZATION).cloned()))
    }
}
