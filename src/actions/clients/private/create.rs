//! Creates a private client.

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{OwnClientChange, record_step};
use crate::actions::clients::private::{PrivateClientError, recorded};
use crate::actions::context::Context;
use crate::db::clients::own;
use crate::db::clients::own::{OwnClient, Pair};
use crate::db::orgs;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::private_client::NewPrivateClient;
use crate::rules::client::state::ClientState;
use crate::rules::id::OrgId;
use crate::rules::syntax::web_uri::WebUri;
use crate::rules::webhook::event::lifecycle::ClientStep;

/// `max` is how many private clients the organization may have.
pub async fn create_private_client(
    context: &Context,
    org_id: OrgId,
    new: NewPrivateClient,
    max: u64,
    by: &AuditActor,
) -> Result<OwnClient, PrivateClientError> {
    let NewPrivateClient { name, redirect_uris, onboarding_url, description, scopes } = new;
    let now = context.clock.now();
    let id = ClientId::from_uuid(context.new_id());
    let client = OwnClient {
        id,
        org_id,
        kind: ClientKind::Private,
        state: ClientState::Private,
        pair: Pair { private: id, published: None, open_version: None },
        published_at: None,
        is_listed: false,
        metadata: ClientMetadata::confidential(name, redirect_uris, scopes),
        onboarding_url: onboarding_url.as_ref().map(WebUri::as_str).map(str::to_owned),
        description,
        revision: 1,
        created_by: by.actor.user_id(),
        created_at: now,
        modified_at: now,
    };
    let stored = &client;
    context
        .transact("private_client.create", |tx| {
            Box::pin(async move {
                // The lock makes the count below exact.
                orgs::lock_for_change(tx, org_id).await?;
                if own::count_private(&mut *tx, org_id).await? >= max {
                    return Err(PrivateClientError::TooMany(max));
                }
                own::insert(tx, stored).await?;
                let change = OwnClientChange {
                    org_id,
                    client_id: stored.id,
                    name: stored.metadata.client_name().as_str(),
                    step: ClientStep::Created,
                    before: None,
                    after: recorded(stored),
                };
                Ok(record_step(context, tx, by, change).await?)
            })
        })
        .await?;
    Ok(client)
}
