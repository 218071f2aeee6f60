//! `/api/v2/audit/events`: the audit trail of the caller's organization.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::db::audit_events::AuditEvent;
use crate::db::audit_events::page::{AuditPage, page};
use crate::db::engine::error::DbError;
use crate::db::orgs::memberships;
use crate::http::api::audit_request::{AuditSearch, SearchRequest};
use crate::http::error::ApiError;
use crate::http::extract::{AuditRead, Caller, JsonApi, Query};
use crate::rules::audit::action::{StoredAction, stored_names};
use crate::rules::audit::query::message;
use crate::rules::id::{OrgId, UserId};

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<AuditRead>,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let search = AuditSearch::of_query(&query, app.context.clock.now())?;
    found(&app, caller.org_id, &search).await
}

pub async fn search(
    State(app): State<Arc<App>>,
    caller: Caller<AuditRead>,
    JsonApi(request): JsonApi<SearchRequest>,
) -> Result<Json<Value>, ApiError> {
    let search = request.search(app.context.clock.now())?;
    found(&app, caller.org_id, &search).await
}

async fn found(app: &App, org_id: OrgId, search: &AuditSearch) -> Result<Json<Value>, ApiError> {
    let names = search.query.event_names();
    let actions: Option<Vec<StoredAction<'_>>> =
        names.as_ref().map(|names| names.iter().copied().flat_map(stored_names).collect());
    if actions.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Json(json!({"data": []})));
    }
    let wanted = AuditPage {
        org_id,
        actions: actions.as_deref(),
        user_id: search.query.user_id.as_ref(),
        asset_type: search.query.asset_type.as_ref(),
        asset_id: search.query.asset_id.as_ref(),
        from: search.from,
        to: search.to,
        is_ascending: search.is_ascending,
        after: search.after,
        limit: search.limit.saturating_add(1),
    };
    let mut events = page(&app.context.db, &wanted).await?;
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    let has_more = events.len() > limit;
    events.truncate(limit);
    let emails = Emails::of(app, org_id, &events).await?;
    let data: Vec<Value> = events.iter().map(|event| resource(event, &emails)).collect();
    let mut document = json!({"data": data});
    if let Some(last) = events.last().filter(|_| has_more) {
        let cursor = encode_cursor(last.id);
        let base = app.config.http.public_url.as_str();
        document["links"] = json!({"next": format!("{base}{}", search.next_path(&cursor))});
        document["meta"] = json!({"page": {"after": cursor}});
    }
    Ok(Json(document))
}

/// The addresses of members, and of former ones. The trail also has events of others, such as
/// reviewers, whose addresses are not for this organization.
struct Emails(HashMap<UserId, String>);

impl Emails {
    async fn of(app: &App, org_id: OrgId, events: &[AuditEvent]) -> Result<Self, DbError> {
        let mut ids: Vec<UserId> =
            events.iter().filter_map(|event| user_in(&event.actor)).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = memberships::list_emails(&app.context.db, org_id, &ids).await?;
        Ok(Self(found.into_iter().collect()))
    }
}

/// The user in an actor such as `user:ID application_key:ID`.
fn user_in(actor: &str) -> Option<UserId> {
    let id = actor.strip_prefix("user:")?.split(' ').next()?;
    Uuid::parse_str(id).ok().map(UserId)
}

fn resource(event: &AuditEvent, emails: &Emails) -> Value {
    let first = event.subject.split(' ').next().unwrap_or_default();
    let (kind, id) = first.split_once(':').unwrap_or((first, ""));
    let mut details = json!({
        "evt": {"name": event.action},
        "asset": {"type": kind, "id": id},
        "actor": event.actor,
        "org": {"uuid": event.org_id},
    });
    if let Some(user_id) = user_in(&event.actor) {
        details["usr"] = json!({"id": user_id});
        if let Some(email) = emails.0.get(&user_id) {
            details["usr"]["email"] = json!(email);
        }
    }
    let optional = [("before", &event.before), ("after", &event.after)];
    for (member, value) in optional {
        if let Some(value) = value {
            details[member] = value.clone();
        }
    }
    if let Some(address) = &event.address {
        details["network"] = json!({"client": {"ip": address}});
    }
    if let Some(request_id) = &event.request_id {
        details["http"] = json!({"request_id": request_id});
    }
    json!({
        "id": event.id,
        "type": "audit",
        "attributes": {
            "message": message(&event.action),
            "service": "grantor",
            "tags": [format!("action:{}", event.action)],
            "timestamp": event.at.to_rfc3339(),
            "attributes": details,
        },
    })
}

fn encode_cursor(id: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(id.as_bytes())
}
