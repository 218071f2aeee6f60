//! Discovery: metadata, keys and preflight requests.

use serde_json::Value;

use crate::diagnose::probe::{
    ALL_CLIENTS, Fault, ORIGIN, Response, faults, faults_as_openid, preflight, text,
};
use crate::diagnose::selftest::journey::Journey;
use crate::diagnose::selftest::report::{Outcome, needed, wrong};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const CATCH_ALL: &str =
    "clients that try one well-known path after the other: Claude Code, Codex, mcp-remote";

impl Journey<'_> {
    /// RFC 8414 section 3.
    pub async fn metadata(&mut self) -> Outcome {
        let (document, _) = self.document(METADATA).await?;
        let found = faults(&document, self.url);
        let endpoints = text(&document, "token_endpoint").is_some();
        self.metadata = endpoints.then_some(document);
        none_of(found)?;
        Ok(format!("issuer {}, S256, iss in every authorization response", self.url))
    }

    /// OpenID Connect Discovery 1.0 section 4.
    pub async fn openid_configuration(&mut self) -> Outcome {
        let (document, _) = self.document(OPENID).await?;
        let metadata = needed(&self.metadata)?;
        none_of(faults_as_openid(&document))?;
        match document == *metadata {
            true => Ok("the same document".to_owned()),
            false => Err(wrong(
                "it differs from the OAuth metadata",
                "clients that request it first, such as Codex",
            )),
        }
    }

    /// RFC 8414 section 3.1, with a path that this issuer does not have.
    pub async fn other_well_known_path(&mut self) -> Outcome {
        let response =
            self.probe.get(&self.at("/.well-known/oauth-protected-resource"), &[]).await?;
        match (response.status, response.is_json()) {
            (404, true) => Ok("404 in JSON".to_owned()),
            _ => Err(wrong(format!("expected 404 in JSON, not {}", response.summary()), CATCH_ALL)),
        }
    }

    pub async fn cors(&mut self) -> Outcome {
        let metadata = needed(&self.metadata)?;
        let endpoint = |member: &str| text(metadata, member).unwrap_or_default().to_owned();
        let endpoints = [
            (self.at(METADATA), "GET"),
            (endpoint("registration_endpoint"), "POST"),
            (endpoint("token_endpoint"), "POST"),
            (endpoint("revocation_endpoint"), "POST"),
        ];
        for (url, method) in endpoints {
            preflight(&self.probe, &url, method).await?;
        }
        let (_, response) = self.document(METADATA).await?;
        match response.header("access-control-allow-origin").as_deref() {
            Some("*" | ORIGIN) => Ok("pages from other origins can send requests".to_owned()),
            _ => Err(wrong(
                "the document has no Access-Control-Allow-Origin",
                "the Inspector and other web clients",
            )),
        }
    }

    pub async fn key_set(&mut self) -> Outcome {
        let url = text(needed(&self.metadata)?, "jwks_uri").unwrap_or_default().to_owned();
        let response = self.probe.get(&url, &[]).await?;
        let keys =
            response.json().and_then(|set| Some(set.get("keys")?.as_array()?.len())).unwrap_or(0);
        if response.status != 200 || keys == 0 {
            let affects = "APIs and MCP servers that check signatures";
            return Err(wrong(format!("expected a key set, not {}", response.summary()), affects));
        }
        self.key_set = Some(response.body);
        Ok(format!("{keys} published"))
    }

    async fn document(
        &self,
        path: &str,
    ) -> Result<(Value, Response), crate::diagnose::selftest::report::Trouble> {
        let headers = [
            ("accept", "application/json"),
            ("mcp-protocol-version", crate::diagnose::selftest::journey::REVISION),
            ("origin", ORIGIN),
        ];
        let response = self.probe.get(&self.at(path), &headers).await?;
        match response
            .json()
            .filter(|json| response.status == 200 && response.is_json() && json.is_object())
        {
            Some(document) => Ok((document, response)),
            None => Err(wrong(
                format!("expected 200 and a JSON document, not {}", response.summary()),
                ALL_CLIENTS,
            )),
        }
    }
}

/// Joins all faults in one, which names the clients that the first one affects.
fn none_of(faults: Vec<Fault>) -> Result<(), crate::diagnose::selftest::report::Trouble> {
    let Some(first) = faults.first() else { return Ok(()) };
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    Err(wrong(messages.join("; "), first.affects))
}

impl From<Fault> for crate::diagnose::selftest::report::Trouble {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault)
    }
}
