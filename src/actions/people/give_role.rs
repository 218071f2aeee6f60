//! Gives a role to a member or to an invited person. It replaces the previous one.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::people::{PersonError, open_invitation};
use crate::actions::users::membership::MemberName;
use crate::actions::users::set_role::{NewRole, set_role_in};
use crate::db::engine::transaction::Tx;
use crate::db::keys::callers::CallerCache;
use crate::db::orgs::invitations::Invitation;
use crate::db::orgs::people::Person;
use crate::db::orgs::{invitations, people};
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::permission::Role;

/// The new role of a person.
#[derive(Clone, Copy, Debug)]
pub struct RoleOfPerson {
    pub org_id: OrgId,
    pub id: UserId,
    pub role: Role,
}

pub async fn give_role(
    context: &Context,
    callers: &CallerCache,
    new: RoleOfPerson,
    by: &AuditActor,
) -> Result<Person, PersonError> {
    let given =
        context.transact("person.give_role", |tx| Box::pin(give_in(context, tx, new, by))).await;
    // This also runs if the outcome is unknown: the role may have changed.
    callers.clear();
    given
}

async fn give_in(
    context: &Context,
    tx: &mut Tx,
    new: RoleOfPerson,
    by: &AuditActor,
) -> Result<Person, PersonError> {
    let RoleOfPerson { org_id, id, role } = new;
    match open_invitation::lock(tx, org_id, id).await? {
        Some(invitation) if invitation.role == role => {}
        Some(invitation) => change_invitation(context, tx, invitation, role, by).await?,
        None => {
            let new = NewRole { org_id, member: MemberName::Id(id), role };
            let set = set_role_in(context, tx, new, by).await;
            set.map_err(|error| PersonError::of_member(error, id))?;
        }
    }
    people::find(tx, org_id, id).await?.ok_or(PersonError::NoSuchPerson(id))
}

async fn change_invitation(
    context: &Context,
    tx: &mut Tx,
    before: Invitation,
    role: Role,
    by: &AuditActor,
) -> Result<(), PersonError> {
    let change = Change {
        org_id: before.org_id,
        action: "member.role_changed",
        subject: &open_invitation::subject(before.id),
        before: Some(json!({"role": before.role})),
        after: Some(json!({"role": role})),
    };
    invitations::update(tx, &Invitation { role, ..before }).await?;
    Ok(audit::record(context, tx, by, change).await?)
}
