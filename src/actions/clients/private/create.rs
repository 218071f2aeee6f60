//! Creates a private client.

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::clients::private::{PrivateClientError, recorded};
use crate::actions::context::Context;
use crate::db::clients::private;
use crate::db::clients::private::PrivateClient;
use crate::db::orgs;
use crate::rules::client::ClientId;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::private_client::NewPrivateClient;
use crate::rules::id::OrgId;
use crate::rules::syntax::web_uri::WebUri;

/// `max` is how many private clients the organization may have.
pub async fn create_private_client(
    context: &Context,
    org_id: OrgId,
    new: NewPrivateClient,
    max: u64,
    by: &AuditActor,
) -> Result<PrivateClient, PrivateClientError> {
    let NewPrivateClient { name, redirect_uris, onboarding_url, description, scopes } = new;
    let now = context.clock.now();
    let client = PrivateClient {
        id: ClientId::from_uuid(context.new_id()),
        org_id,
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
                if private::count_all(&mut *tx, org_id).await? >= max {
                    return Err(PrivateClientError::TooMany(max));
                }
                private::insert(tx, stored).await?;
                let subject = format!("client:{}", stored.id);
                let change = Change {
                    org_id,
                    action: "client.created",
                    subject: &subject,
                    before: None,
                    after: Some(recorded(stored)),
                };
                Ok(audit::record(context, tx, by, change).await?)
            })
        })
        .await?;
    Ok(client)
}
