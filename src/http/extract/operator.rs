//! Who calls an operators' endpoint, and whether they may.
//!
//! Both keys are needed: the API key names the organisation, the application key the person in it. Failed keys are counted
//! by source, and a source that guesses is refused before its next guess is looked at.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::actions::{Actor, By};
use crate::app::App;
use crate::http::edge::Origin;
use crate::http::error::ApiError;
use crate::http::rate_limit::{Class, Counted};
use crate::oauth::operator::Operator;
use crate::oauth::permission::Permission;
use crate::secret::Secret;

/// Longer ones are no keys of ours, and are not even looked for.
const LONGEST_KEY: usize = 256;

/// An operator who may see clients and their restrictions.
pub struct MayRead(pub Operator);

/// An operator who may restrict clients.
pub struct MayWrite(pub Operator, pub By);

impl FromRequestParts<Arc<App>> for MayRead {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        authorized(parts, app, Permission::OrgAuthorizedAppsRead).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for MayWrite {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let operator = authorized(parts, app, Permission::OrgAuthorizedAppsWrite).await?;
        let origin = Origin::of(parts);
        let by = By {
            actor: Actor::Operator(operator),
            request_id: origin.as_ref().map(|origin| origin.request_id.to_string()),
            address: origin.map(|origin| origin.address),
        };
        Ok(Self(operator, by))
    }
}

async fn authorized(parts: &Parts, app: &App, permission: Permission) -> Result<Operator, ApiError> {
    let operator = authenticated(parts, app).await?;
    let calls = Counted::Key(operator.application_key_id.0);
    app.limits.take(Class::Operator, calls).map_err(ApiError::RateLimited)?;
    if operator.may(permission) { Ok(operator) } else { Err(ApiError::Lacks(permission)) }
}

async fn authenticated(parts: &Parts, app: &App) -> Result<Operator, ApiError> {
    let api_key = key(&parts.headers, "dd-api-key");
    let application_key = key(&parts.headers, "dd-application-key");
    let (Some(api_key), Some(application_key)) = (api_key, application_key) else {
        return Err(ApiError::Unauthorized);
    };
    let guesses = Origin::of(parts).map(|origin| Counted::Network(origin.address.into()));
    if let Some(guesses) = guesses {
        app.limits.check(Class::FailedKeys, guesses).map_err(ApiError::RateLimited)?;
    }
    let could_be_ours = [&api_key, &application_key].iter().all(|key| key.expose().len() <= LONGEST_KEY);
    if could_be_ours && let Some(operator) = app.operators.find(&app.context.db, &api_key, &application_key).await? {
        return Ok(operator);
    }
    if let Some(guesses) = guesses {
        app.limits.take(Class::FailedKeys, guesses).map_err(ApiError::RateLimited)?;
    }
    tracing::info!("keys that name nobody were presented");
    Err(ApiError::UnknownKeys)
}

/// A header that is there twice names nobody: a proxy may have looked at the other one.
fn key(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?.trim();
    (!text.is_empty()).then(|| Secret::new(text.to_owned()))
}
