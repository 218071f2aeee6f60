//! Changes the name of a person, or disables or enables them in one organization.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::people::{PersonError, open_invitation};
use crate::actions::users::create_user::parse_name;
use crate::actions::users::join::{Joining, join};
use crate::actions::users::membership::MemberName;
use crate::actions::users::remove_member::remove_in;
use crate::db::engine::transaction::Tx;
use crate::db::keys::callers::CallerCache;
use crate::db::orgs::invitations::Invitation;
use crate::db::orgs::people::Person;
use crate::db::orgs::{invitations, memberships, people};
use crate::db::users;
use crate::db::users::User;
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::person::PersonStatus;

/// The members that a request changes. Members that were not sent are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonChange {
    pub name: Option<String>,
    /// Whether the membership ends or is restored. The account is not affected.
    pub disabled: Option<bool>,
}

/// The person to change.
#[derive(Clone, Copy, Debug)]
pub struct PersonOf {
    pub org_id: OrgId,
    pub id: UserId,
}

pub async fn update_person(
    context: &Context,
    callers: &CallerCache,
    person: PersonOf,
    change: PersonChange,
    by: &AuditActor,
) -> Result<Person, PersonError> {
    let name = change.name.as_deref().map(parse_name).transpose();
    let change = &PersonChange { name: name.map_err(PersonError::of_name)?, ..change };
    let updated = context
        .transact("person.update", |tx| Box::pin(update_in(context, tx, person, change, by)))
        .await;
    // This also runs if the outcome is unknown: the membership may have ended.
    callers.clear();
    updated
}

async fn update_in(
    context: &Context,
    tx: &mut Tx,
    person: PersonOf,
    change: &PersonChange,
    by: &AuditActor,
) -> Result<Person, PersonError> {
    let PersonOf { org_id, id } = person;
    if let Some(invitation) = open_invitation::lock(tx, org_id, id).await? {
        return update_invited(context, tx, invitation, change, by).await;
    }
    let no_such_person = PersonError::NoSuchPerson(id);
    let before = people::find(&mut *tx, org_id, id).await?.ok_or(no_such_person)?;
    let mut changes = false;
    if let Some(name) = &change.name {
        changes |= rename(context, tx, &before, name, by).await?;
    }
    if let Some(disabled) = change.disabled {
        changes |= set_disabled(context, tx, person, disabled, by).await?;
    }
    if !changes {
        return Err(PersonError::NothingChanges);
    }
    people::find(tx, org_id, id).await?.ok_or(PersonError::NoSuchPerson(id))
}

async fn update_invited(
    context: &Context,
    tx: &mut Tx,
    before: Invitation,
    change: &PersonChange,
    by: &AuditActor,
) -> Result<Person, PersonError> {
    let (org_id, id) = (before.org_id, UserId(before.id.0));
    let name = change.name.as_ref().filter(|name| before.name.as_ref() != Some(*name));
    let ends = change.disabled == Some(true);
    if name.is_none() && !ends {
        return Err(PersonError::NothingChanges);
    }
    let mut invitation = before.clone();
    if let Some(name) = name {
        invitation.name = Some(name.clone());
        invitations::update(tx, &invitation).await?;
        let change = Change {
            org_id,
            action: "user.changed",
            subject: &open_invitation::subject(before.id),
            before: Some(json!({"name": before.name})),
            after: Some(json!({"name": name})),
        };
        audit::record(context, tx, by, change).await?;
    }
    let found = people::find(&mut *tx, org_id, id).await?;
    let person = found.ok_or(PersonError::NoSuchPerson(id))?;
    if !ends {
        return Ok(person);
    }
    open_invitation::end(context, tx, &invitation, by).await?;
    Ok(Person { status: PersonStatus::Disabled, ..person })
}

/// Returns whether the name of the account changed.
async fn rename(
    context: &Context,
    tx: &mut Tx,
    before: &Person,
    name: &str,
    by: &AuditActor,
) -> Result<bool, PersonError> {
    if by.actor.user_id() != Some(before.id) {
        return Err(PersonError::OthersName);
    }
    if before.name.as_deref() == Some(name) {
        return Ok(false);
    }
    users::update_name(tx, before.id, Some(name), context.clock.now()).await?;
    for org_id in memberships::list_orgs(&mut *tx, before.id).await? {
        let change = Change {
            org_id,
            action: "user.changed",
            subject: &format!("user:{}", before.id),
            before: Some(json!({"name": before.name})),
            after: Some(json!({"name": name})),
        };
        audit::record(context, tx, by, change).await?;
    }
    Ok(true)
}

/// Ends or restores the membership. Returns whether this changed anything.
async fn set_disabled(
    context: &Context,
    tx: &mut Tx,
    person: PersonOf,
    disabled: bool,
    by: &AuditActor,
) -> Result<bool, PersonError> {
    let PersonOf { org_id, id } = person;
    let former_role = memberships::find_ended(&mut *tx, org_id, id).await?;
    let user = users::find(&mut *tx, id).await?.ok_or(PersonError::NoSuchPerson(id))?;
    match (former_role, disabled) {
        (None, true) => {
            let removed = remove_in(context, tx, org_id, MemberName::Id(id), by).await;
            removed.map_err(|error| PersonError::of_member(error, id))?;
            Ok(true)
        }
        (Some(role), false) => {
            let User { email, .. } = &user;
            let joining = Joining { org_id, user_id: id, email, role, is_new: false };
            Ok(join(context, tx, joining, by).await?)
        }
        (None, false) if user.disabled_at.is_some() => Err(PersonError::AccountDisabled),
        (None, false) | (Some(_), true) => Ok(false),
    }
}
