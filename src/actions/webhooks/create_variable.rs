//! Creates a variable for the webhooks of an organization.

use serde_json::{Value, json};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::find_variable::{DecryptedVariable, VariableError};
use crate::actions::webhooks::secrets::seal_value;
use crate::db::orgs;
use crate::db::webhooks::secret_bindings::BoundRow;
use crate::db::webhooks::variables::Variable;
use crate::db::webhooks::{secret_bindings, variables};
use crate::rules::id::{OrgId, VariableId};
use crate::rules::webhook::secret_binding::SecretBinding;
use crate::rules::webhook::variable::{MAX_VARIABLES, NewVariable};

pub async fn create_variable(
    context: &Context,
    org_id: OrgId,
    new: &NewVariable,
    by: &AuditActor,
) -> Result<DecryptedVariable, VariableError> {
    let (id, now) = (VariableId(context.new_id()), context.clock.now());
    let (value, key_id) = seal_value(context, id, org_id, &new.value);
    let (name, is_secret) = (new.name.clone(), new.is_secret);
    let variable =
        Variable { id, org_id, name, is_secret, value, key_id, created_at: now, modified_at: now };
    let stored = &variable;
    context
        .transact("webhook_variable.create", |tx| {
            Box::pin(async move {
                // The lock makes the count below exact.
                orgs::lock_for_change(tx, org_id).await?;
                let others = variables::count(&mut *tx, org_id).await?;
                variables::insert(&mut *tx, stored).await.map_err(VariableError::of_row)?;
                if is_secret {
                    let binding = SecretBinding::given(by.actor.user_id(), now);
                    secret_bindings::set(&mut *tx, BoundRow::Variable(id), &binding).await?;
                }
                if others >= MAX_VARIABLES {
                    return Err(VariableError::TooMany);
                }
                let subject = format!("webhook_variable:{id}");
                let after = Some(recorded(stored));
                let change = Change {
                    org_id,
                    action: "webhook_variable.created",
                    subject: &subject,
                    before: None,
                    after,
                };
                Ok(audit::record(context, tx, by, change).await?)
            })
        })
        .await?;
    DecryptedVariable::of(&context.ring, variable)
}

/// The variable in the audit trail, without its value: a value that is not secret now may have been
/// secret before.
pub(in crate::actions) fn recorded(variable: &Variable) -> Value {
    json!({"name": variable.name, "is_secret": variable.is_secret})
}
