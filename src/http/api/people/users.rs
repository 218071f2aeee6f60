//! `/api/v2/users`: the people of an organization. A person who is invited is listed with the id of
//! the invitation until they accept it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::actions::people::invite::{NewInvitation, invite};
use crate::actions::people::remove::{end_invitation, remove_person};
use crate::actions::people::update::{PersonOf, update_person};
use crate::app::App;
use crate::db::orgs::people;
use crate::db::orgs::people::Person;
use crate::http::api::authorized_resources::counts;
use crate::http::api::people::id::PersonId;
use crate::http::api::people::query::person_filter;
use crate::http::api::people::request::{NewPerson, PersonUpdate};
use crate::http::api::people::resources;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, JsonApi, PeopleInvite, PeopleManage, PeopleRead, Query};
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::permission::{Permission, Role};
use crate::rules::identity::person::may_invite_as;

const HIGHER_ROLE: &str = "inviting a person with a role other than read_only also needs the \
                           permission user_access_manage";

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleRead>,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let filter = person_filter(&query, None)?;
    let found = people::list(&app.context.db, caller.org_id, &filter).await?;
    let data: Vec<Value> =
        found.page.iter().map(|person| resources::person(person, caller.org_id)).collect();
    Ok(Json(json!({"data": data, "meta": counts(found.total, found.filtered)})))
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleInvite>,
    JsonApi(new): JsonApi<NewPerson>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let role = new.role.unwrap_or(Role::ReadOnly);
    if !may_invite_as(role, caller.may(Permission::UserAccessManage)) {
        return Err(ApiError::MayNot(HIGHER_ROLE.into()));
    }
    let NewPerson { email, name, .. } = &new;
    let invitation = NewInvitation { email, name: name.as_deref(), role };
    let made = invite(&app.context, caller.org_id, invitation, &caller.by()).await?;
    let person = find(&app, caller.org_id, UserId(made.id.0)).await?;
    Ok((StatusCode::CREATED, Json(document(&person, caller.org_id))))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleRead>,
    PersonId(id): PersonId,
) -> Result<Json<Value>, ApiError> {
    let person = find(&app, caller.org_id, id).await?;
    Ok(Json(document(&person, caller.org_id)))
}

pub async fn permissions(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleRead>,
    PersonId(id): PersonId,
) -> Result<Json<Value>, ApiError> {
    let person = find(&app, caller.org_id, id).await?;
    Ok(Json(json!({"data": resources::permissions(person.role)})))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleManage>,
    PersonId(id): PersonId,
    JsonApi(update): JsonApi<PersonUpdate>,
) -> Result<Json<Value>, ApiError> {
    update.is_about(id)?;
    let of = PersonOf { org_id: caller.org_id, id };
    let by = caller.by();
    let person = update_person(&app.context, &app.callers, of, update.change, &by).await?;
    Ok(Json(document(&person, caller.org_id)))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleManage>,
    PersonId(id): PersonId,
) -> Result<StatusCode, ApiError> {
    remove_person(&app.context, &app.callers, caller.org_id, id, &caller.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn delete_invitations(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleManage>,
    PersonId(id): PersonId,
) -> Result<StatusCode, ApiError> {
    end_invitation(&app.context, caller.org_id, id, &caller.by()).await?;
    Ok(StatusCode::OK)
}

/// `/api/v2/current_user`: the user of the credentials.
pub async fn current(
    State(app): State<Arc<App>>,
    caller: Caller<PeopleRead>,
) -> Result<Json<Value>, ApiError> {
    let person = find(&app, caller.org_id, caller.user_id()).await?;
    Ok(Json(document(&person, caller.org_id)))
}

async fn find(app: &App, org_id: OrgId, id: UserId) -> Result<Person, ApiError> {
    people::find(&app.context.db, org_id, id).await?.ok_or(ApiError::NoSuchId(id.0))
}

fn document(person: &Person, org_id: OrgId) -> Value {
    json!({"data": resources::person(person, org_id)})
}
