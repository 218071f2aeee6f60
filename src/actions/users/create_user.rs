//! Adds a person to an organization: a new user, a user of another organization, or a former
//! member.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::users::join::{Joining, join};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::users::User;
use crate::db::{orgs, users};
use crate::passwords::HashError;
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::password;
use crate::rules::identity::password::{Owner, PasswordError};
use crate::rules::identity::permission::Role;
use crate::rules::secret::Secret;

#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: UserId,
    pub email: String,
    /// The password, if the server generated it. It is shown once.
    pub password: Option<Secret>,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    #[error(
        "\"{0}\" is not an email address: it needs exactly one @ with text on both sides, and no \
         spaces"
    )]
    Email(String),
    #[error("a person's name must have 1 to 100 characters and no control characters")]
    Name,
    #[error(transparent)]
    Weak(#[from] PasswordError),
    #[error("{0} is already a member of this organization")]
    Exists(String),
    #[error("{0} already has an account on this server and keeps its password: omit the password")]
    HasPassword(String),
    #[error(transparent)]
    Password(#[from] HashError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The member that a request adds to an organization.
#[derive(Clone, Debug)]
pub struct NewMember<'a> {
    pub email: &'a str,
    /// A person who already has an account on this server keeps their name, if the account has one.
    pub name: Option<&'a str>,
    pub role: Role,
    /// `None`: the server generates one.
    pub password: Option<Secret>,
}

impl<'a> NewMember<'a> {
    pub const fn new(email: &'a str, role: Role) -> Self {
        Self { email, name: None, role, password: None }
    }
}

pub async fn create_user(
    context: &Context,
    org_id: OrgId,
    new: NewMember<'_>,
    by: &AuditActor,
) -> Result<NewUser, CreateUserError> {
    let org_name = orgs::find(&context.db, org_id).await?.map(|org| org.name).unwrap_or_default();
    let newcomer = &prepare(context, new, &org_name).await?;
    context
        .transact("user.create", |tx| {
            Box::pin(create_in(context, tx, org_id, newcomer.clone(), by))
        })
        .await
}

/// A person who may be new to this server. Everything slow, such as hashing, is already done.
#[derive(Clone)]
pub(in crate::actions) struct Newcomer {
    email: String,
    name: Option<String>,
    role: Role,
    password: HashedPassword,
}

/// Runs before the transaction, so that no database connection waits for a password hash.
pub(in crate::actions) async fn prepare(
    context: &Context,
    new: NewMember<'_>,
    org_name: &str,
) -> Result<Newcomer, CreateUserError> {
    let NewMember { email, name, role, password } = new;
    let (email, name) = (parse_email(email)?, name.map(parse_name).transpose()?);
    if let Some(chosen) = &password {
        let owner = Owner { email: &email, name: name.as_deref(), orgs: &[org_name.to_owned()] };
        password::check(chosen.expose(), owner)?;
    }
    let password = HashedPassword::new(context, password).await?;
    Ok(Newcomer { email, name, role, password })
}

/// Creates the user as part of a larger transaction, such as a bootstrap.
pub(in crate::actions) async fn create_in(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    newcomer: Newcomer,
    by: &AuditActor,
) -> Result<NewUser, CreateUserError> {
    let role = newcomer.role;
    let known = users::find_by_email(&mut *tx, &newcomer.email).await?;
    let is_new = known.is_none();
    let user = match known {
        Some(known) if newcomer.password.generated.is_some() => {
            NewUser { id: known.id, email: newcomer.email, password: None }
        }
        Some(_) => return Err(CreateUserError::HasPassword(newcomer.email)),
        None => insert(context, tx, newcomer).await?,
    };
    let joining = Joining { org_id, user_id: user.id, email: &user.email, role, is_new };
    match join(context, tx, joining, by).await? {
        true => Ok(user),
        false => Err(CreateUserError::Exists(user.email)),
    }
}

async fn insert(
    context: &Context,
    tx: &mut Tx,
    newcomer: Newcomer,
) -> Result<NewUser, CreateUserError> {
    let Newcomer { email, name, password, role: _ } = newcomer;
    let (id, now) = (UserId(context.new_id()), context.clock.now());
    // The operator vouches for the address.
    let email_verified_at = Some(now);
    let user = User { id, email, name, created_at: now, disabled_at: None, email_verified_at };
    users::insert(&mut *tx, &user, &password.hash).await?;
    if password.generated.is_some() {
        users::update_password_hash(&mut *tx, id, &password.hash, Some(now)).await?;
    }
    Ok(NewUser { id, email: user.email, password: password.generated })
}

/// The hash of a chosen password, or of one that the server generated.
#[derive(Clone)]
pub(in crate::actions) struct HashedPassword {
    pub generated: Option<Secret>,
    pub hash: String,
}

impl HashedPassword {
    pub async fn new(context: &Context, chosen: Option<Secret>) -> Result<Self, HashError> {
        let generated = chosen.is_none().then(|| context.random.password());
        let password = chosen.or_else(|| generated.clone()).unwrap_or_default();
        let hash = context.passwords.hash(password, &context.random).await?;
        Ok(Self { generated, hash })
    }
}

/// Normalizes the address, so that every spelling of it finds the same person.
pub(in crate::actions) fn parse_email(text: &str) -> Result<String, CreateUserError> {
    let email = text.trim().to_lowercase();
    let refused = || CreateUserError::Email(text.escape_debug().to_string());
    let (name, host) = email.split_once('@').ok_or_else(refused)?;
    let is_one_word = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    let has_both_sides = !name.is_empty() && !host.is_empty() && !host.contains('@');
    let well_formed = has_both_sides && is_one_word && email.len() <= 254;
    if well_formed { Ok(email) } else { Err(refused()) }
}

pub(in crate::actions) fn parse_name(text: &str) -> Result<String, CreateUserError> {
    let name = text.trim();
    let well_formed =
        (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if well_formed { Ok(name.to_owned()) } else { Err(CreateUserError::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_the_same_person() {
        assert_eq!(parse_email(" Ada@Example.COM ").expect("is an address"), "ada@example.com");
    }

    #[test]
    fn text_that_is_not_an_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@b@c",
            "a da@example.com",
            "ada@exam\nple.com",
            &long,
        ] {
            assert!(parse_email(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_one_line_of_at_most_100_characters() {
        let long = "\u{e4}".repeat(101);
        for (text, name) in [
            (" Ada ", Some("Ada")),
            ("Ada L\u{f6}v 李", Some("Ada L\u{f6}v 李")),
            (&long[2..], Some(&long[2..])),
            ("", None),
            (" ", None),
            (&long, None),
            ("Ada\nEve", None),
        ] {
            assert_eq!(parse_name(text).ok().as_deref(), name, "{text:?}");
        }
    }
}
