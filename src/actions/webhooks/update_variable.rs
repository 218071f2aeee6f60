//! Changes a variable of webhooks.

use std::collections::BTreeSet;

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::bind_secrets::{bind_unbound_of, bind_where_used};
use crate::actions::webhooks::create_variable::recorded;
use crate::actions::webhooks::find_variable::{DecryptedVariable, VariableError};
use crate::actions::webhooks::secrets::{open_value, seal_value};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs;
use crate::db::webhooks::secret_bindings::BoundRow;
use crate::db::webhooks::variables::Variable;
use crate::db::webhooks::{secret_bindings, variables};
use crate::rules::id::OrgId;
use crate::rules::secret::Secret;
use crate::rules::webhook::secret_binding::SecretBinding;
use crate::rules::webhook::variable::VariableChange;

/// Members that the change omits stay as they are.
pub async fn update_variable(
    context: &Context,
    org_id: OrgId,
    name: &str,
    change: &VariableChange,
    by: &AuditActor,
) -> Result<DecryptedVariable, VariableError> {
    context
        .transact("webhook_variable.update", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let before = variables::lock(tx, org_id, name)
                    .await?
                    .ok_or(VariableError::NoSuchVariable)?;
                // This must precede a rename: webhooks that already use the new name must not get the secret.
                bind_unbound_of(tx, &context.ring, org_id).await?;
                let mut after = Variable {
                    name: change.name.clone().unwrap_or_else(|| before.name.clone()),
                    is_secret: change.secrecy_after(before.is_secret)?,
                    ..before.clone()
                };
                if let Some(value) = &change.value {
                    (after.value, after.key_id) = seal_value(context, after.id, org_id, value);
                }
                if after == before {
                    return DecryptedVariable::of(&context.ring, before);
                }
                after.modified_at = before.modified_at.max(context.clock.now());
                if !variables::update(&mut *tx, &after).await.map_err(VariableError::of_row)? {
                    return Err(VariableError::NoSuchVariable);
                }
                bind_again(context, tx, (&before, &after), change.value.as_ref(), by).await?;
                let subject = format!("webhook_variable:{}", after.id);
                let mut recorded_after = recorded(&after);
                if change.value.is_some() {
                    recorded_after["value"] = json!("changed");
                }
                let (action, before) = ("webhook_variable.changed", Some(recorded(&before)));
                let change = Change {
                    org_id,
                    action,
                    subject: &subject,
                    before,
                    after: Some(recorded_after),
                };
                audit::record(context, tx, by, change).await?;
                DecryptedVariable::of(&context.ring, after)
            })
        })
        .await
}

/// A user who sends a secret again may bind it to one more origin.
async fn bind_again(
    context: &Context,
    tx: &mut Tx,
    (before, after): (&Variable, &Variable),
    given: Option<&Secret>,
    by: &AuditActor,
) -> Result<(), DbError> {
    let (row, user_id, now) =
        (BoundRow::Variable(after.id), by.actor.user_id(), context.clock.now());
    match (before.is_secret, after.is_secret, given) {
        // Webhooks that use it were stored before it was secret. They must be stored again to use
        // it.
        (false, true, Some(_)) => {
            secret_bindings::set(tx, row, &SecretBinding::given(user_id, now)).await
        }
        (false, true, None) => bind_where_used(context, tx, after, by).await,
        (true, true, Some(value)) => {
            // A stored value that cannot be opened counts as different.
            let is_same = open_value(&context.ring, before).is_ok_and(|stored| stored == *value);
            let names = BTreeSet::from([after.name.as_str()]);
            let known = secret_bindings::find_for_variables(&mut *tx, after.org_id, &names).await?;
            let binding =
                known.into_values().next().and_then(|(_, binding)| binding).unwrap_or_default();
            secret_bindings::set(tx, row, &binding.given_again(is_same, user_id, now)).await
        }
        _ => Ok(()),
    }
}
