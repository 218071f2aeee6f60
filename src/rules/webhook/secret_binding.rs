//! The origins that a stored secret of a webhook may be sent to.
//!
//! A member of an organization can point a webhook to any server. Without a limit, a member who may
//! not read a secret could have it sent to their own server. So a value is sent to an origin only
//! if the same user sent this value and bound this origin: that user knows the value and chose
//! where it goes.
//!
//! * A user who sends a value may bind it to one new origin within a day, and to one more each time
//!   they send it again. Other users may not, because a routine rotation would let them read it.
//! * A different value is sent only to the origins that its sender bound. The origins of other
//!   users stay on record and get nothing. So a user who sends a wrong value to bind their own
//!   server does not get the value that its owner sends next.
//! * An origin on record gets values again if a user who bound it sends one, or if the sender of
//!   the current value saves a webhook at that origin within a day. This does not use up the new
//!   origin.
//! * Sending the current value again takes nothing from other users: each of them also sent it.
//!
//! Earlier releases recorded no users. Their origins keep the current value until a user sends a
//! different one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::timestamp::Timestamp;

/// Seconds after a secret was sent during which it may be bound to one more origin.
const BINDING_WINDOW: i64 = 86_400;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretBinding {
    pub record: Record,
    /// Whether one more origin may be bound, by whom, and until when.
    pub open: Option<Window>,
}

/// Users. `None` is the command line, the server, or an unknown user of a release that recorded
/// none.
pub type Users = BTreeSet<Option<UserId>>;

/// Which users bound and sent a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The users who bound each origin, including origins that do not get the current value.
    pub bound_by: BTreeMap<String, Users>,
    /// The users who sent the current value.
    pub sent_by: Users,
}

impl Record {
    fn of_unknown_users(origins: BTreeSet<String>) -> Self {
        let unknown = Users::from([None]);
        let bound_by = origins.into_iter().map(|origin| (origin, unknown.clone())).collect();
        Self { bound_by, sent_by: unknown }
    }

    /// The origins that get the current value.
    fn origins(&self) -> BTreeSet<String> {
        let allowed = self.bound_by.iter().filter(|(_, users)| !users.is_disjoint(&self.sent_by));
        allowed.map(|(origin, _)| origin.clone()).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub until: Timestamp,
    /// The user who sent the secret, or `None` for the command line or the server.
    pub to: Option<UserId>,
}

impl Window {
    fn opened(now: Timestamp, to: Option<UserId>) -> Self {
        Self { until: now.plus(BINDING_WINDOW), to }
    }

    fn admits(&self, by: Option<UserId>, now: Timestamp) -> bool {
        now < self.until && by == self.to
    }
}

impl SecretBinding {
    /// The binding of a secret that is sent now for the first time.
    pub fn given(by: Option<UserId>, now: Timestamp) -> Self {
        Self::default().given_again(false, by, now)
    }

    /// The binding of a secret that is used at these origins, for which no users are recorded.
    pub fn in_use(origins: BTreeSet<String>) -> Self {
        Self { record: Record::of_unknown_users(origins), open: None }
    }

    /// Restores a stored binding. An earlier release that records no users may run at the same time
    /// and change only the origins or the sender. A record that disagrees with them is outdated and
    /// ignored.
    pub fn stored(origins: BTreeSet<String>, record: Option<Record>, open: Option<Window>) -> Self {
        let sender = open.map(|window| window.to);
        let is_current = |record: &Record| {
            record.origins() == origins && sender.is_none_or(|user| record.sent_by.contains(&user))
        };
        let mut record =
            record.filter(is_current).unwrap_or_else(|| Record::of_unknown_users(origins));
        record.sent_by.extend(sender);
        Self { record, open }
    }

    /// The binding after a user sent the secret again, with the same value or a different one.
    pub fn given_again(mut self, is_same: bool, by: Option<UserId>, now: Timestamp) -> Self {
        if !is_same {
            self.record.sent_by.clear();
        }
        self.record.sent_by.insert(by);
        Self { open: Some(Window::opened(now, by)), ..self }
    }

    /// The origins that get the current value.
    pub fn origins(&self) -> BTreeSet<String> {
        self.record.origins()
    }

    pub fn allows(&self, origin: &str) -> bool {
        let users = self.record.bound_by.get(origin);
        users.is_some_and(|users| !users.is_disjoint(&self.record.sent_by))
    }

