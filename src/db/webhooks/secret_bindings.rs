//! The origins that secrets of webhooks are bound to, in columns of `webhook_variables` and
//! `auth_methods` that only this file reads and writes. A binding of `None` comes from a release
//! that did not bind secrets. `bound_origins` is written for releases that do not know
//! `binding_record`, and read in case such a release wrote it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText};
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::db::webhooks::variables::Variable;
use crate::db::webhooks::{auth_methods, variables};
use crate::rules::id::{AuthMethodId, OrgId, UserId, VariableId};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::secret_binding::{SecretBinding, Window};

/// A row with a secret that can be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundRow {
    Variable(VariableId),
    AuthMethod(AuthMethodId),
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    #[sqlx(flatten)]
    columns: Columns,
}

#[derive(sqlx::FromRow)]
struct Columns {
    bound_origins: Option<JsonText>,
    open_until: Option<i64>,
    open_to: Option<Uuid>,
    binding_record: Option<JsonText>,
}

impl Columns {
    fn binding(self, table: &'static str) -> Result<Option<SecretBinding>, DbError> {
        let origins = self
            .bound_origins
            .map(|origins| Column::of(table, "bound_origins").json(origins))
            .transpose()?;
        let record = self
            .binding_record
            .map(|record| Column::of(table, "binding_record").json(record))
            .transpose()?;
        let to = self.open_to.map(UserId);
        let open =
            self.open_until.map(|until| Window { until: Timestamp::from_seconds(until), to });
        Ok(origins.map(|origins| SecretBinding::stored(origins, record, open)))
    }
}

/// Finds the secret variables with these names and their bindings.
pub async fn find_for_variables(
    db: impl DbHandle,
    org_id: OrgId,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, (VariableId, Option<SecretBinding>)>, DbError> {
    let rows: Vec<Row> = with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
            "SELECT id, name, bound_origins, open_until, open_to, binding_record FROM webhook_variables
                  WHERE org_id = $1 AND is_secret AND name = ANY($2)"
        )
        .bind(org_id.0)
        .bind(names.iter().copied().collect::<Vec<_>>())
        .fetch_all(postgres)
        .await
        },
        |sqlite| {
            sqlx::query_as(
            "SELECT id, name, bound_origins, open_until, open_to, binding_record FROM webhook_variables
                  WHERE org_id = $1 AND is_secret = 1 AND name IN (SELECT value FROM json_each($2))"
        )
        .bind(org_id.0)
        .bind(Json(names))
        .fetch_all(sqlite)
        .await
        }
    )?;
    let read = |row: Row| -> Result<_, DbError> {
        Ok((row.name, (VariableId(row.id), row.columns.binding("webhook_variables")?)))
    };
    rows.into_iter().map(read).collect()
}

/// Lists the variables with these names and their bindings. One statement reads both, because a
/// rename between two statements could combine the value of one variable with the binding of
/// another. A variable that is not secret needs no binding.
pub async fn list_named(
    db: impl DbHandle,
    org_id: OrgId,
    names: &BTreeSet<&str>,
) -> Result<Vec<(Variable, Option<SecretBinding>)>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Named {
        #[sqlx(flatten)]
        variable: variables::Row,
        #[sqlx(flatten)]
        columns: Columns,
    }
    let rows: Vec<Named> = with_conn!(
        db,
        |postgres| sqlx::query_as(
            "SELECT id, org_id, name, is_secret, value_sealed, key_id, created_at, modified_at,
                        bound_origins, open_until, open_to, binding_record
                   FROM webhook_variables WHERE org_id = $1 AND name = ANY($2) ORDER BY name"
        )
        .bind(org_id.0)
        .bind(names.iter().copied().collect::<Vec<_>>())
        .fetch_all(postgres)
        .await,
        |sqlite| sqlx::query_as(
            "SELECT id, org_id, name, is_secret, value_sealed, key_id, created_at, modified_at,
                        bound_origins, open_until, open_to, binding_record
                   FROM webhook_variables
                  WHERE org_id = $1 AND name IN (SELECT value FROM json_each($2)) ORDER BY name"
        )
        .bind(org_id.0)
        .bind(Json(names))
        .fetch_all(sqlite)
        .await
    )?;
    let read = |row: Named| -> Result<_, DbError> {
        Ok((Variable::from(row.variable), row.columns.binding("webhook_variables")?))
    };
    rows.into_iter().map(read).collect()
}

