//! The bodies of requests to the token, revocation and introspection endpoints.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::app::App;
use crate::http::error::OAuthError;
use crate::http::headers::credentials::bearer_token;
use crate::http::middleware::body;
use crate::http::middleware::body::BodyBounds;
use crate::http::middleware::origin::Origin;
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::syntax::parameters::Parameters;

/// The parameters of a form.
pub struct OAuthForm(pub Parameters);

impl FromRequest<Arc<App>> for OAuthForm {
    type Rejection = OAuthError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, OAuthError> {
        let bytes = body::read(request, &[body::FORM], BodyBounds::of(&app.config))
            .await
            .map_err(OAuthError::Form)?;
        Ok(Self(Parameters::from_form(&bytes)?))
    }
}

/// The parameters that a client sends, which is counted before the body is read. The body may be a
/// form or JSON, which the compatible API's troubleshooting page describes.
pub struct ClientForm(pub Parameters);

impl FromRequest<Arc<App>> for ClientForm {
    type Rejection = OAuthError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, OAuthError> {
        if let Some(origin) = request.extensions().get::<Origin>() {
            let source = Counted::Network(origin.address.into());
            app.limits.take(Class::Token, source).map_err(OAuthError::RateLimited)?;
        }
        // All clients are public, so this server never issued a secret to one that authenticates. A
        // bearer token is ignored, since the compatible API's example sends one.
        let is_bearer = |value: &HeaderValue| bearer_token(value).is_some();
        if request.headers().get(AUTHORIZATION).is_some_and(|value| !is_bearer(value)) {
            return Err(OAuthError::Authenticated);
        }
        let is_json = body::is_sent_as(request.headers(), body::JSON);
        let types = [body::FORM, body::JSON];
        let bytes = body::read(request, &types, BodyBounds::of(&app.config))
            .await
            .map_err(OAuthError::Form)?;
        Ok(Self(if is_json {
            Parameters::from_json(&bytes)?
        } else {
            Parameters::from_form(&bytes)?
        }))
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
