//! A person joins an organisation: one who is new to this server, or one whom another organisation knows already.

use serde_json::json;

use super::audit::{self, Change};
use super::{By, Context};
use crate::db::{DbError, Tx, memberships, users};
use crate::oauth::permission::Role;
use crate::oauth::{OrgId, UserId};
use crate::secret::{PasswordError, Secret, hash_password};

#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: UserId,
    pub email: String,
    /// The password, where it was made here: shown once.
    pub password: Option<Secret>,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    #[error("\"{0}\" is not an e-mail address: it needs one @ with something on both sides, and no spaces")]
    Email(String),
    #[error("a password needs 8 to 1024 characters")]
    PasswordLength,
    #[error("{0} belongs to this organisation already")]
    Exists(String),
    #[error("{0} is known to this server already and keeps their password: leave the password out")]
    HasPassword(String),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub async fn create_user(
    context: &Context,
    org_id: OrgId,
    email: &str,
    role: Role,
    password: Option<Secret>,
    by: &By,
) -> Result<NewUser, CreateUserError> {
    let mut tx = context.db.begin().await?;
    let user = create_in(context, &mut tx, org_id, email, role, password, by).await?;
    tx.commit().await?;
    Ok(user)
}

/// As part of a larger whole, such as a bootstrap.
pub(super) async fn create_in(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    email: &str,
    role: Role,
    password: Option<Secret>,
    by: &By,
) -> Result<NewUser, CreateUserError> {
    let email = parse_email(email)?;
    let user = match users::find_by_email(&mut *tx, &email).await? {
        Some(known) if password.is_none() => NewUser { id: known.id, email, password: None },
        Some(_) => return Err(CreateUserError::HasPassword(email)),
        None => insert(context, tx, email, password).await?,
    };
    match memberships::insert(&mut *tx, org_id, user.id, role, context.clock.now()).await {
        Err(DbError::Duplicate) => return Err(CreateUserError::Exists(user.email)),
        outcome => outcome?,
    }
    let subject = format!("user:{}", user.id);
    let after = Some(json!({"email": user.email, "role": role.as_str()}));
    audit::record(context, tx, by, Change { org_id, action: "user.joined", subject: &subject, before: None, after })
        .await?;
    Ok(user)
}

async fn insert(
    context: &Context,
    tx: &mut Tx,
    email: String,
    password: Option<Secret>,
) -> Result<NewUser, CreateUserError> {
    let made = password.is_none().then(|| context.random.password());
    let chosen = made.as_ref().or(password.as_ref());
    let hash = hash_password(parse_password(chosen)?, &context.random)?;
    let id = UserId(context.new_id());
    users::insert(tx, id, &email, &hash, context.clock.now()).await?;
    Ok(NewUser { id, email, password: made })
}

/// One person, however the address is typed.
pub(super) fn parse_email(text: &str) -> Result<String, CreateUserError> {
    let email = text.trim().to_lowercase();
    let refused = || CreateUserError::Email(text.escape_debug().to_string());
    let (name, host) = email.split_once('@').ok_or_else(refused)?;
    let one_word = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    let well_formed = !name.is_empty() && !host.is_empty() && !host.contains('@') && one_word && email.len() <= 254;
    if well_formed { Ok(email) } else { Err(refused()) }
}

pub(super) fn parse_password(password: Option<&Secret>) -> Result<&Secret, CreateUserError> {
    password
        .filter(|password| (8..=1024).contains(&password.expose().chars().count()))
        .ok_or(CreateUserError::PasswordLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_person_however_it_is_typed() {
        assert_eq!(parse_email(" Ada@Example.COM ").expect("is an address"), "ada@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in ["", "ada", "@example.com", "ada@", "a@b@c", "a da@example.com", "ada@exam\nple.com", &long] {
            assert!(parse_email(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_has_8_to_1024_characters() {
        for (length, accepted) in [(7, false), (8, true), (1024, true), (1025, false)] {
            let password = Secret::new("x".repeat(length));
            assert_eq!(parse_password(Some(&password)).is_ok(), accepted, "{length}");
        }
        assert!(parse_password(None).is_err());
    }
}