    /// The binding after this user saved a webhook at this origin, or `None` if the webhook may not
    /// use the secret.
    pub fn with(mut self, origin: &str, by: Option<UserId>, now: Timestamp) -> Option<Self> {
        if !self.open.is_some_and(|window| window.admits(by, now)) {
            return self.allows(origin).then_some(self);
        }
        let users = self.record.bound_by.entry(origin.to_owned()).or_default();
        let is_new = users.is_empty();
        users.insert(by);
        let open = self.open.filter(|_| !is_new);
        Some(Self { open, ..self })
    }

    /// Why a webhook at this origin may not use the secret.
    pub fn refusal(&self, secret: SecretName, origin: &str) -> NotBound {
        let reach = match self.record.bound_by.contains_key(origin) {
            true => Reach::NoLonger,
            false => Reach::Only(self.origins()),
        };
        NotBound { secret, reach, origin: origin.to_owned() }
    }
}

/// Why a webhook may not use a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{secret} {reach}. To send it to {origin}, {} again and repeat this request within a day", .secret.remedy())]
pub struct NotBound {
    pub secret: SecretName,
    pub reach: Reach,
    pub origin: String,
}

/// Where a secret may be sent instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Only(BTreeSet<String>),
    /// The origin is on record, but its users did not send the current value.
    NoLonger,
}

impl std::fmt::Display for Reach {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Only(origins) if origins.is_empty() => formatter.write_str("may not be sent anywhere yet"),
            Self::Only(origins) => {
                let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
                write!(formatter, "may be sent only to {}", origins.join(", "))
            }
            Self::NoLonger => formatter.write_str(
                "may no longer be sent to this origin, because a user who had not bound it there replaced the secret",
            ),
        }
    }
}

