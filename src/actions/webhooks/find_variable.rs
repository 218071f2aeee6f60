//! Finds variables as API callers see them. The value of a secret variable is not even opened.

use crate::actions::context::Context;
use crate::actions::webhooks::secrets::open_value;
use crate::db::engine::error::DbError;
use crate::db::webhooks::variables;
use crate::db::webhooks::variables::Variable;
use crate::rules::id::OrgId;
use crate::rules::secret::Secret;
use crate::rules::webhook::variable::VariableMistake;
use crate::sealing::{KeyRing, SealError};

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
pub struct DecryptedVariable {
    pub variable: Variable,
    /// `None` if the variable is secret.
    pub value: Option<Secret>,
}

impl DecryptedVariable {
    pub(in crate::actions) fn of(
        ring: &KeyRing,
        variable: Variable,
    ) -> Result<Self, VariableError> {
        let value = (!variable.is_secret).then(|| open_value(ring, &variable)).transpose()?;
        Ok(Self { variable, value })
    }
}

pub async fn find_variable(
    context: &Context,
    org_id: OrgId,
    name: &str,
) -> Result<DecryptedVariable, VariableError> {
    let found = variables::find(&context.db, org_id, name).await?;
    DecryptedVariable::of(&context.ring, found.ok_or(VariableError::NoSuchVariable)?)
}

/// Returns the variables ordered by name.
pub async fn list_variables(
    context: &Context,
    org_id: OrgId,
) -> Result<Vec<DecryptedVariable>, VariableError> {
    let variables = variables::list(&context.db, org_id).await?;
    variables.into_iter().map(|variable| DecryptedVariable::of(&context.ring, variable)).collect()
}
