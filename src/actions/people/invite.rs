//! Invites a person to an organization. An account is created only when they accept, so the result
//! does not reveal whether the address already has an account.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::people::{PersonError, open_invitation};
use crate::actions::users::create_user::{parse_email, parse_name};
use crate::db::engine::transaction::Tx;
use crate::db::orgs::invitations::Invitation;
use crate::db::orgs::{invitations, memberships};
use crate::db::{orgs, users};
use crate::rules::id::{InvitationId, OrgId};
use crate::rules::identity::permission::Role;

/// A person to invite.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation<'a> {
    pub email: &'a str,
    /// The name of the account, if the person has none yet.
    pub name: Option<&'a str>,
    pub role: Role,
}

pub async fn invite(
    context: &Context,
    org_id: OrgId,
    new: NewInvitation<'_>,
    by: &AuditActor,
) -> Result<Invitation, PersonError> {
    let invitation = &Invitation {
        id: InvitationId(context.new_id()),
        org_id,
        email: parse_email(new.email).map_err(PersonError::of_email)?,
        name: new.name.map(parse_name).transpose().map_err(PersonError::of_name)?,
        role: new.role,
        link_expires_at: None,
        invited_by: by.actor.user_id(),
        created_at: context.clock.now(),
    };
    context.transact("person.invite", |tx| Box::pin(store(context, tx, invitation, by))).await?;
    Ok(invitation.clone())
}

/// Invites a person, or returns the invitation that is open already.
pub async fn invite_or_find(
    context: &Context,
    org_id: OrgId,
    new: NewInvitation<'_>,
    by: &AuditActor,
) -> Result<Invitation, PersonError> {
    match invite(context, org_id, new, by).await {
        Err(PersonError::IsInvited) => {
            let email = parse_email(new.email).map_err(PersonError::of_email)?;
            let open = invitations::find_by_email(&context.db, org_id, &email).await?;
            open.ok_or(PersonError::IsInvited)
        }
        outcome => outcome,
    }
}

async fn store(
    context: &Context,
    tx: &mut Tx,
    invitation: &Invitation,
    by: &AuditActor,
) -> Result<(), PersonError> {
    let Invitation { id, org_id, email, role, .. } = invitation;
    orgs::lock_for_change(tx, *org_id).await?;
    if let Some(user) = users::find_by_email(&mut *tx, email).await?
        && memberships::find(&mut *tx, *org_id, user.id).await?.is_some()
    {
        return Err(PersonError::IsMember);
    }
    if invitations::find_by_email(&mut *tx, *org_id, email).await?.is_some() {
        return Err(PersonError::IsInvited);
    }
    invitations::insert(tx, invitation).await?;
    let change = Change {
        org_id: *org_id,
        action: "member.invited",
        subject: &open_invitation::subject(*id),
        before: None,
        after: Some(json!({"email": email, "role": role})),
    };
    Ok(audit::record(context, tx, by, change).await?)
}