/// The secret as it is named in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretName {
    Variable(String),
    AuthMethod,
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => write!(formatter, "the secret variable {name}"),
            Self::AuthMethod => {
                formatter.write_str("auth_method_id names an auth method whose access tokens")
            }
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const ANN: Option<UserId> = Some(UserId(Uuid::from_u128(1)));
    const BOB: Option<UserId> = Some(UserId(Uuid::from_u128(2)));
    const CAT: Option<UserId> = Some(UserId(Uuid::from_u128(3)));

    const A: &str = "https://a.example";
    const B: &str = "https://b.example";
    const C: &str = "https://c.example";

    /// An action of a user.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Sends(Option<UserId>, &'static str),
        /// Saves a webhook at the origin, which is allowed.
        Saves(Option<UserId>, &'static str),
        /// Saves a webhook at the origin, which is refused.
        Fails(Option<UserId>, &'static str),
    }

    use Step::{Fails, Saves, Sends};

    /// The binding after these steps. The current value is empty at first.
    fn after(start: SecretBinding, steps: &[Step]) -> SecretBinding {
        let (mut binding, mut value) = (start, "");
        for step in steps {
            match *step {
                Sends(user, sent) => {
                    binding = binding.given_again(sent == value, user, NOW);
                    value = sent;
                }
                Saves(user, origin) => {
                    binding = binding
                        .with(origin, user, NOW)
                        .unwrap_or_else(|| panic!("{step:?} of {steps:?}"));
                    assert!(binding.allows(origin), "{step:?} of {steps:?}");
                }
                Fails(user, origin) => {
                    assert_eq!(
                        binding.clone().with(origin, user, NOW),
                        None,
                        "{step:?} of {steps:?}"
                    );
                }
            }
        }
        binding
    }

    fn set(origins: &[&str]) -> BTreeSet<String> {
        origins.iter().map(|origin| (*origin).to_owned()).collect()
    }

    #[test]
    fn an_origin_gets_a_value_only_if_one_user_sent_the_value_and_bound_the_origin() {
        let cases: &[(&[Step], &[&str])] = &[
            (&[], &[]),
            (&[Sends(ANN, "v")], &[]),
            (&[Sends(ANN, "v"), Saves(ANN, A)], &[A]),
            // Bob sends a wrong value and binds a server of his own. Then Ann sends the value again.
            (&[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "w")], &[]),
            (
                &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "w"), Saves(BOB, B), Fails(ANN, A)],
                &[B],
            ),
            (
                &[
                    Sends(ANN, "v"),
                    Saves(ANN, A),
                    Sends(BOB, "w"),
                    Saves(BOB, B),
                    Sends(ANN, "v"),
                    Fails(BOB, B),
                ],
                &[A],
            ),
            (
                &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "w"), Saves(BOB, A), Sends(ANN, "v")],
                &[A],
            ),
            // Each wrong value binds one more server to the wrong values of Bob.
            (&[Sends(BOB, "w"), Saves(BOB, B), Sends(BOB, "x"), Saves(BOB, C)], &[B, C]),
            (
                &[Sends(BOB, "w"), Saves(BOB, B), Sends(BOB, "x"), Saves(BOB, C), Sends(ANN, "v")],
                &[],
            ),
            // Bob creates the secret with a placeholder before Ann sends the value.
            (&[Sends(BOB, "todo"), Saves(BOB, B), Sends(ANN, "v"), Saves(ANN, A)], &[A]),
            // A user who knows the value loses nothing when another user sends it again.
            (&[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "v"), Saves(BOB, B)], &[A, B]),
            (
                &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "v"), Saves(BOB, B), Sends(ANN, "v")],
                &[A, B],
            ),
            (
                &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "v"), Saves(BOB, B), Sends(ANN, "v2")],
                &[A],
            ),
            (
                &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "v"), Saves(BOB, B), Sends(CAT, "v2")],
                &[],
            ),
            // Ann replaces her own value.
            (
                &[
                    Sends(ANN, "v"),
                    Saves(ANN, A),
                    Sends(ANN, "v2"),
                    Saves(ANN, B),
                    Sends(ANN, "v3"),
                ],
                &[A, B],
            ),
            // Bob replaces the value of Ann and confirms her origins. Later both may replace it.
            (&[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "v2"), Saves(BOB, A)], &[A]),
            (
                &[
                    Sends(ANN, "v"),
                    Saves(ANN, A),
                    Sends(BOB, "v2"),
                    Saves(BOB, A),
                    Sends(ANN, "v3"),
                ],
                &[A],
            ),
            (
                &[
                    Sends(ANN, "v"),
                    Saves(ANN, A),
                    Sends(BOB, "v2"),
                    Saves(BOB, A),
                    Sends(BOB, "v3"),
                ],
                &[A],
            ),
            // Bob knows the value, and confirms the origins before he replaces it.
            (
                &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "v"), Saves(BOB, A), Sends(BOB, "v2")],
                &[A],
            ),
            // The command line is a separate sender.
            (&[Sends(None, "v"), Saves(None, A), Fails(ANN, B), Sends(ANN, "w")], &[]),
        ];
        for (steps, expected) in cases {
            assert_eq!(
                after(SecretBinding::default(), steps).origins(),
                set(expected),
                "{steps:?}"
            );
        }
    }

    #[test]
    fn a_user_binds_one_new_origin_each_time_they_send_the_secret() {
        let cases: &[&[Step]] = &[
            &[
                Fails(ANN, A),
                Sends(ANN, "v"),
                Saves(ANN, A),
                Saves(BOB, A),
                Fails(ANN, B),
                Fails(BOB, B),
            ],
            &[Sends(ANN, "v"), Saves(ANN, A), Sends(ANN, "v"), Saves(ANN, B), Fails(ANN, C)],
            &[Sends(ANN, "v"), Fails(BOB, A), Fails(None, A)],
            &[Sends(None, "v"), Fails(BOB, A), Saves(None, A)],
            // A use at a bound origin does not use up the new origin.
            &[Sends(ANN, "v"), Saves(ANN, A), Sends(ANN, "v"), Saves(ANN, A), Saves(ANN, B)],
            // Only the last sender binds.
            &[Sends(ANN, "v"), Sends(BOB, "v"), Fails(ANN, A), Saves(BOB, A), Saves(ANN, A)],
            // Confirming the origins of others does not use up the new one.
            &[
                Sends(ANN, "v"),
                Saves(ANN, A),
                Sends(ANN, "v"),
                Saves(ANN, B),
                Sends(BOB, "v2"),
                Fails(ANN, A),
                Saves(BOB, A),
                Saves(BOB, B),
                Saves(BOB, C),
                Fails(BOB, "https://d.example"),
            ],
        ];
        for steps in cases {
            after(SecretBinding::default(), steps);
        }
    }

    #[test]
    fn an_origin_is_compared_as_a_whole() {
        let bound = after(SecretBinding::default(), &[Sends(ANN, "v"), Saves(ANN, A)]);

        for other in [B, "https://a.example:8443", "http://a.example", "https://a.example.evil"] {
            assert!(!bound.allows(other), "{other}");
            assert_eq!(bound.clone().with(other, ANN, NOW), None, "{other}");
        }
    }

    #[test]
    fn an_unused_secret_cannot_be_bound_after_a_day() {
        let given = SecretBinding::given(ANN, NOW);

        assert!(given.clone().with(A, ANN, NOW.plus(BINDING_WINDOW - 1)).is_some());
        assert_eq!(given.with(A, ANN, NOW.plus(BINDING_WINDOW)), None);
        let replaced =
            after(SecretBinding::default(), &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "w")]);
        assert_eq!(replaced.with(A, BOB, NOW.plus(BINDING_WINDOW)), None);
    }

    #[test]
    fn origins_of_unknown_users_keep_the_current_value() {
        let cases: &[(&[Step], &[&str])] = &[
            (&[Saves(ANN, A), Fails(ANN, C)], &[A, B]),
            (&[Sends(ANN, ""), Saves(ANN, C)], &[A, B, C]),
            (&[Sends(ANN, "v2")], &[]),
            (&[Sends(ANN, "v2"), Saves(ANN, A), Fails(BOB, B)], &[A]),
            (&[Sends(ANN, "v2"), Saves(ANN, A), Sends(BOB, "w"), Sends(ANN, "v2")], &[A]),
        ];
        for (steps, expected) in cases {
            assert_eq!(
                after(SecretBinding::in_use(set(&[A, B])), steps).origins(),
                set(expected),
                "{steps:?}"
            );
        }
    }

    #[test]
    fn a_stored_record_that_disagrees_with_its_origins_is_ignored() {
        let binding = after(
            SecretBinding::default(),
            &[Sends(ANN, "v"), Saves(ANN, A), Sends(BOB, "w"), Saves(BOB, B), Sends(ANN, "v")],
        );
        let record = || Some(binding.record.clone());
        let of_bob = Some(Window::opened(NOW, BOB));

        assert_eq!(SecretBinding::stored(set(&[A]), record(), binding.open), binding);
        assert_eq!(
            SecretBinding::stored(set(&[A]), record(), None),
            SecretBinding { open: None, ..binding.clone() }
        );
        // An older release added or removed an origin.
        for origins in [set(&[A, C]), set(&[])] {
            let stored = SecretBinding::stored(origins.clone(), record(), None);
            assert_eq!(stored, SecretBinding::in_use(origins));
        }
        // An older release, before or next to this one, stored a value of Bob.
        for record in [None, record()] {
            let stored = SecretBinding::stored(set(&[A]), record, of_bob);
            assert_eq!((stored.origins(), stored.open), (set(&[A]), of_bob));
            assert_eq!(
                after(stored.clone(), &[Fails(ANN, C), Saves(BOB, C)]).origins(),
                set(&[A, C])
            );
            assert_eq!(after(stored, &[Saves(BOB, C), Sends(BOB, "x")]).origins(), set(&[C]));
        }
    }

    #[test]
    fn the_refusal_says_where_the_secret_may_go_and_what_to_do() {
        let refused = |secret, steps: &[Step]| {
            after(SecretBinding::default(), steps).refusal(secret, B).to_string()
        };
        let key = || SecretName::Variable("KEY".to_owned());
        let at_a_and_c = [Sends(ANN, "v"), Saves(ANN, A), Sends(ANN, "v"), Saves(ANN, C)];

        assert_eq!(
            refused(key(), &at_a_and_c),
            "the secret variable KEY may be sent only to https://a.example, https://c.example. To send it to \
             https://b.example, send the value of KEY again and repeat this request within a day"
        );
        assert_eq!(
            refused(SecretName::AuthMethod, &[]),
            "auth_method_id names an auth method whose access tokens may not be sent anywhere yet. To send it to \
             https://b.example, send the client_secret of the auth method again and repeat this request within a day"
        );
        assert_eq!(
            refused(key(), &[Sends(ANN, "v"), Saves(ANN, B), Sends(BOB, "w")]),
            "the secret variable KEY may no longer be sent to this origin, because a user who had not bound it there \
             replaced the secret. To send it to https://b.example, send the value of KEY again and repeat this request \
             within a day"
        );
    }
}