/// Finds the binding of an auth method. The outer `None` means that there is no such auth method.
pub async fn find_for_auth_method(
    db: impl DbHandle,
    org_id: OrgId,
    id: AuthMethodId,
) -> Result<Option<Option<SecretBinding>>, DbError> {
    let row: Option<Columns> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT bound_origins, open_until, open_to, binding_record FROM auth_methods WHERE org_id = $1 AND id = $2"
    )
    .bind(org_id.0)
    .bind(id.0)
    .fetch_optional(conn)
    .await
    })?;
    row.map(|row| row.binding("auth_methods")).transpose()
}

/// Finds an auth method and its binding. One statement reads both, because a change between two
/// statements could combine the client secret of one user with the binding of another.
pub async fn find_auth_method(
    db: impl DbHandle,
    org_id: OrgId,
    id: AuthMethodId,
) -> Result<Option<(AuthMethod, Option<SecretBinding>)>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Found {
        #[sqlx(flatten)]
        method: auth_methods::Row,
        #[sqlx(flatten)]
        columns: Columns,
    }
    let row: Option<Found> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id, secret_origin,
                audience, scope, created_at, modified_at, bound_origins, open_until, open_to, binding_record
           FROM auth_methods WHERE org_id = $1 AND id = $2"
    )
    .bind(org_id.0)
    .bind(id.0)
    .fetch_optional(conn)
    .await
    })?;
    let Some(Found { method, columns }) = row else { return Ok(None) };
    Ok(Some((method.into(), columns.binding("auth_methods")?)))
}

pub async fn set(db: impl DbHandle, row: BoundRow, binding: &SecretBinding) -> Result<(), DbError> {
    let (statement, id) = match row {
        BoundRow::Variable(id) => (
            "UPDATE webhook_variables SET bound_origins = $2, open_until = $3, open_to = $4, binding_record = $5
              WHERE id = $1",
            id.0,
        ),
        BoundRow::AuthMethod(id) => (
            "UPDATE auth_methods SET bound_origins = $2, open_until = $3, open_to = $4, binding_record = $5
              WHERE id = $1",
            id.0,
        ),
    };
    let origins = binding.origins();
    let open = binding.open;
    with_conn!(db, |conn| sqlx::query(statement)
        .bind(id)
        .bind(Json(&origins))
        .bind(open.map(|window| window.until.seconds()))
        .bind(open.and_then(|window| window.to).map(|user| user.0))
        .bind(Json(&binding.record))
        .execute(conn)
        .await
        .map(drop))
}

/// Lists the organizations that have a secret without a binding.
pub async fn list_unbound_orgs(db: &Db) -> Result<Vec<OrgId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(
        db,
        |postgres| sqlx::query_scalar(
            "SELECT org_id FROM webhook_variables WHERE bound_origins IS NULL AND is_secret
                  UNION SELECT org_id FROM auth_methods WHERE bound_origins IS NULL"
        )
        .fetch_all(postgres)
        .await,
        |sqlite| sqlx::query_scalar(
            "SELECT org_id FROM webhook_variables WHERE bound_origins IS NULL AND is_secret = 1
                  UNION SELECT org_id FROM auth_methods WHERE bound_origins IS NULL"
        )
        .fetch_all(sqlite)
        .await
    )?;
    Ok(ids.into_iter().map(OrgId).collect())
}

/// Lists the secret variables and auth methods of an organization that have no binding, with their
/// names.
pub async fn list_unbound(
    db: impl DbHandle,
    org_id: OrgId,
) -> Result<Vec<(BoundRow, String)>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Unbound {
        id: Uuid,
        name: String,
        is_variable: bool,
    }
    let rows: Vec<Unbound> = with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
            "SELECT id, name, TRUE AS is_variable FROM webhook_variables
                  WHERE org_id = $1 AND bound_origins IS NULL AND is_secret
                  UNION ALL SELECT id, name, FALSE FROM auth_methods WHERE org_id = $1 AND bound_origins IS NULL"
        )
        .bind(org_id.0)
        .fetch_all(postgres)
        .await
        },
        |sqlite| {
            sqlx::query_as(
            "SELECT id, name, 1 AS is_variable FROM webhook_variables
                  WHERE org_id = $1 AND bound_origins IS NULL AND is_secret = 1
                  UNION ALL SELECT id, name, 0 FROM auth_methods WHERE org_id = $1 AND bound_origins IS NULL"
        )
        .bind(org_id.0)
        .fetch_all(sqlite)
        .await
        }
    )?;
    let read = |row: Unbound| {
        let bound = if row.is_variable {
            BoundRow::Variable(VariableId(row.id))
        } else {
            BoundRow::AuthMethod(AuthMethodId(row.id))
        };
        (bound, row.name)
    };
    Ok(rows.into_iter().map(read).collect())
}
