//! Helpers to read columns with structured values, so that an error names the column, and to bind
//! a list of ids as one value.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::secret::{Digest, hex};

/// A JSON column as the driver returns it, not parsed yet.
pub type JsonText = Json<Box<RawValue>>;

/// The name of a column, for errors about its value.
#[derive(Clone, Copy)]
pub struct Column {
    pub table: &'static str,
    pub name: &'static str,
}

impl Column {
    pub const fn of(table: &'static str, name: &'static str) -> Self {
        Self { table, name }
    }

    pub fn corrupt(self, cause: impl ToString) -> DbError {
        DbError::corrupt(self.table, self.name, cause)
    }

    pub fn json<T: DeserializeOwned>(self, Json(text): JsonText) -> Result<T, DbError> {
        serde_json::from_str(text.get()).map_err(|cause| self.corrupt(cause))
    }

    pub fn bytes<const N: usize>(self, bytes: &[u8]) -> Result<[u8; N], DbError> {
        bytes.try_into().map_err(|cause| self.corrupt(cause))
    }

    pub fn digest(self, bytes: &[u8]) -> Result<Digest, DbError> {
        self.bytes(bytes).map(Digest::from_bytes)
    }

    /// Parses names separated by spaces, as `string_agg` returns them. NULL, from no rows, is the
    /// empty set.
    pub fn scopes(self, names: Option<&str>) -> Result<ScopeSet, DbError> {
        let names = names.unwrap_or_default().split(' ').filter(|name| !name.is_empty());
        names.map(|name| ScopeToken::parse(name).map_err(|cause| self.corrupt(cause))).collect()
    }
}

/// Encodes ids for `unhex(value)` over `json_each`.
pub fn ids_as_json(ids: impl Iterator<Item = Uuid>) -> String {
    let ids: Vec<String> = ids.map(|id| hex(id.as_bytes())).collect();
    serde_json::Value::from(ids).to_string()
}

/// Converts a count, which is never negative.
pub fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

/// Encodes a value as text, because a list of `jsonb` values cannot be bound.
pub fn json(value: &impl serde::Serialize) -> String {
    serde_json::json!(value).to_string()
}
