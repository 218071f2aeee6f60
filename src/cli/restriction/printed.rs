//! Output of `grantor restriction`, as JSON and as sentences.

use serde_json::{Value, json};

use crate::actions::clients::scopes_restriction::Restricted;
use crate::cli::output::effect::{Effect, LAST_TOKENS, Tense, last_token};
use crate::cli::output::{counted, effect, listed, quoted};
use crate::db::clients::apps::App;
use crate::db::orgs::Org;
use crate::rules::scope::scopes_restriction::ScopesRestriction;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

/// A restriction with everything that its output needs.
pub struct Printed<'a> {
    pub org: &'a Org,
    pub app: &'a App,
    pub required: &'a ScopeSet,
}

impl Printed<'_> {
    pub fn json(&self, restriction: Option<&ScopesRestriction>) -> Value {
        json!({
            "client_id": self.app.client.id,
            "required_permission_scopes": (!self.required.is_empty()).then_some(self.required),
            "scopes_restriction": restriction.map(|restriction| json!({
                "oidc_scopes": restriction.oidc_scopes(),
                "permission_scopes": restriction.permission_scopes(),
            })),
        })
    }

    pub fn json_with_effect(
        &self,
        restriction: &ScopesRestriction,
        done: &Restricted,
        dry_run: bool,
    ) -> Value {
        let mut shown = self.json(Some(restriction));
        effect::add_members(&mut shown, done, dry_run);
        shown["scopes_removed_in_use"] = json!(done.affected.scopes);
        shown
    }

    fn name(&self) -> String {
        let client = &self.app.client;
        format!("{} ({})", quoted(client.metadata.client_name().as_str()), client.id)
    }

    pub fn sentences(&self, restriction: Option<&ScopesRestriction>) -> Vec<String> {
        let name = self.name();
        let org = quoted(&self.org.name);
        let allows = match (restriction, &self.org.default_client_scopes) {
            (Some(restriction), _) => {
                let lists = restriction.oidc_scopes().iter().chain(restriction.permission_scopes());
                format!("{org} allows {name} {}.", scopes(lists))
            }
            (None, Some(defaults)) => format!(
                "{org} does not restrict {name}. The default of the organization allows it {}.",
                scopes(defaults.iter())
            ),
            (None, None) => {
                format!("{org} does not restrict {name}. It may get every scope of the catalog.")
            }
        };
        let required = (!self.required.is_empty()).then(|| {
            format!("The server's settings always allow it {}.", scopes(self.required.iter()))
        });
        [allows].into_iter().chain(required).collect()
    }

    pub fn set_sentences(
        &self,
        restriction: &ScopesRestriction,
        done: &Restricted,
        now: Timestamp,
    ) -> Vec<String> {
        let effect = Effect::of(done).sentences(Tense::Past);
        let last_tokens = last_token(done.last_token_ends_at, now, LAST_TOKENS);
        self.sentences(Some(restriction)).into_iter().chain(effect).chain(last_tokens).collect()
    }

    /// Names every scope if `all`, instead of the first few.
    pub fn preview_sentences(
        &self,
        preview: &Restricted,
        all: bool,
        now: Timestamp,
    ) -> Vec<String> {
        let about = format!(
            "Preview for {} in {}. Nothing is stored.",
            self.name(),
            quoted(&self.org.name)
        );
        // One word, so that it is never wrapped.
        let digest = format!("  --if-digest={}", preview.digest);
        let apply = format!("To apply exactly this, run `grantor restriction set` with:\n{digest}");
        let effect = Effect { all, ..Effect::of(preview) }.sentences(Tense::Present);
        let last_tokens = last_token(preview.last_token_ends_at, now, LAST_TOKENS);
        [about].into_iter().chain(effect).chain(last_tokens).chain([apply]).collect()
    }
}

/// Formats scopes as `2 scopes: openid, email`.
fn scopes<'a>(scopes: impl Iterator<Item = &'a ScopeToken>) -> String {
    const MAX_NAMES: usize = 100;
    let names: Vec<&str> = scopes.map(ScopeToken::as_str).collect();
    let count = counted(names.len() as u64, "scope", "scopes");
    if names.is_empty() { count } else { format!("{count}: {}", listed(names, MAX_NAMES)) }
}
