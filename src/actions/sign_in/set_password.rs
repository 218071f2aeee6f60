//! A new password for a person, chosen or made here. It ends their sessions, and no browser is known anymore.

use serde_json::json;

use crate::actions::audit::{By, Change};
use crate::actions::conflict::again_after_conflict;
use crate::actions::context::Context;
use crate::actions::grants::end::Ended;
use crate::actions::users::create_user::{HashedPassword, parse_email};
use crate::actions::users::disable_user::UserError;
use crate::actions::webhooks::announce::record_and_announce;
use crate::db::grants::end;
use crate::db::orgs::memberships;
use crate::db::users::{User, known_browsers, sessions};
use crate::db::{grants, users};
use crate::rules::id::{GrantId, OrgId, SessionId};
use crate::rules::identity::password;
use crate::rules::identity::password::Owner;
use crate::rules::webhook::event::Ending;
use crate::secret::{Digest, Secret};

#[derive(Clone, Debug, Default)]
pub struct NewPassword {
    /// `None`: make one, which the person has to replace at the next sign-in.
    pub password: Option<Secret>,
    /// The browser in which the person asks for it.
    pub keep: Option<Keeping>,
    /// Whether everything that the person authorized ends too.
    pub end_grants: bool,
}

/// A browser whose session goes on.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    pub session: SessionId,
    /// The cookie by which it may be known.
    pub browser: Option<Digest>,
    /// The cookie by which it is known from now on.
    pub known_browser: Digest,
}

impl NewPassword {
    pub fn chosen(password: Secret) -> Self {
        Self { password: Some(password), ..Self::default() }
    }
}

/// Returns the password if it was made here: shown once.
pub async fn set_password(
    context: &Context,
    email: &str,
    new: NewPassword,
    by: &By,
) -> Result<Option<Secret>, UserError> {
    let no_such_user = || UserError::NoSuchUser(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| no_such_user())?;
    let user = users::find_by_email(&context.db, &address).await?.ok_or_else(no_such_user)?;
    if let Some(chosen) = &new.password {
        check(context, &user, chosen).await?;
    }
    let hashed = HashedPassword::new(context, new.password.clone()).await?;
    again_after_conflict(context, || replace(context, &user, &hashed, &new, by)).await?;
    Ok(hashed.made)
}

async fn check(context: &Context, user: &User, chosen: &Secret) -> Result<(), UserError> {
    let orgs = memberships::list_of_user(&context.db, user.id).await?;
    let orgs: Vec<String> = orgs.into_iter().map(|(_, name, _)| name).collect();
    let owner = Owner { email: &user.email, name: user.name.as_deref(), orgs: &orgs };
    Ok(password::check(chosen.expose(), owner)?)
}

async fn replace(
    context: &Context,
    user: &User,
    hashed: &HashedPassword,
    new: &NewPassword,
    by: &By,
) -> Result<(), UserError> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    users::update_password_hash(&mut tx, user.id, &hashed.hash, hashed.made.as_ref().map(|_| now)).await?;
    let sessions = sessions::delete_all(&mut tx, user.id, new.keep.map(|keep| keep.session)).await?;
    known_browsers::forget_all(&mut tx, user.id).await?;
    if let Some(Keeping { browser, known_browser, .. }) = new.keep {
        if let Some(before) = browser {
            known_browsers::replace(&mut tx, before, known_browser).await?;
        }
        known_browsers::remember(&mut tx, known_browser, user.id, now).await?;
    }
    let mut ended = Vec::new();
    if new.end_grants {
        let ids = grants::ids_of_user(&mut tx, user.id).await?;
        let ids: Vec<GrantId> = ids.into_iter().map(|(id, _)| id).collect();
        ended = end::end(&mut tx, &ids, now).await?;
    }
    let told = Ended::of(context, &ended, Ending::PasswordSet, by);
    let subject = format!("user:{}", user.id);
    let of_org = |org_id: OrgId| {
        let grants = ended.iter().filter(|grant| grant.org_id == org_id).count();
        let after =
            json!({"made_by_server": hashed.made.is_some(), "sessions_ended": sessions, "grants_ended": grants});
        Change { org_id, action: "user.password_set", subject: &subject, before: None, after: Some(after) }
    };
    let mut changes = told.changes();
    changes.extend(memberships::list_orgs(&mut tx, user.id).await?.into_iter().map(of_org));
    record_and_announce(context, &mut tx, by, changes, &told.events()).await?;
    Ok(tx.commit().await?)
}
