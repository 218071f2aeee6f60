//! Ends the membership or the invitation of a person.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::people::{PersonError, open_invitation};
use crate::actions::users::membership::MemberName;
use crate::actions::users::remove_member::remove_in;
use crate::db::keys::callers::CallerCache;
use crate::rules::id::{OrgId, UserId};

pub async fn remove_person(
    context: &Context,
    callers: &CallerCache,
    org_id: OrgId,
    id: UserId,
    by: &AuditActor,
) -> Result<(), PersonError> {
    let removed = context
        .transact("person.remove", |tx| {
            Box::pin(async move {
                if let Some(invitation) = open_invitation::lock(tx, org_id, id).await? {
                    return Ok(open_invitation::end(context, tx, &invitation, by).await?);
                }
                let removed = remove_in(context, tx, org_id, MemberName::Id(id), by).await;
                removed.map(drop).map_err(|error| PersonError::of_member(error, id))
            })
        })
        .await;
    // This also runs if the outcome is unknown: the membership may have ended.
    callers.clear();
    removed
}

/// Ends the invitation of a person who has not accepted it.
pub async fn end_invitation(
    context: &Context,
    org_id: OrgId,
    id: UserId,
    by: &AuditActor,
) -> Result<(), PersonError> {
    context
        .transact("person.end_invitation", |tx| {
            Box::pin(async move {
                let found = open_invitation::lock(tx, org_id, id).await?;
                let invitation = found.ok_or(PersonError::NoSuchPerson(id))?;
                Ok(open_invitation::end(context, tx, &invitation, by).await?)
            })
        })
        .await
}
