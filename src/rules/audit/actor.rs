//! The actor in a search for audit events.

use crate::client::ClientId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorFilter {
    /// The email address of a user, in lower case as it is stored.
    Email(String),
    /// The actor as it is stored in events.
    Stored(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the actor must be an email address, user:ID or client:ID with a UUID, or one of command_line, server and anonymous"
)]
pub struct ActorFilterError;

impl ActorFilter {
    pub fn parse(text: &str) -> Result<Self, ActorFilterError> {
        if text.contains('@') {
            return Ok(Self::Email(text.trim().to_lowercase()));
        }
        if matches!(text, "command_line" | "server" | "anonymous") {
            return Ok(Self::Stored(text.to_owned()));
        }
        let (kind, id) = text.split_once(':').ok_or(ActorFilterError)?;
        let id = ClientId::parse(id).map_err(|_| ActorFilterError)?;
        if !matches!(kind, "user" | "client") {
            return Err(ActorFilterError);
        }
        Ok(Self::Stored(format!("{kind}:{id}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_a_user_a_client_or_the_server() {
        const ID: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";
        let stored = |text: &str| Ok(ActorFilter::Stored(text.to_owned()));

        let email = ActorFilter::Email("admin@acme.example".to_owned());
        assert_eq!(ActorFilter::parse("Admin@acme.example "), Ok(email));
        for text in
            ["command_line", "server", "anonymous", &format!("user:{ID}"), &format!("client:{ID}")]
        {
            assert_eq!(ActorFilter::parse(text), stored(text), "{text}");
        }
        assert_eq!(
            ActorFilter::parse(&format!("user:{}", ID.to_uppercase())),
            stored(&format!("user:{ID}"))
        );
        for text in ["", "admin", "user:", "user:1", &format!("org:{ID}"), ID] {
            assert_eq!(ActorFilter::parse(text), Err(ActorFilterError), "{text}");
        }
    }
}
