//! Sets a new password for a user, chosen or generated. It ends their sessions, and the server
//! forgets their known browsers.

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::RevokedGrants;
use crate::actions::users::create_user::HashedPassword;
use crate::actions::users::disable_user::{UserError, find_user};
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::transaction::Tx;
use crate::db::grants::revocations;
use crate::db::orgs::memberships;
use crate::db::users::{User, known_browsers, sessions};
use crate::db::{grants, users};
use crate::rules::id::{OrgId, SessionId};
use crate::rules::identity::password;
use crate::rules::identity::password::Owner;
use crate::rules::secret::{Digest, Secret};
use crate::rules::webhook::event::RevocationCause;

#[derive(Clone, Debug, Default)]
pub struct NewPassword {
    /// `None`: the server generates one, which the user must replace at the next sign-in.
    pub password: Option<Secret>,
    /// The session in which the user changes the password, if any. It stays valid.
    pub keep: Option<KeptSession>,
    /// Whether all grants of the user are revoked too.
    pub end_grants: bool,
}

/// A session that survives a password change.
#[derive(Clone, Copy, Debug)]
pub struct KeptSession {
    pub session: SessionId,
    /// The cookie by which the browser may be known so far.
    pub browser: Option<Digest>,
    /// The cookie by which the browser is known from now on.
    pub known_browser: Digest,
}

impl NewPassword {
    pub fn chosen(password: Secret) -> Self {
        Self { password: Some(password), ..Self::default() }
    }
}

/// Returns the password if the server generated it. It is shown once.
pub async fn set_password(
    context: &Context,
    email: &str,
    new: NewPassword,
    by: &AuditActor,
) -> Result<Option<Secret>, UserError> {
    let user = find_user(&context.db, email).await?;
    if let Some(chosen) = &new.password {
        check(context, &user, chosen).await?;
    }
    let hashed = HashedPassword::new(context, new.password.clone()).await?;
    let replacement = Replacement { user: &user, hashed: &hashed, new: &new };
    context
        .transact("user.set_password", |tx| Box::pin(replace_in(context, tx, replacement, by)))
        .await?;
    Ok(hashed.generated)
}

/// A password that is about to replace the one of a user.
#[derive(Clone, Copy)]
struct Replacement<'a> {
    user: &'a User,
    hashed: &'a HashedPassword,
    new: &'a NewPassword,
}

async fn replace_in(
    context: &Context,
    tx: &mut Tx,
    replacement: Replacement<'_>,
    by: &AuditActor,
) -> Result<(), UserError> {
    let Replacement { user, hashed, new } = replacement;
    let now = context.clock.now();
    let generated_at = hashed.generated.as_ref().map(|_| now);
    users::update_password_hash(&mut *tx, user.id, &hashed.hash, generated_at).await?;
    let sessions =
        sessions::delete_all(&mut *tx, user.id, new.keep.map(|keep| keep.session)).await?;
    known_browsers::forget_all(tx, user.id).await?;
    if let Some(KeptSession { browser, known_browser, .. }) = new.keep {
        if let Some(before) = browser {
            known_browsers::replace(tx, before, known_browser).await?;
        }
        known_browsers::remember(tx, known_browser, user.id, now).await?;
    }
    let mut ended = Vec::new();
    if new.end_grants {
        let ids = grants::ids::of_user(tx, user.id, None).await?;
        ended = revocations::revoke(tx, &ids, now).await?;
    }
    let revoked = RevokedGrants::of(context, &ended, RevocationCause::PasswordSet, by);
    let subject = format!("user:{}", user.id);
    let of_org = |org_id: OrgId| {
        let grants = ended.iter().filter(|grant| grant.org_id == org_id).count();
        let made_by_server = hashed.generated.is_some();
        let after = json!({"made_by_server": made_by_server, "sessions_ended": sessions, "grants_ended": grants});
        Change {
            org_id,
            action: "user.password_set",
            subject: &subject,
            before: None,
            after: Some(after),
        }
    };
    let mut changes = revoked.changes();
    changes.extend(memberships::list_orgs(&mut *tx, user.id).await?.into_iter().map(of_org));
    record_and_publish(context, tx, by, changes, &revoked.events()).await?;
    Ok(())
}

async fn check(context: &Context, user: &User, chosen: &Secret) -> Result<(), UserError> {
    let orgs = memberships::list_of_user(&context.db, user.id).await?;
    let orgs: Vec<String> = orgs.into_iter().map(|(_, name, _)| name).collect();
    let owner = Owner { email: &user.email, name: user.name.as_deref(), orgs: &orgs };
    Ok(password::check(chosen.expose(), owner)?)
}
