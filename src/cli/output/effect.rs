//! Sentences that describe a change of allowed scopes: what it adds, takes away and ends.

use serde_json::{Value, json};

use crate::actions::clients::scopes_restriction::Restricted;
use crate::cli::output::{capitalized, counted, listed};
use crate::db::grants::affected::AffectedGrants;
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::remaining_life::RemainingLife;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    /// For a preview, which stores nothing.
    Present,
    /// For a change that was stored.
    Past,
}

#[derive(Clone, Copy, Debug)]
pub struct Effect<'a> {
    pub added: &'a ScopeSet,
    pub removed: &'a ScopeSet,
    /// The grants that have a removed scope.
    pub affected: &'a AffectedGrants,
    /// The number of these grants that end. The others keep their remaining scopes.
    pub ended: u64,
    /// Names every scope, instead of the first few.
    pub all: bool,
}

/// Maximum number of names in a list of scopes.
const MAX_NAMES: usize = 20;
/// Maximum number of names in a list of scopes that no grant has, because their removal ends
/// nothing.
const MAX_UNUSED_NAMES: usize = 5;

impl Tense {
    const fn of(self, present: &'static str, past: &'static str) -> &'static str {
        match self {
            Self::Present => present,
            Self::Past => past,
        }
    }
}

impl<'a> Effect<'a> {
    pub fn of(done: &'a Restricted) -> Self {
        let Restricted { change, affected, ended, .. } = done;
        Self {
            added: &change.scopes_added,
            removed: &change.scopes_removed,
            affected,
            ended: *ended,
            all: false,
        }
    }
}

impl Effect<'_> {
    pub fn sentences(&self, tense: Tense) -> Vec<String> {
        if self.added.is_empty() && self.removed.is_empty() {
            return vec![tense.of("Changes nothing.", "Changed nothing.").to_owned()];
        }
        let about_grants =
            if self.removed.is_empty() { Vec::new() } else { self.about_grants(tense) };
        [
            self.about_added(tense),
            self.about_removed_in_use(tense),
            self.about_removed_unused(tense),
        ]
        .into_iter()
        .flatten()
        .chain(about_grants)
        .collect()
    }

    fn about_added(&self, tense: Tense) -> Option<String> {
        let verb = tense.of("Adds", "Added");
        (!self.added.is_empty())
            .then(|| format!("{verb} {}.", self.named(self.added, "", MAX_NAMES)))
    }

    fn about_removed_in_use(&self, tense: Tense) -> Option<String> {
        let verb = tense.of("Takes away", "Took away");
        let in_use = &self.affected.scopes;
        (!in_use.is_empty())
            .then(|| format!("{verb} {}.", self.named(in_use, " in use", MAX_NAMES)))
    }

    fn about_removed_unused(&self, tense: Tense) -> Option<String> {
        let verb = tense.of("Takes away", "Took away");
        let unused = self.removed.difference(&self.affected.scopes);
        (!unused.is_empty()).then(|| {
            format!("{verb} {}.", self.named(&unused, " that no grant holds", MAX_UNUSED_NAMES))
        })
    }

    /// Formats scopes as `3 scopes in use: a, b, c`, with at most `max` names.
    fn named(&self, scopes: &ScopeSet, suffix: &str, max: usize) -> String {
        let count = counted(scopes.len() as u64, "scope", "scopes");
        let max = if self.all { scopes.len() } else { max };
        format!("{count}{suffix}: {}", listed(scopes.names(), max))
    }

    fn about_grants(&self, tense: Tense) -> Vec<String> {
        let AffectedGrants { grants, users, people, .. } = self.affected;
        let narrowed = grants.saturating_sub(self.ended);
        let people = match users.saturating_sub(people.len() as u64) {
            0 => listed(people, people.len()),
            more => format!("{} and {more} more", listed(people, people.len())),
        };
        let ends =
            format!("{} {}", tense.of("Ends", "Ended"), counted(self.ended, "grant", "grants"));
        let narrows = format!(
            "{} {}, which {} valid for the other scopes",
            tense.of("narrows", "narrowed"),
            counted(narrowed, "grant", "grants"),
            if narrowed == 1 { "stays" } else { "stay" },
        );
        match (self.ended, narrowed) {
            (0, 0) => vec![format!("{ends}.")],
            (_, 0) => vec![format!("{ends}: {people}.")],
            (0, _) => vec![format!("{}: {people}.", capitalized(&narrows))],
            _ => vec![format!("{ends} and {narrows}: {people}.")],
        }
    }
}

/// Adds the members that describe a change to a JSON object.
pub fn add_members(shown: &mut Value, effect: &Restricted, dry_run: bool) {
    shown["dry_run"] = json!(dry_run);
    shown["scopes_added"] = json!(effect.change.scopes_added);
    shown["scopes_removed"] = json!(effect.change.scopes_removed);
    shown["grants"] = json!(effect.affected.grants);
    shown["grants_ended"] = json!(effect.ended);
    shown["last_token_expires_at"] = json!(effect.last_token_ends_at.map(Timestamp::to_rfc3339));
    shown["users"] = json!(effect.affected.users);
    shown["digest"] = json!(effect.digest);
}

