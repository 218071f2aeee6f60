//! Stored rows as tests read them.

use grantor::db::audit_events;
use grantor::db::audit_events::{AuditEvent, AuditFilter};
use grantor::db::clients::Client;
use grantor::db::clients::apps;
use grantor::db::clients::apps::AppSelection;
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::rules::id::OrgId;
use uuid::Uuid;

/// The newest audit events of an organization, oldest first.
pub async fn audit_events(db: &Db, org_id: OrgId, limit: u32) -> Result<Vec<AuditEvent>, DbError> {
    let filter = AuditFilter { org_id: Some(org_id), limit, ..AuditFilter::default() };
    let found = audit_events::search(db, &filter).await?;
    Ok(found.into_iter().rev().map(|found| found.event).collect())
}

/// The audit events that belong to no organization, oldest first.
pub async fn audit_events_of_server(db: &Db) -> Result<Vec<AuditEvent>, DbError> {
    let found =
        audit_events::search(db, &AuditFilter { limit: 1_000, ..AuditFilter::default() }).await?;
    Ok(found
        .into_iter()
        .rev()
        .map(|found| found.event)
        .filter(|event| event.org_id.is_none())
        .collect())
}

/// The registered clients whose name contains a text, most recently seen first.
pub async fn clients(db: &Db, name: &str, limit: u32) -> Result<Vec<Client>, DbError> {
    let found = apps::list(db, OrgId(Uuid::nil()), AppSelection::Registered, name, limit).await?;
    Ok(found.into_iter().map(|app| app.client).collect())
}
