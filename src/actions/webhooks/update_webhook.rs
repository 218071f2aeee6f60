//! Changes a webhook, or rotates its signing secret.

use serde_json::{Value, json};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::bind_secrets::bind_secrets;
use crate::actions::webhooks::create_webhook::{check_auth_method, recorded, with_bound};
use crate::actions::webhooks::find_webhook::{DecryptedWebhook, WebhookError};
use crate::actions::webhooks::secrets::{WebhookSecrets, new_signing_secret};
use crate::db::webhooks::Webhook;
use crate::db::{orgs, webhooks};
use crate::rules::id::OrgId;
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::{PREVIOUS_SECRET_LIFETIME, WebhookChange, check_together};

/// Members that the change omits stay as they are. Returns a signing secret only if a new one was
/// requested.
pub async fn update_webhook(
    context: &Context,
    org_id: OrgId,
    name: &str,
    change: &WebhookChange,
    by: &AuditActor,
) -> Result<DecryptedWebhook, WebhookError> {
    context
        .transact("webhook.update", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let before =
                    webhooks::lock(tx, org_id, name).await?.ok_or(WebhookError::NoSuchWebhook)?;
                let mut secrets = WebhookSecrets::open(&context.ring, &before)?;
                let headers_before = secrets.custom_headers.clone();
                let signing_secret = change_secrets(context, &mut secrets, change);
                let mut after = merged(&before, change);
                check_together(secrets.custom_headers.as_ref(), after.auth_method_id.is_some())?;
                if after.auth_method_id != before.auth_method_id {
                    check_auth_method(tx, org_id, after.auth_method_id).await?;
                }
                let has_new_headers = secrets.custom_headers != headers_before;
                let replaced = replaced(&before, &after, has_new_headers, signing_secret.is_some());
                let bound =
                    bind_secrets(context, tx, &after, secrets.custom_headers.as_ref(), by).await?;
                if after == before && replaced.is_empty() && bound.is_empty() {
                    return Ok(DecryptedWebhook {
                        webhook: before,
                        custom_headers: headers_before,
                        signing_secret,
                    });
                }
                seal_again(context, &secrets, &mut after);
                if !webhooks::update(&mut *tx, &after).await.map_err(WebhookError::of_row)? {
                    return Err(WebhookError::NoSuchWebhook);
                }
                let subject = format!("webhook:{}", after.id);
                let change = Change {
                    org_id,
                    action: "webhook.changed",
                    subject: &subject,
                    before: Some(recorded(&before)),
                    after: Some(with_bound(with_replaced(recorded(&after), &replaced), &bound)),
                };
                audit::record(context, tx, by, change).await?;
                Ok(DecryptedWebhook {
                    webhook: after,
                    custom_headers: secrets.custom_headers,
                    signing_secret,
                })
            })
        })
        .await
}

/// Returns the new signing secret if one was requested. Only the last former secret is kept, for as
/// long as it signs.
fn change_secrets(
    context: &Context,
    secrets: &mut WebhookSecrets,
    change: &WebhookChange,
) -> Option<Secret> {
    let now = context.clock.now();
    if let Some(custom_headers) = &change.custom_headers {
        secrets.custom_headers.clone_from(custom_headers);
    }
    secrets.former = secrets.former.take().filter(|(_, until)| now < *until);
    if !change.rotate_signing_secret {
        return None;
    }
    let signing = new_signing_secret(&context.random);
    let former = std::mem::replace(&mut secrets.signing, signing.clone());
    secrets.former = Some((former, now.plus(PREVIOUS_SECRET_LIFETIME)));
    Some(signing)
}

/// Merges everything except the sealed columns.
fn merged(before: &Webhook, change: &WebhookChange) -> Webhook {
    Webhook {
        name: change.name.clone().unwrap_or_else(|| before.name.clone()),
        url: change.url.clone().unwrap_or_else(|| before.url.clone()),
        encode_as: change.encode_as.unwrap_or(before.encode_as),
        payload: change.payload.clone().unwrap_or_else(|| before.payload.clone()),
        auth_method_id: change.auth_method_id.unwrap_or(before.auth_method_id),
        event_kinds: change.event_kinds.clone().unwrap_or_else(|| before.event_kinds.clone()),
        ..before.clone()
    }
}

/// Seals all secrets under the newest key, since one column names the key of all of them.
fn seal_again(context: &Context, secrets: &WebhookSecrets, webhook: &mut Webhook) {
    let sealed = secrets.seal(context, webhook.id, webhook.org_id);
    webhook.custom_headers = sealed.custom_headers;
    webhook.signing_secret = sealed.signing;
    webhook.former_secret = sealed.former;
    webhook.key_id = sealed.key_id;
    webhook.modified_at = later(webhook.modified_at, context.clock.now());
}

/// The time of the last change never goes back, even if the clock stepped back. Caches compare it.
fn later(before: Timestamp, now: Timestamp) -> Timestamp {
    before.max(now)
}

/// Returns the members whose values the audit trail omits, and what happened to each.
fn replaced(
    before: &Webhook,
    after: &Webhook,
    headers: bool,
    secret: bool,
) -> Vec<(&'static str, &'static str)> {
    let changes = [
        (before.url != after.url, ("url", "changed")),
        (before.payload != after.payload, ("payload", "changed")),
        (headers, ("custom_headers", "changed")),
        (secret, ("signing_secret", "rotated")),
    ];
    changes.into_iter().filter_map(|(happened, what)| happened.then_some(what)).collect()
}

fn with_replaced(mut recorded: Value, replaced: &[(&str, &str)]) -> Value {
    for (member, what) in replaced {
        recorded[*member] = json!(what);
    }
    recorded
}
