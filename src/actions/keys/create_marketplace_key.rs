//! Creates the API key that a client has in an organization, with an access token of one of its
//! users. An organization has one such key of a client at most. It ends when the key is deleted,
//! and when the client is disabled or deleted, but not when the user revokes the client.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::keys::KeyError;
use crate::actions::keys::create_api_key::{CreatedApiKey, WantedApiKey, create_in};
use crate::db::engine::error::DbError;
use crate::db::families;
use crate::db::orgs::org_clients;
use crate::rules::client::ClientId;
use crate::rules::id::{FamilyId, OrgId};
use crate::rules::identity::key_name::KeyName;

/// The client, and the organization and the family of its access token.
#[derive(Clone, Copy, Debug)]
pub struct KeyRequester {
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub family_id: FamilyId,
}

pub async fn create_marketplace_key(
    context: &Context,
    requester: KeyRequester,
    by: &AuditActor,
) -> Result<CreatedApiKey, KeyError> {
    let KeyRequester { org_id, client_id, family_id } = requester;
    let name = &KeyName::of_client_key();
    context
        .transact("api_key.create_for_client", |tx| {
            Box::pin(async move {
                // Disabling or deleting the client takes this lock too, and revokes the token. So
                // it either revokes the new key or is visible here.
                org_clients::lock(tx, org_id, client_id, context.clock.now()).await?;
                if !families::is_live(&mut *tx, family_id).await? {
                    return Err(KeyError::AccessEnded);
                }
                let wanted = WantedApiKey { org_id, name, client_id: Some(client_id) };
                match create_in(context, tx, wanted, by).await {
                    Err(DbError::Duplicate) => Err(KeyError::ClientHasKey),
                    created => Ok(created?),
                }
            })
        })
        .await
}
