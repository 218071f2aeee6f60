//! Accepts an invitation with its link. A new person chooses a password, and the owner of an account
//! signs in with it first.

use crate::actions::audit::{Actor, AuditActor};
use crate::actions::context::Context;
use crate::actions::users::join::{Joining, join};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs::invitations;
use crate::db::orgs::invitations::Invitation;
use crate::db::users::User;
use crate::db::{orgs, users};
use crate::passwords::HashError;
use crate::rules::id::UserId;
use crate::rules::identity::password;
use crate::rules::identity::password::{Owner, PasswordError};
use crate::rules::secret::{Digest, Secret};

/// An open invitation as its page shows it.
#[derive(Clone, Debug)]
pub struct ShownInvitation {
    pub invitation: Invitation,
    pub org_name: String,
    /// The address of the member who invited the person. `None`: the command line, or a user who
    /// was removed.
    pub invited_by: Option<String>,
    /// Whether the address has an account on this server.
    pub has_account: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The link was used or replaced, it has expired, or the invitation was ended.
    #[error("this invitation link does not work anymore")]
    NoSuchInvitation,
    /// The address has an account, whose owner must sign in.
    #[error("the address has an account: sign in first")]
    HasAccount,
    #[error("the invitation is for another account")]
    OtherAccount,
    #[error(transparent)]
    Weak(#[from] PasswordError),
    #[error(transparent)]
    Password(#[from] HashError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Finds the invitation of a link. This changes nothing.
pub async fn find_invitation(
    context: &Context,
    token: &Secret,
) -> Result<Option<ShownInvitation>, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    let Some(invitation) = invitations::find_by_link(db, token.digest(), now).await? else {
        return Ok(None);
    };
    let inviter = match invitation.invited_by {
        Some(id) => users::find(db, id).await?,
        None => None,
    };
    let org = orgs::find(db, invitation.org_id).await?;
    Ok(Some(ShownInvitation {
        org_name: org.map(|org| org.name).unwrap_or_default(),
        invited_by: inviter.map(|user| user.email),
        has_account: users::find_by_email(db, &invitation.email).await?.is_some(),
        invitation,
    }))
}

/// Creates the account of a new person and makes them a member. A link proves nothing about the
/// address, so it does not count as verified.
pub async fn accept_as_new_user(
    context: &Context,
    token: &Secret,
    chosen: Secret,
    by: &AuditActor,
) -> Result<String, AcceptError> {
    let shown = find_invitation(context, token).await?.ok_or(AcceptError::NoSuchInvitation)?;
    if shown.has_account {
        return Err(AcceptError::HasAccount);
    }
    let Invitation { email, name, .. } = &shown.invitation;
    let orgs = std::slice::from_ref(&shown.org_name);
    password::check(chosen.expose(), Owner { email, name: name.as_deref(), orgs })?;
    // No database connection waits for the hash.
    let hash = &context.passwords.hash(chosen, &context.random).await?;
    let digest = token.digest();
    context
        .transact("invitation.accept_new", |tx| {
            Box::pin(async move {
                let invitation = lock(context, tx, digest).await?;
                let user = User {
                    id: UserId(invitation.id.0),
                    email: invitation.email.clone(),
                    name: invitation.name.clone(),
                    created_at: context.clock.now(),
                    disabled_at: None,
                    email_verified_at: None,
                };
                if users::find_by_email(&mut *tx, &user.email).await?.is_some() {
                    return Err(AcceptError::HasAccount);
                }
                users::insert(&mut *tx, &user, hash).await?;
                become_member(context, tx, &invitation, &user, by).await?;
                Ok(user.email)
            })
        })
        .await
}

/// Makes a signed-in user a member, if the invitation is for their address.
pub async fn accept_as_user(
    context: &Context,
    token: &Secret,
    user: &User,
    by: &AuditActor,
) -> Result<(), AcceptError> {
    let digest = token.digest();
    context
        .transact("invitation.accept", |tx| {
            Box::pin(async move {
                // A user is always locked before an organization.
                users::lock(tx, user.id).await?;
                let invitation = lock(context, tx, digest).await?;
                if invitation.email != user.email {
                    return Err(AcceptError::OtherAccount);
                }
                become_member(context, tx, &invitation, user, by).await
            })
        })
        .await
}

/// Locks the organization, and returns the invitation if it is still open.
async fn lock(context: &Context, tx: &mut Tx, digest: Digest) -> Result<Invitation, AcceptError> {
    let now = context.clock.now();
    let found = invitations::find_by_link(&mut *tx, digest, now).await?;
    let found = found.ok_or(AcceptError::NoSuchInvitation)?;
    orgs::lock_for_change(tx, found.org_id).await?;
    let found = invitations::find_by_link(tx, digest, now).await?;
    found.ok_or(AcceptError::NoSuchInvitation)
}

async fn become_member(
    context: &Context,
    tx: &mut Tx,
    invitation: &Invitation,
    user: &User,
    by: &AuditActor,
) -> Result<(), AcceptError> {
    if !invitations::accept(tx, invitation.id, context.clock.now()).await? {
        return Err(AcceptError::NoSuchInvitation);
    }
    let is_new = user.id.0 == invitation.id.0;
    let Invitation { org_id, email, role, .. } = invitation;
    let joining = Joining { org_id: *org_id, user_id: user.id, email, role: *role, is_new };
    let by = AuditActor { actor: Actor::User(user.id), ..by.clone() };
    // An older server may have added the person in the meantime. Then nothing else is left to do.
    join(context, tx, joining, &by).await?;
    Ok(())
}
