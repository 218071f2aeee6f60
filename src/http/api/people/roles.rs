//! `/api/v2/roles`: the three roles, which are the same in every organization, and
//! `/api/v2/permissions`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::actions::people::give_role::{RoleOfPerson, give_role};
use crate::app::App;
use crate::db::orgs::people;
use crate::http::api::authorized_resources::counts;
use crate::http::api::page::Page;
use crate::http::api::people::id::RoleId;
use crate::http::api::people::query::person_filter;
use crate::http::api::people::request::RoleHolder;
use crate::http::api::people::resources;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, JsonApi, PeopleManage, PeopleRead, Query};
use crate::rules::identity::permission::Permission;

const ONE_ROLE: &str = "every member has one role: give another one instead";

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleRead>,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let Page { size, number } = Page::parse(&query)?;
    let wanted = query.get("filter").unwrap_or_default().to_lowercase();
    let found = people::count_by_role(&app.context.db, caller.org_id).await?;
    let total = found.len() as u64;
    let matching: Vec<Value> = found
        .into_iter()
        .filter(|(role, _)| role.as_str().contains(&wanted))
        .map(|(role, users)| resources::role(role, users))
        .collect();
    let meta = counts(total, matching.len() as u64);
    let before = size as usize * number as usize;
    let data: Vec<Value> = matching.into_iter().skip(before).take(size as usize).collect();
    Ok(Json(json!({"data": data, "meta": meta})))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleRead>,
    RoleId(role): RoleId,
) -> Result<Json<Value>, ApiError> {
    let found = people::count_by_role(&app.context.db, caller.org_id).await?;
    let users = found.into_iter().find_map(|(counted, users)| (counted == role).then_some(users));
    Ok(Json(json!({"data": resources::role(role, users.unwrap_or_default())})))
}

pub async fn permissions(
    State(_app): State<Arc<App>>,
    _caller: Caller<PeopleRead>,
    RoleId(role): RoleId,
) -> Json<Value> {
    Json(json!({"data": resources::permissions(role)}))
}

pub async fn users(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleRead>,
    RoleId(role): RoleId,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let filter = person_filter(&query, Some(role))?;
    let found = people::list(&app.context.db, caller.org_id, &filter).await?;
    let data: Vec<Value> =
        found.page.iter().map(|person| resources::person(person, caller.org_id)).collect();
    Ok(Json(json!({"data": data, "meta": counts(found.total, found.filtered)})))
}

/// Replaces the role of a person.
pub async fn give(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleManage>,
    RoleId(role): RoleId,
    JsonApi(RoleHolder(id)): JsonApi<RoleHolder>,
) -> Result<Json<Value>, ApiError> {
    let new = RoleOfPerson { org_id: caller.org_id, id, role };
    let person = give_role(&app.context, &app.callers, new, &caller.by()).await?;
    Ok(Json(json!({"data": [resources::person(&person, caller.org_id)]})))
}

/// Always fails, since nobody can be without a role.
pub async fn take(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleManage>,
    RoleId(role): RoleId,
    JsonApi(RoleHolder(id)): JsonApi<RoleHolder>,
) -> Result<Json<Value>, ApiError> {
    let found = people::find(&app.context.db, caller.org_id, id).await?;
    match found {
        Some(person) if person.role == role => Err(ApiError::bad_member(ONE_ROLE, "/data/id")),
        _ => Err(ApiError::NoSuchId(id.0)),
    }
}

/// `/api/v2/permissions`: the permissions that this server checks.
pub async fn all_permissions(
    State(_app): State<Arc<App>>,
    _caller: Caller<PeopleRead>,
) -> Json<Value> {
    let data: Vec<Value> = Permission::ALL.into_iter().map(resources::permission).collect();
    Json(json!({"data": data}))
}
