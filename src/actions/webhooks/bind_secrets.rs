//! Binds the secrets that a webhook sends, variables and access tokens of auth methods, to the
//! webhook's origin.

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::webhooks::secrets::open_custom_headers;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::webhooks::secret_bindings::BoundRow;
use crate::db::webhooks::variables::Variable;
use crate::db::webhooks::{Webhook, secret_bindings};
use crate::db::{orgs, webhooks};
use crate::rules::id::{AuthMethodId, OrgId, UserId};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::receiver_url;
use crate::rules::webhook::secret_binding::{NotBound, SecretBinding, SecretName};
use crate::rules::webhook::template::{Headers, Payload};
use crate::sealing::KeyRing;

/// Why a webhook cannot be stored.
#[derive(Debug, thiserror::Error)]
pub(in crate::actions) enum BindError {
    #[error(transparent)]
    NotBound(#[from] NotBound),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Binds every secret that the webhook uses to its origin, and returns the names of those that this
/// user had not bound to it before.
///
/// The caller must have locked the organization, and must store the webhook after this call.
/// Otherwise a secret of an older release, which is bound to the origins of the stored webhooks,
/// would be bound to this origin without a check.
pub(in crate::actions) async fn bind_secrets(
    context: &Context,
    tx: &mut Tx,
    webhook: &Webhook,
    custom_headers: Option<&Secret>,
    by: &AuditActor,
) -> Result<Vec<String>, BindError> {
    bind_unbound_of(tx, &context.ring, webhook.org_id).await?;
    let origin = receiver_url::origin(&webhook.url);
    let binder = Binder { origin: &origin, user_id: by.actor.user_id(), now: context.clock.now() };
    let names = names_in(webhook.payload.as_deref(), custom_headers);
    let names = names.iter().map(String::as_str).collect();
    let mut bound = Vec::new();
    for (name, (id, binding)) in
        secret_bindings::find_for_variables(&mut *tx, webhook.org_id, &names).await?
    {
        let secret = SecretName::Variable(name.clone());
        if binder.bind(tx, BoundRow::Variable(id), secret, binding.unwrap_or_default()).await? {
            bound.push(name);
        }
    }
    if let Some(id) = webhook.auth_method_id
        && let Some(binding) =
            secret_bindings::find_for_auth_method(&mut *tx, webhook.org_id, id).await?
    {
        let row = BoundRow::AuthMethod(id);
        if binder.bind(tx, row, SecretName::AuthMethod, binding.unwrap_or_default()).await? {
            bound.push("auth_method".to_owned());
        }
    }
    Ok(bound)
}

/// Binds secrets to an origin for a user.
struct Binder<'a> {
    origin: &'a str,
    user_id: Option<UserId>,
    now: Timestamp,
}

impl Binder<'_> {
    /// Returns false if the user had bound the secret to the origin before.
    async fn bind(
        &self,
        tx: &mut Tx,
        row: BoundRow,
        secret: SecretName,
        binding: SecretBinding,
    ) -> Result<bool, BindError> {
        let after = binding.clone().with(self.origin, self.user_id, self.now);
        let after = after.ok_or_else(|| binding.refusal(secret, self.origin))?;
        if after == binding {
            return Ok(false);
        }
        secret_bindings::set(tx, row, &after).await?;
        Ok(true)
    }
}

/// Binds the secrets of older releases, which had no bindings, to the origins that use them now.
pub async fn bind_unbound_secrets(context: &Context) -> Result<(), DbError> {
    for org_id in secret_bindings::list_unbound_orgs(&context.db).await? {
        context
            .transact("webhook_secrets.bind", |tx| {
                Box::pin(async move {
                    orgs::lock_for_change(tx, org_id).await?;
                    bind_unbound_of(tx, &context.ring, org_id).await
                })
            })
            .await?;
        tracing::info!(%org_id, "webhook secrets were bound to the origins that use them");
    }
    Ok(())
}

/// Binds secrets of an older release. The caller has locked the organization and calls this before
/// it changes a webhook or the name of a variable, since both decide which origins use a secret.
pub(in crate::actions) async fn bind_unbound_of(
    tx: &mut Tx,
    ring: &KeyRing,
    org_id: OrgId,
) -> Result<(), DbError> {
    let unbound = secret_bindings::list_unbound(&mut *tx, org_id).await?;
    if unbound.is_empty() {
        return Ok(());
    }
    let usage = SecretUsage::of_org(tx, ring, org_id).await?;
    for (row, name) in unbound {
        let origins = match row {
            BoundRow::Variable(_) => usage.of_variable(&name),
            BoundRow::AuthMethod(id) => usage.of_auth_method(id),
        };
        secret_bindings::set(&mut *tx, row, &SecretBinding::in_use(origins)).await?;
    }
    Ok(())
}

/// Binds a variable that every API caller could read and that becomes secret. It stays usable by the
/// webhooks that use it. If no webhook uses it, it is treated as if it were provided now.
pub(in crate::actions) async fn bind_where_used(
    context: &Context,
    tx: &mut Tx,
    variable: &Variable,
    by: &AuditActor,
) -> Result<(), DbError> {
    let origins =
        SecretUsage::of_org(tx, &context.ring, variable.org_id).await?.of_variable(&variable.name);
    let binding = match origins.is_empty() {
        true => SecretBinding::given(by.actor.user_id(), context.clock.now()),
        false => SecretBinding::in_use(origins),
    };
    secret_bindings::set(tx, BoundRow::Variable(variable.id), &binding).await
}

/// The origins to which the webhooks of an organization send each secret.
#[derive(Default)]
struct SecretUsage {
    variables: BTreeMap<String, BTreeSet<String>>,
    auth_methods: Vec<(AuthMethodId, String)>,
}

impl SecretUsage {
    async fn of_org(tx: &mut Tx, ring: &KeyRing, org_id: OrgId) -> Result<Self, DbError> {
        let mut usage = Self::default();
        for webhook in webhooks::list(tx, org_id).await? {
            // Headers that the ring cannot open are not sent either.
            let headers = open_custom_headers(ring, &webhook).ok().flatten();
            let origin = receiver_url::origin(&webhook.url);
            for name in names_in(webhook.payload.as_deref(), headers.as_ref()) {
                usage.variables.entry(name).or_default().insert(origin.clone());
            }
            usage.auth_methods.extend(webhook.auth_method_id.map(|id| (id, origin)));
        }
        Ok(usage)
    }

    fn of_variable(&self, name: &str) -> BTreeSet<String> {
        self.variables.get(name).cloned().unwrap_or_default()
    }

    fn of_auth_method(&self, id: AuthMethodId) -> BTreeSet<String> {
        let used_at = self.auth_methods.iter().filter(|(used, _)| *used == id);
        used_at.map(|(_, origin)| origin.clone()).collect()
    }
}

/// Returns the variables that a webhook uses. A stored template that cannot be parsed is never
/// sent.
fn names_in(payload: Option<&str>, custom_headers: Option<&Secret>) -> BTreeSet<String> {
    let payload = payload.and_then(|text| Payload::parse(text).ok());
    let headers = custom_headers.and_then(|text| Headers::parse(text.expose()).ok());
    let mut names: BTreeSet<&str> = payload.as_ref().map(Payload::names).unwrap_or_default();
    names.extend(headers.iter().flat_map(Headers::names));
    names.into_iter().map(str::to_owned).collect()
}
