//! Creates a variable for the webhooks of an organization.

use serde_json::{Value, json};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::conflict::retry_on_conflict;
use crate::actions::context::Context;
use crate::actions::webhooks::find_variable::{ShownVariable, VariableError};
use crate::actions::webhooks::secrets::seal_value;
use crate::db::orgs;
use crate::db::webhooks::secret_bindings::BoundRow;
use crate::db::webhooks::variables::Variable;
use crate::db::webhooks::{secret_bindings, variables};
use crate::rules::id::{OrgId, VariableId};
use crate::rules::webhook::secret_binding::SecretBinding;
use crate::rules::webhook::variable::{MAX_VARIABLES, NewVariable};
use crate::sealing::KeyRing;

pub async fn create_variable(
    context: &Context,
    ring: &KeyRing,
    org_id: OrgId,
    new: &NewVariable,
    by: &AuditActor,
) -> Result<ShownVariable, VariableError> {
    retry_on_conflict(context, || create(context, ring, org_id, new, by)).await
}

async fn create(
    context: &Context,
    ring: &KeyRing,
    org_id: OrgId,
    new: &NewVariable,
    by: &AuditActor,
) -> Result<ShownVariable, VariableError> {
    let (id, now) = (VariableId(context.new_id()), context.clock.now());
    let (value, key_id) = seal_value(context, ring, (id, org_id), &new.value);
    let (name, is_secret) = (new.name.clone(), new.is_secret);
    let variable = Variable { id, org_id, name, is_secret, value, key_id, created_at: now, modified_at: now };
    let mut tx = context.db.begin().await?;
    // The lock makes the count below exact.
    orgs::lock_for_change(&mut tx, org_id).await?;
    let others = variables::count(&mut tx, org_id).await?;
    variables::insert(&mut tx, &variable).await.map_err(VariableError::of_row)?;
    if is_secret {
        let binding = SecretBinding::given(by.actor.user_id(), now);
        secret_bindings::set(&mut tx, BoundRow::Variable(id), &binding).await?;
    }
    if others >= MAX_VARIABLES {
        return Err(VariableError::TooMany);
    }
    let subject = format!("webhook_variable:{id}");
    let after = Some(recorded(&variable));
    let change = Change { org_id, action: "webhook_variable.created", subject: &subject, before: None, after };
    audit::record(context, &mut tx, by, change).await?;
    tx.commit().await?;
    ShownVariable::of(ring, variable)
}

/// The variable in the audit trail, without its value: a value that is not secret now may have been
/// secret before.
pub(in crate::actions) fn recorded(variable: &Variable) -> Value {
    json!({"name": variable.name, "is_secret": variable.is_secret})
}
