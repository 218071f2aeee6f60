//! Versions of a client that its owner submits for review. A version is a snapshot: later changes
//! of the client do not reach it.

use serde::{Deserialize, Serialize};

use crate::client::metadata::ClientMetadata;
use crate::client::name::ClientName;
use crate::redirect::uri::RedirectUri;
use crate::scope::ScopeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    Submitted,
    Published,
    /// A later version was published.
    Superseded,
    Rejected,
    Withdrawn,
    /// It was the published version of a client that was retired.
    Retired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("state must be one of submitted, published, superseded, rejected, withdrawn, retired")]
pub struct VersionStateError;

impl VersionState {
    pub const ALL: [Self; 6] = [
        Self::Submitted,
        Self::Published,
        Self::Superseded,
        Self::Rejected,
        Self::Withdrawn,
        Self::Retired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Published => "published",
            Self::Superseded => "superseded",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Retired => "retired",
        }
    }

    pub fn parse(text: &str) -> Result<Self, VersionStateError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(VersionStateError)
    }
}

/// What a version publishes, as it was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub name: String,
    pub description: String,
    pub onboarding_url: String,
    pub redirect_uris: Vec<String>,
    pub scopes: ScopeSet,
}

impl Snapshot {
    /// The metadata of the published client. A redirect URI that the current rules refuse is left
    /// out.
    pub fn metadata(&self) -> ClientMetadata {
        let redirect_uris =
            self.redirect_uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok()).collect();
        let name = ClientName::from_stored(self.name.clone());
        ClientMetadata::confidential(name, redirect_uris, self.scopes.clone())
    }
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    pub fn snapshot() -> Snapshot {
        Snapshot {
            name: "Pager".to_owned(),
            description: "On-call alerts".to_owned(),
            onboarding_url: "https://pager.example/start".to_owned(),
            redirect_uris: vec!["https://pager.example/cb".to_owned()],
            scopes: ScopeSet::parse("mcp_read").expect("scopes"),
        }
    }

    #[test]
    fn states_are_stored_by_name() {
        for state in VersionState::ALL {
            assert_eq!(VersionState::parse(state.as_str()), Ok(state));
        }
        assert_eq!(VersionState::parse("Submitted"), Err(VersionStateError));
    }

    #[test]
    fn a_snapshot_is_stored_whole_and_becomes_the_metadata() {
        let stored = serde_json::to_value(snapshot()).expect("JSON");
        let expected = json!({
            "name": "Pager",
            "description": "On-call alerts",
            "onboarding_url": "https://pager.example/start",
            "redirect_uris": ["https://pager.example/cb"],
            "scopes": ["mcp_read"],
        });
        assert_eq!(stored, expected);
        assert_eq!(serde_json::from_value::<Snapshot>(stored).expect("a snapshot"), snapshot());

        let refused = "javascript:alert(1)".to_owned();
        let mut old = snapshot();
        old.redirect_uris.push(refused);
        let metadata = old.metadata();
        assert_eq!(metadata.client_name().as_str(), "Pager");
        assert_eq!(metadata.redirect_uris().len(), 1);
        assert_eq!(metadata.scope(), &snapshot().scopes);
    }
}
