//! Creates a webhook, which sends the events of an organization to a receiver.

use serde_json::{Value, json};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::bind_secrets::bind_secrets;
use crate::actions::webhooks::find_webhook::{DecryptedWebhook, WebhookError};
use crate::actions::webhooks::secrets::{WebhookSecrets, new_signing_secret};
use crate::db::engine::transaction::Tx;
use crate::db::webhooks::Webhook;
use crate::db::{orgs, webhooks};
use crate::rules::id::{AuthMethodId, OrgId, WebhookId};
use crate::rules::webhook::{MAX_WEBHOOKS, NewWebhook, check_together, receiver_url};

/// Returns the webhook with its signing secret, which cannot be read again.
pub async fn create_webhook(
    context: &Context,
    org_id: OrgId,
    new: &NewWebhook,
    by: &AuditActor,
) -> Result<DecryptedWebhook, WebhookError> {
    check_together(new.custom_headers.as_ref(), new.auth_method_id.is_some())?;
    let secrets = WebhookSecrets {
        custom_headers: new.custom_headers.clone(),
        signing: new_signing_secret(&context.random),
        former: None,
    };
    let webhook = sealed(context, org_id, new, &secrets);
    let stored = &webhook;
    context
        .transact("webhook.create", |tx| {
            Box::pin(async move {
                // The lock makes the count below exact.
                orgs::lock_for_change(tx, org_id).await?;
                check_auth_method(tx, org_id, new.auth_method_id).await?;
                let others = webhooks::count(&mut *tx, org_id).await?;
                let bound =
                    bind_secrets(context, tx, stored, new.custom_headers.as_ref(), by).await?;
                webhooks::insert(&mut *tx, stored).await.map_err(WebhookError::of_row)?;
                if others >= MAX_WEBHOOKS {
                    return Err(WebhookError::TooMany);
                }
                let subject = format!("webhook:{}", stored.id);
                let after = Some(with_bound(recorded(stored), &bound));
                let change = Change {
                    org_id,
                    action: "webhook.created",
                    subject: &subject,
                    before: None,
                    after,
                };
                Ok(audit::record(context, tx, by, change).await?)
            })
        })
        .await?;
    let WebhookSecrets { custom_headers, signing, former: _ } = secrets;
    Ok(DecryptedWebhook { webhook, custom_headers, signing_secret: Some(signing) })
}

fn sealed(context: &Context, org_id: OrgId, new: &NewWebhook, secrets: &WebhookSecrets) -> Webhook {
    let (id, now) = (WebhookId(context.new_id()), context.clock.now());
    let sealed = secrets.seal(context, id, org_id);
    Webhook {
        id,
        org_id,
        name: new.name.clone(),
        url: new.url.clone(),
        encode_as: new.encode_as,
        payload: new.payload.clone(),
        custom_headers: sealed.custom_headers,
        auth_method_id: new.auth_method_id,
        event_kinds: new.event_kinds.clone(),
        signing_secret: sealed.signing,
        former_secret: sealed.former,
        key_id: sealed.key_id,
        created_at: now,
        modified_at: now,
    }
}

/// An auth method of another organization does not count.
pub(in crate::actions) async fn check_auth_method(
    tx: &mut Tx,
    org_id: OrgId,
    id: Option<AuthMethodId>,
) -> Result<(), WebhookError> {
    match id {
        Some(id) if !webhooks::auth_method_exists(tx, org_id, id).await? => {
            Err(WebhookError::NoSuchAuthMethod)
        }
        _ => Ok(()),
    }
}

/// Adds the names of the secrets that were bound to the webhook's origin, if any.
pub(in crate::actions) fn with_bound(mut recorded: Value, bound: &[String]) -> Value {
    if !bound.is_empty() {
        recorded["bound_secrets"] = json!(bound);
    }
    recorded
}

/// The webhook in the audit trail: without headers and payload, and with only the host of the URL,
/// since the path is often the credential.
pub(in crate::actions) fn recorded(webhook: &Webhook) -> Value {
    json!({
        "name": webhook.name,
        "host": receiver_url::host_and_port(&webhook.url),
        "encode_as": webhook.encode_as.name(),
        "auth_method_id": webhook.auth_method_id,
        "events": webhook.event_kinds,
    })
}
