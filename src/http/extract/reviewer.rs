//! A reviewer, who decides about what partners publish.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::actions::audit::AuditActor;
use crate::app::App;
use crate::db::users::reviewers;
use crate::http::error::ApiError;
use crate::http::extract::caller::{CLIENTS_BY_KEYS, CredentialLimit, audit_actor, authenticate};
use crate::http::middleware::origin::Origin;
use crate::rules::identity::api_caller::Credential;

/// A user whom the operator of this server named as a reviewer, with their own keys. An app that a
/// reviewer authorized could otherwise approve itself, so access tokens and keys that are limited to
/// scopes are not accepted.
pub struct Reviewer {
    pub by: AuditActor,
}

impl FromRequestParts<Arc<App>> for Reviewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let identified = authenticate(parts, app).await?;
        identified.count(app)?;
        let caller = identified.caller;
        if matches!(caller.credential, Credential::Token(_)) {
            return Err(ApiError::KeysOnly(CLIENTS_BY_KEYS));
        }
        let is_whole_key = matches!(identified.limit, CredentialLimit::Keys { scopes: None, .. });
        if !is_whole_key || !reviewers::is_reviewer(&app.context.db, caller.user_id).await? {
            return Err(ApiError::NotAReviewer);
        }
        Ok(Self { by: audit_actor(caller, Origin::of(parts).as_ref()) })
    }
}
