//! The origins that a stored secret of a webhook may be sent to.
//!
//! An operator can point a webhook anywhere. Without a bound, one who may not read a secret could have it sent to a server of
//! their own. So a user who sends a secret may bind it to one origin, and to one more each time they send it again: they know
//! it already. Other users may not, since a routine rotation would let them read it.

use std::collections::BTreeSet;

use super::{Timestamp, UserId};

/// How long after it was given a secret may be bound to one more origin, in seconds.
pub const OPEN_FOR: i64 = 86_400;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretBinding {
    pub origins: BTreeSet<String>,
    /// If one more origin may be bound.
    pub open: Option<Window>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub until: Timestamp,
    /// The user who gave the secret. `None`: the command line or the server.
    pub to: Option<UserId>,
}

impl Window {
    fn opened(now: Timestamp, to: Option<UserId>) -> Self {
        Self { until: now.plus(OPEN_FOR), to }
    }

    fn admits(&self, by: Option<UserId>, now: Timestamp) -> bool {
        now < self.until && by == self.to
    }
}

impl SecretBinding {
    /// Of a secret that was given now, for the first time.
    pub fn given(by: Option<UserId>, now: Timestamp) -> Self {
        Self::default().given_again(by, now)
    }

    /// After the secret was given again.
    pub fn given_again(self, by: Option<UserId>, now: Timestamp) -> Self {
        Self { open: Some(Window::opened(now, by)), ..self }
    }

    pub fn allows(&self, origin: &str) -> bool {
        self.origins.contains(origin)
    }

    /// With this origin among the bound ones, if this user may bind it now.
    pub fn with(mut self, origin: &str, by: Option<UserId>, now: Timestamp) -> Option<Self> {
        if self.allows(origin) {
            return Some(self);
        }
        self.open.filter(|window| window.admits(by, now))?;
        self.origins.insert(origin.to_owned());
        Some(Self { open: None, ..self })
    }
}

/// Why a webhook may not use a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{secret} {}. To send it to {origin}, {} again and repeat this request within a day",
    bound_to(.origins),
    .secret.remedy()
)]
pub struct NotBound {
    pub secret: SecretName,
    pub origins: BTreeSet<String>,
    pub origin: String,
}

/// As operators know the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretName {
    Variable(String),
    AuthMethod,
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => write!(formatter, "the secret variable {name}"),
            Self::AuthMethod => formatter.write_str("auth_method_id names an auth method whose access tokens"),
        }
    }
}

impl SecretName {
    fn remedy(&self) -> String {
        match self {
            Self::Variable(name) => format!("send the value of {name}"),
            Self::AuthMethod => "send the client_secret of the auth method".to_owned(),
        }
    }
}

fn bound_to(origins: &BTreeSet<String>) -> String {
    if origins.is_empty() {
        return "may not be sent anywhere yet".to_owned();
    }
    format!("may be sent only to {}", origins.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const ANN: Option<UserId> = Some(UserId(Uuid::from_u128(1)));
    const BOB: Option<UserId> = Some(UserId(Uuid::from_u128(2)));

    fn names(binding: &SecretBinding) -> Vec<&str> {
        binding.origins.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_secret_is_bound_to_the_first_origin_and_to_one_more_each_time_it_is_given_again() {
        let bound = SecretBinding::given(ANN, NOW).with("https://a.example", ANN, NOW).expect("is open");
        assert_eq!((names(&bound), bound.open), (vec!["https://a.example"], None));
        assert_eq!(bound.clone().with("https://a.example", ANN, NOW), Some(bound.clone()));
        for other in ["https://b.example", "https://a.example:8443", "http://a.example", "https://a.example.evil"] {
            assert!(!bound.allows(other));
            assert_eq!(bound.clone().with(other, ANN, NOW), None, "{other}");
        }

        let again = bound.given_again(ANN, NOW).with("https://b.example", ANN, NOW).expect("is open");
        assert_eq!(names(&again), ["https://a.example", "https://b.example"]);
        assert_eq!(again.with("https://c.example", ANN, NOW), None);
    }

    #[test]
    fn a_use_at_a_bound_origin_leaves_the_secret_open() {
        let bound =
            SecretBinding::given(ANN, NOW).with("https://a.example", ANN, NOW).expect("is open").given_again(ANN, NOW);

        let used = bound.with("https://a.example", ANN, NOW).expect("is bound");

        assert!(used.with("https://b.example", ANN, NOW).is_some());
    }

    #[test]
    fn only_the_user_who_gave_a_secret_binds_one_more_origin() {
        let bound = SecretBinding::given(ANN, NOW).with("https://a.example", ANN, NOW).expect("is open");
        let cases = [(ANN, ANN, true), (ANN, BOB, false), (ANN, None, false), (None, None, true), (None, BOB, false)];

        for (giver, user, may) in cases {
            let given = bound.clone().given_again(giver, NOW);
            assert_eq!(given.clone().with("https://b.example", user, NOW).is_some(), may, "{giver:?} {user:?}");
            assert!(given.with("https://a.example", user, NOW).is_some(), "{user:?} may use a bound origin");
        }

        let given_by_both = bound.given_again(ANN, NOW).given_again(BOB, NOW);
        assert_eq!(given_by_both.with("https://b.example", ANN, NOW), None);
    }

    #[test]
    fn a_secret_that_nobody_used_closes_after_a_day() {
        let given = SecretBinding::given(ANN, NOW);

        assert!(given.clone().with("https://a.example", ANN, NOW.plus(OPEN_FOR - 1)).is_some());
        assert_eq!(given.with("https://a.example", ANN, NOW.plus(OPEN_FOR)), None);
        assert_eq!(SecretBinding::default().with("https://a.example", ANN, NOW), None);
    }

    #[test]
    fn the_refusal_says_where_the_secret_may_go_and_what_to_do() {
        let refused = |secret, origins: &[&str]| {
            let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
            NotBound { secret, origins, origin: "https://b.example".to_owned() }.to_string()
        };
        assert_eq!(
            refused(SecretName::Variable("KEY".to_owned()), &["https://a.example", "https://c.example"]),
            "the secret variable KEY may be sent only to https://a.example, https://c.example. To send it to \
             https://b.example, send the value of KEY again and repeat this request within a day"
        );
        assert_eq!(
            refused(SecretName::AuthMethod, &[]),
            "auth_method_id names an auth method whose access tokens may not be sent anywhere yet. To send it to \
             https://b.example, send the client_secret of the auth method again and repeat this request within a day"
        );
    }
}
