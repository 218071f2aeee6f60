//! Changes an auth method. Members that the change omits stay as they are.

use serde_json::{Map, Value, json};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::auth_method_secret::{open_client_secret, seal_client_secret};
use crate::actions::webhooks::bind_secrets::bind_unbound_of;
use crate::actions::webhooks::create_auth_method::{
    AuthMethodError, name_taken, recorded, subject,
};
use crate::db::engine::transaction::Tx;
use crate::db::orgs;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::db::webhooks::secret_bindings::BoundRow;
use crate::db::webhooks::{auth_methods, secret_bindings};
use crate::rules::id::{AuthMethodId, OrgId};
use crate::rules::secret::Secret;
use crate::rules::webhook::auth_method::AuthMethodChange;
use crate::rules::webhook::client_secret_url::{UrlMissing, may_omit_url};
use crate::rules::webhook::receiver_url;
use crate::sealing::KeyRing;

pub async fn update_auth_method(
    context: &Context,
    org_id: OrgId,
    id: AuthMethodId,
    change: &AuthMethodChange,
    by: &AuditActor,
) -> Result<AuthMethod, AuthMethodError> {
    context
        .transact("auth_method.update", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let before = auth_methods::lock(tx, org_id, id)
                    .await?
                    .ok_or(AuthMethodError::NoSuchMethod)?;
                let mut after = with_change(&before, change);
                if let Some(secret) = &change.client_secret {
                    after.client_secret = seal_client_secret(context, id, org_id, secret);
                    after.secret_origin = receiver_url::origin(&after.access_token_url);
                }
                if after == before {
                    return Ok(before);
                }
                after.modified_at = context.clock.now().max(before.modified_at.plus(1));
                if !name_taken(auth_methods::update(&mut *tx, &after).await)? {
                    return Err(AuthMethodError::NoSuchMethod);
                }
                let changed = Changed { before: &before, after: &after, change };
                bind_secret(context, tx, &changed, by).await?;
                record_change(context, tx, &changed, by).await?;
                Ok(after)
            })
        })
        .await
}

struct Changed<'a> {
    before: &'a AuthMethod,
    after: &'a AuthMethod,
    change: &'a AuthMethodChange,
}

/// Binds a new secret to the user who sent it. Fails if the user must also send the URL that gets
/// the secret.
async fn bind_secret(
    context: &Context,
    tx: &mut Tx,
    changed: &Changed<'_>,
    by: &AuditActor,
) -> Result<(), AuthMethodError> {
    let Changed { before, after, change } = changed;
    let Some(secret) = &change.client_secret else { return Ok(()) };
    bind_unbound_of(tx, &context.ring, after.org_id).await?;
    let binding = secret_bindings::find_for_auth_method(&mut *tx, after.org_id, after.id)
        .await?
        .flatten()
        .unwrap_or_default();
    let user_id = by.actor.user_id();
    let (secret_origin, url_origin) = (&before.secret_origin, &after.secret_origin);
    if change.access_token_url.is_none()
        && !may_omit_url(&binding, user_id, secret_origin, url_origin)
    {
        return Err(UrlMissing.into());
    }
    let is_same = is_same_secret(&context.ring, before, after, secret);
    let binding = binding.given_again(is_same, user_id, context.clock.now());
    secret_bindings::set(&mut *tx, BoundRow::AuthMethod(after.id), &binding).await?;
    Ok(())
}

async fn record_change(
    context: &Context,
    tx: &mut Tx,
    changed: &Changed<'_>,
    by: &AuditActor,
) -> Result<(), AuthMethodError> {
    let (old, mut new) = difference(changed.before, changed.after);
    if changed.change.client_secret.is_some() {
        new["client_secret"] = json!("changed");
    }
    let subject = subject(changed.after);
    let change = Change {
        org_id: changed.after.org_id,
        action: "auth_method.changed",
        subject: &subject,
        before: Some(old),
        after: Some(new),
    };
    audit::record(context, tx, by, change).await?;
    Ok(())
}

/// A stored secret that cannot be opened counts as different. A secret for another server also
/// does, since it returns other access tokens.
fn is_same_secret(
    ring: &KeyRing,
    before: &AuthMethod,
    after: &AuthMethod,
    secret: &Secret,
) -> bool {
    before.secret_origin == after.secret_origin
        && open_client_secret(ring, before).is_ok_and(|stored| stored == *secret)
}

fn with_change(before: &AuthMethod, change: &AuthMethodChange) -> AuthMethod {
    let AuthMethodChange { name, access_token_url, client_id, client_secret: _, audience, scope } =
        change.clone();
    AuthMethod {
        name: name.unwrap_or_else(|| before.name.clone()),
        access_token_url: access_token_url.unwrap_or_else(|| before.access_token_url.clone()),
        client_id: client_id.unwrap_or_else(|| before.client_id.clone()),
        audience: audience.unwrap_or_else(|| before.audience.clone()),
        scope: scope.unwrap_or_else(|| before.scope.clone()),
        ..before.clone()
    }
}

/// Returns the members that differ, before and after.
fn difference(before: &AuthMethod, after: &AuthMethod) -> (Value, Value) {
    let (mut old, mut new) = (recorded(before), recorded(after));
    let equal_members = |one: &Value, other: &Value| -> Vec<String> {
        let members = one.as_object().into_iter().flatten();
        members
            .filter(|(name, value)| other[name.as_str()] == **value)
            .map(|(name, _)| name.clone())
            .collect()
    };
    let unchanged = equal_members(&old, &new);
    for members in [&mut old, &mut new].into_iter().filter_map(Value::as_object_mut) {
        unchanged.iter().for_each(|name| drop(Map::remove(members, name)));
    }
    (old, new)
}
