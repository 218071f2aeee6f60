//! The caller of `POST /api/v2/api_keys/marketplace`: an app with an access token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::actions::audit::AuditActor;
use crate::actions::keys::create_marketplace_key::KeyRequester;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::extract::caller::{CredentialLimit, audit_actor, authenticate};
use crate::http::middleware::origin::Origin;
use crate::rules::identity::api_caller::Credential;
use crate::rules::identity::permission::Permission;

/// An app whose access token has the scope `api_keys_write`, and whose user still has the
/// permission of the same name. The organization, the user and the client come from the token alone.
pub struct AppCaller {
    pub requester: KeyRequester,
    pub by: AuditActor,
}

impl FromRequestParts<Arc<App>> for AppCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        const NEEDED: Permission = Permission::ApiKeysWrite;
        let identified = authenticate(parts, app).await?;
        identified.count(app)?;
        let caller = identified.caller;
        let is_allowed = identified.limit.allows(NEEDED.as_str()) && caller.may(NEEDED);
        match (caller.credential, identified.limit) {
            (Credential::Token(family_id), CredentialLimit::Token { client_id, .. })
                if is_allowed =>
            {
                let requester = KeyRequester { org_id: caller.org_id, client_id, family_id };
                Ok(Self { requester, by: audit_actor(caller, Origin::of(parts).as_ref()) })
            }
            _ => Err(ApiError::BareForbidden),
        }
    }
}
