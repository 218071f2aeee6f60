//! Audit actions that were renamed. Stored events are never altered, and a server of the previous
//! version may still write an old name, so old names are translated when events are read.

/// A name that earlier versions stored.
struct Renamed {
    stored: &'static str,
    /// How the subject of such an event begins. Empty if every event was renamed.
    subject: &'static str,
    current: &'static str,
}

const RENAMED: [Renamed; 3] = [
    Renamed { stored: "user.joined", subject: "", current: "member.joined" },
    Renamed { stored: "key.revoked", subject: "api_key:", current: "api_key.revoked" },
    Renamed {
        stored: "key.revoked",
        subject: "application_key:",
        current: "application_key.revoked",
    },
];

/// The name under which the events of an action may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredAction<'a> {
    pub name: &'a str,
    /// Only events whose subject begins with this text have the action.
    pub subject: &'a str,
}

impl<'a> StoredAction<'a> {
    /// All events with a name.
    pub const fn named(name: &'a str) -> Self {
        Self { name, subject: "" }
    }
}

/// The current name of the action of a stored event.
pub fn current_name<'a>(stored: &'a str, subject: &str) -> &'a str {
    let is_this = |old: &&Renamed| old.stored == stored && subject.starts_with(old.subject);
    RENAMED.iter().find(is_this).map_or(stored, |renamed| renamed.current)
}

/// All names under which an action may be stored. A search by name must look for each of them.
pub fn stored_names(current: &str) -> Vec<StoredAction<'_>> {
    let old = RENAMED.iter().filter(|renamed| renamed.current == current);
    let old = old.map(|old| StoredAction { name: old.stored, subject: old.subject });
    std::iter::once(StoredAction::named(current)).chain(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_is_shown_as_the_current_one() {
        let cases = [
            ("user.joined", "user:1", "member.joined"),
            ("user.disabled", "user:1", "user.disabled"),
            ("key.revoked", "api_key:1", "api_key.revoked"),
            ("key.revoked", "application_key:1", "application_key.revoked"),
            // No version wrote such an event.
            ("key.revoked", "user:1", "key.revoked"),
            // Its one event is about two keys.
            ("keys.created", "user:1", "keys.created"),
            ("api_key.revoked", "api_key:1", "api_key.revoked"),
        ];
        for (stored, subject, current) in cases {
            assert_eq!(current_name(stored, subject), current, "{stored} {subject}");
        }
    }

    #[test]
    fn a_search_finds_an_action_under_its_old_name() {
        let old = |name, subject| StoredAction { name, subject };
        let cases = [
            ("member.joined", Some(old("user.joined", ""))),
            ("api_key.revoked", Some(old("key.revoked", "api_key:"))),
            ("application_key.revoked", Some(old("key.revoked", "application_key:"))),
            ("user.disabled", None),
        ];
        for (current, expected) in cases {
            let names = stored_names(current);
            assert_eq!(names.first(), Some(&StoredAction::named(current)));
            assert_eq!(names.get(1).copied(), expected, "{current}");
            for stored in names.iter().filter(|stored| !stored.subject.is_empty()) {
                assert_eq!(current_name(stored.name, &format!("{}1", stored.subject)), current);
            }
        }
    }
}
