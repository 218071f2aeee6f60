//! Finds variables as operators see them. The value of a secret variable is not even opened.

use crate::actions::context::Context;
use crate::actions::webhooks::secrets::open_value;
use crate::db::engine::error::DbError;
use crate::db::webhooks::variables;
use crate::db::webhooks::variables::Variable;
use crate::rules::id::OrgId;
use crate::rules::webhook::variable::VariableMistake;
use crate::sealing::{KeyRing, SealError};
use crate::secret::Secret;

#[derive(Debug, thiserror::Error)]
pub enum VariableError {
    #[error("there is no such variable")]
    NoSuchVariable,
    #[error("another variable has this name")]
    Taken,
    #[error("the organization has reached the limit of variables")]
    TooMany,
    #[error(transparent)]
    Mistake(#[from] VariableMistake),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl VariableError {
    /// Translates a violated constraint of the table.
    pub(in crate::actions) fn of_row(error: DbError) -> Self {
        if matches!(error, DbError::Duplicate) { Self::Taken } else { Self::Db(error) }
    }
}

#[derive(Debug)]
pub struct ShownVariable {
    pub variable: Variable,
    /// `None` if the variable is secret.
    pub value: Option<Secret>,
}

impl ShownVariable {
    pub(in crate::actions) fn of(ring: &KeyRing, variable: Variable) -> Result<Self, VariableError> {
        let value = (!variable.is_secret).then(|| open_value(ring, &variable)).transpose()?;
        Ok(Self { variable, value })
    }
}

pub async fn find_variable(
    context: &Context,
    ring: &KeyRing,
    org_id: OrgId,
    name: &str,
) -> Result<ShownVariable, VariableError> {
    let found = variables::find(&context.db, org_id, name).await?;
    ShownVariable::of(ring, found.ok_or(VariableError::NoSuchVariable)?)
}

/// Returns the variables ordered by name.
pub async fn list_variables(
    context: &Context,
    ring: &KeyRing,
    org_id: OrgId,
) -> Result<Vec<ShownVariable>, VariableError> {
    let variables = variables::list(&context.db, org_id).await?;
    variables.into_iter().map(|variable| ShownVariable::of(ring, variable)).collect()
}
