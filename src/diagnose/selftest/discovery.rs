//! How clients find everything: documents, keys, and what browsers ask first.

use serde_json::Value;

use crate::diagnose::probe::{ALL_CLIENTS, Answer, Fault, ORIGIN, faults, faults_as_openid, preflight, text};
use crate::diagnose::selftest::journey::Journey;
use crate::diagnose::selftest::report::{Outcome, needed, wrong};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const CATCH_ALL: &str = "clients that try one well-known path after the other: Claude Code, Codex, mcp-remote";

impl Journey<'_> {
    /// RFC 8414 section 3.
    pub async fn metadata(&mut self) -> Outcome {
        let (document, _) = self.document(METADATA).await?;
        let found = faults(&document, self.url);
        let endpoints = text(&document, "token_endpoint").is_some();
        self.metadata = endpoints.then_some(document);
        none_of(found)?;
        Ok(format!("issuer {}, S256, iss on every answer", self.url))
    }

    /// OpenID Connect Discovery 1.0 section 4.
    pub async fn openid_configuration(&mut self) -> Outcome {
        let (document, _) = self.document(OPENID).await?;
        let metadata = needed(&self.metadata)?;
        none_of(faults_as_openid(&document))?;
        match document == *metadata {
            true => Ok("the same document".to_owned()),
            false => Err(wrong("it differs from the other document", "clients that look here first, as Codex")),
        }
    }

    /// RFC 8414 section 3.1, with a path that this issuer does not have.
    pub async fn other_well_known_path(&mut self) -> Outcome {
        let answer = self.probe.get(&self.at("/.well-known/oauth-protected-resource"), &[]).await?;
        match (answer.status, answer.is_json()) {
            (404, true) => Ok("404 in JSON".to_owned()),
            _ => Err(wrong(format!("404 in JSON is expected, not {}", answer.summary()), CATCH_ALL)),
        }
    }

    pub async fn cors(&mut self) -> Outcome {
        let metadata = needed(&self.metadata)?;
        let endpoint = |member: &str| text(metadata, member).unwrap_or_default().to_owned();
        let asked = [
            (self.at(METADATA), "GET"),
            (endpoint("registration_endpoint"), "POST"),
            (endpoint("token_endpoint"), "POST"),
            (endpoint("revocation_endpoint"), "POST"),
        ];
        for (url, method) in asked {
            preflight(&self.probe, &url, method).await?;
        }
        let (_, answer) = self.document(METADATA).await?;
        match answer.header("access-control-allow-origin").as_deref() {
            Some("*" | ORIGIN) => Ok("pages of other origins may call".to_owned()),
            _ => Err(wrong("the document has no Access-Control-Allow-Origin", "the Inspector and other web clients")),
        }
    }

    pub async fn key_set(&mut self) -> Outcome {
        let url = text(needed(&self.metadata)?, "jwks_uri").unwrap_or_default().to_owned();
        let answer = self.probe.get(&url, &[]).await?;
        let keys = answer.json().and_then(|set| Some(set.get("keys")?.as_array()?.len())).unwrap_or(0);
        if answer.status != 200 || keys == 0 {
            let trips = "APIs and MCP servers that check tokens by themselves";
            return Err(wrong(format!("a set of keys is expected, not {}", answer.summary()), trips));
        }
        self.key_set = Some(answer.body);
        Ok(format!("{keys} to check tokens with"))
    }

    async fn document(&self, path: &str) -> Result<(Value, Answer), crate::diagnose::selftest::report::Trouble> {
        let headers = [
            ("accept", "application/json"),
            ("mcp-protocol-version", crate::diagnose::selftest::journey::REVISION),
            ("origin", ORIGIN),
        ];
        let answer = self.probe.get(&self.at(path), &headers).await?;
        match answer.json().filter(|json| answer.status == 200 && answer.is_json() && json.is_object()) {
            Some(document) => Ok((document, answer)),
            None => Err(wrong(format!("200 and a JSON document are expected, not {}", answer.summary()), ALL_CLIENTS)),
        }
    }
}

/// All of them in one, told by whom the first trips up.
fn none_of(faults: Vec<Fault>) -> Result<(), crate::diagnose::selftest::report::Trouble> {
    let Some(first) = faults.first() else { return Ok(()) };
    let said: Vec<&str> = faults.iter().map(|fault| fault.said.as_str()).collect();
    Err(wrong(said.join("; "), first.trips))
}

impl From<Fault> for crate::diagnose::selftest::report::Trouble {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault)
    }
}