/// The tokens that [`last_token`] warns about after a change of allowed scopes.
pub const LAST_TOKENS: &str = "tokens with the removed scopes";

/// A warning about APIs that do not use introspection. `None` if no token is valid anymore.
pub fn last_token(ends_at: Option<Timestamp>, now: Timestamp, tokens: &str) -> Option<String> {
    let lifetime = match RemainingLife::until(ends_at, now)? {
        RemainingLife::Minutes(minutes) => counted(minutes, "minute", "minutes"),
        RemainingLife::Hours(hours) => counted(hours, "hour", "hours"),
    };
    Some(format!("APIs that only check signatures may accept {tokens} for up to {lifetime}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(
        added: &str,
        removed: &str,
        affected: &AffectedGrants,
        ended: u64,
        tense: Tense,
    ) -> Vec<String> {
        let set = |names: &str| {
            if names.is_empty() {
                ScopeSet::default()
            } else {
                ScopeSet::parse(names).expect("scopes")
            }
        };
        Effect { added: &set(added), removed: &set(removed), affected, ended, all: false }
            .sentences(tense)
    }

    fn held(scopes: &str, grants: u64, users: u64, people: &[&str]) -> AffectedGrants {
        AffectedGrants {
            grants,
            users,
            without_other_scopes: 0,
            scopes: ScopeSet::parse(scopes).expect("scopes"),
            people: people.iter().map(|email| (*email).to_owned()).collect(),
        }
    }

    #[test]
    fn the_sentences_name_what_is_added_taken_away_and_ended() {
        let none = AffectedGrants::default();
        let two = held("b c", 2, 2, &["a@x.example", "b@x.example"]);
        let many = held("b", 12, 12, &["a@x.example"]);

        assert_eq!(sentences("", "", &none, 0, Tense::Present), ["Changes nothing."]);
        assert_eq!(sentences("", "", &none, 0, Tense::Past), ["Changed nothing."]);
        assert_eq!(sentences("a", "", &none, 0, Tense::Present), ["Adds 1 scope: a."]);
        assert_eq!(
            sentences("", "b", &none, 0, Tense::Past),
            ["Took away 1 scope that no grant holds: b.", "Ended no grants."]
        );
        assert_eq!(
            sentences("a", "b c d", &two, 2, Tense::Present),
            [
                "Adds 1 scope: a.",
                "Takes away 2 scopes in use: b, c.",
                "Takes away 1 scope that no grant holds: d.",
                "Ends 2 grants: a@x.example, b@x.example."
            ]
        );
        assert_eq!(
            sentences("", "b", &many, 12, Tense::Past),
            ["Took away 1 scope in use: b.", "Ended 12 grants: a@x.example and 11 more."]
        );
    }

    #[test]
    fn only_the_first_scopes_that_no_grant_holds_are_named_unless_all_are_wanted() {
        let removed = ScopeSet::parse("a b c d e f g").expect("scopes");
        let affected = &AffectedGrants::default();
        let effect = Effect {
            added: &ScopeSet::default(),
            removed: &removed,
            affected,
            ended: 0,
            all: false,
        };

        let (few, all) = (
            effect.sentences(Tense::Present),
            Effect { all: true, ..effect }.sentences(Tense::Present),
        );

        assert_eq!(few[0], "Takes away 7 scopes that no grant holds: a, b, c, d, e and 2 more.");
        assert_eq!(all[0], "Takes away 7 scopes that no grant holds: a, b, c, d, e, f, g.");
    }

    #[test]
    fn the_remaining_life_of_the_last_token_is_mentioned_only_if_there_is_one() {
        let now = Timestamp::from_seconds(0);
        let text =
            |seconds| last_token(Some(Timestamp::from_seconds(seconds)), now, "its last token");

        let expected =
            "APIs that only check signatures may accept its last token for up to 42 minutes.";
        assert_eq!(text(2_520).as_deref(), Some(expected));
        assert!(text(60).is_some_and(|text| text.ends_with("for up to 1 minute.")));
        assert!(text(10_000).is_some_and(|text| text.ends_with("for up to 3 hours.")));
        assert_eq!((text(0), last_token(None, now, "its last token")), (None, None));
    }

    #[test]
    fn narrowed_grants_are_not_counted_as_ended() {
        let two = held("b", 2, 2, &["a@x.example", "b@x.example"]);

        let narrowed = sentences("", "b", &two, 0, Tense::Present).pop();
        let both = sentences("", "b", &two, 1, Tense::Past).pop();

        let people = "a@x.example, b@x.example";
        let expected =
            format!("Narrows 2 grants, which stay valid for the other scopes: {people}.");
        assert_eq!(narrowed, Some(expected));
        let expected = format!(
            "Ended 1 grant and narrowed 1 grant, which stays valid for the other scopes: {people}."
        );
        assert_eq!(both, Some(expected));
    }
}
