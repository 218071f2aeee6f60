//! The steps of an MCP client, from discovery to the last token, and their results.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::Value;

use crate::actions::context::Context;
use crate::cli::failure::Failure;
use crate::diagnose::probe::Probe;
use crate::diagnose::selftest::browser::Browser;
use crate::diagnose::selftest::report::Report;
use crate::diagnose::selftest::stage::Stage;
use crate::rules::secret::Digest;

/// The MCP revision that clients send during discovery.
pub const REVISION: &str = "2026-07-28";
/// Claude Code registers this URI without a port and uses it with one.
pub const REGISTERED_REDIRECT: &str = "http://127.0.0.1/callback";
pub const REDIRECT: &str = "http://127.0.0.1:49152/callback";

pub struct Journey<'a> {
    pub url: &'a str,
    pub probe: Probe,
    pub stage: &'a Stage,
    pub context: &'a Context,
    pub browser: Browser,
    /// Seconds for which a replaced refresh token still works.
    pub grace: u64,
    pub metadata: Option<Value>,
    pub key_set: Option<Bytes>,
    pub client_id: Option<String>,
    pub sent: Option<Sent>,
    pub code: Option<String>,
    pub tokens: Option<Tokens>,
}

/// The values of an authorization request that the client keeps.
#[derive(Clone)]
pub struct Sent {
    pub url: String,
    pub state: String,
    pub verifier: String,
}

#[derive(Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub scope: String,
}

impl<'a> Journey<'a> {
    pub fn new(url: &'a str, stage: &'a Stage, context: &'a Context, grace: u64) -> Self {
        let probe = Probe::for_operator();
        let browser = Browser::new(probe.clone(), url);
        Self {
            url,
            probe,
            stage,
            context,
            browser,
            grace,
            metadata: None,
            key_set: None,
            client_id: None,
            sent: None,
            code: None,
            tokens: None,
        }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// A verifier of the maximum length, 128 characters (RFC 7636 section 4.1), and its challenge.
    pub fn verifier(&self) -> (String, String) {
        let parts: Vec<_> = (0..3).map(|_| self.context.random.token("")).collect();
        let text: String = parts.iter().map(|part| part.expose()).collect::<Vec<_>>().join(".~");
        let verifier: String = text.chars().take(128).collect();
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(&verifier).bytes());
        (verifier, challenge)
    }

    pub async fn travel(&mut self, report: &mut Report) -> Result<(), Failure> {
        report.watch("metadata", self.metadata()).await?;
        report.watch("openid-configuration", self.openid_configuration()).await?;
        report.watch("another well-known path", self.other_well_known_path()).await?;
        report.watch("CORS", self.cors()).await?;
        report.watch("key set", self.key_set()).await?;
        report.watch("registration", self.register()).await?;
        report.watch("an unknown client", self.unknown_client()).await?;
        report.watch("authorize without cookies", self.authorize_without_cookies()).await?;
        report.watch("login and consent", self.sign_in()).await?;
        report.watch("a forged address", self.forged_address()).await?;
        report.watch("code for tokens", self.exchange()).await?;
        report.watch("signature and claims", self.check_signature()).await?;
        report.watch("introspection", self.introspect_active()).await?;
        report.watch("user information", self.user_information()).await?;
        report.watch("two refreshes at once", self.refresh_twice_at_once()).await?;
        report.watch("refresh with fewer scopes", self.refresh_with_fewer_scopes()).await?;
        report.watch("revocation", self.revoke()).await?;
        report.watch("refresh after revocation", self.refresh_is_refused()).await?;
        report.watch("login again", self.sign_in()).await?;
        report.watch("code for tokens again", self.exchange()).await?;
        report.watch("a code used twice", self.replay_code()).await
    }
}
