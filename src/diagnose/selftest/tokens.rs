//! From the code to the last token: exchange, check, refresh, revoke and refuse.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::diagnose::probe::{ALL_CLIENTS, Response};
use crate::diagnose::selftest::journey::{Journey, REDIRECT, Tokens};
use crate::diagnose::selftest::report::{Outcome, Trouble, needed, wrong};
use crate::diagnose::selftest::sign_in::has_null;
use crate::rules::token::claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims};
use crate::signing::verify_by_key_set;

const API: &str = "the MCP server of every client, which refuses tokens that it cannot verify";
const TWO_AT_ONCE: &str = "Claude Code, Codex and OpenCode, whose processes share one token";

impl Journey<'_> {
    /// RFC 6749 section 4.1.3.
    pub async fn exchange(&mut self) -> Outcome {
        let response = self.present_code().await?;
        let tokens = tokens_of(&response)?;
        let message = format!("scope {}", tokens.scope);
        self.tokens = Some(tokens);
        Ok(message)
    }

    async fn present_code(&self) -> Result<Response, Trouble> {
        let code = needed(&self.code)?;
        let sent = needed(&self.sent)?;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", needed(&self.client_id)?),
            ("code_verifier", &sent.verifier),
            ("resource", self.stage.resource.as_str()),
        ];
        self.post("token_endpoint", &pairs).await
    }

    pub async fn check_signature(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?;
        let keys = needed(&self.key_set)?;
        let claims: AccessTokenClaims = verify_by_key_set(keys, ACCESS_TOKEN_TYPE, &tokens.access)
            .map_err(|message| wrong(message, API))?;
        if !claims.is_current(self.url, self.context.clock.now()) {
            let message = format!(
                "iss is {:?}, or the token is expired: are the clocks synchronized?",
                claims.iss
            );
            return Err(wrong(message, API));
        }
        if !claims.aud.contains(self.stage.resource.as_str()) {
            return Err(wrong(format!("aud is {:?}, not the requested resource", claims.aud), API));
        }
        Ok("signed by a published key, for the requested resource".to_owned())
    }

    pub async fn introspect_active(&mut self) -> Outcome {
        let claims = self.introspect().await?;
        match claims["active"] == true && claims["iss"] == self.url {
            true => Ok("active".to_owned()),
            false => Err(wrong(format!("the response for an active token is {claims}"), API)),
        }
    }

    /// RFC 7662 section 2.1, as the temporary resource server, with HTTP Basic as `grantor resource
    /// create` shows. A server may take five seconds to notice a new resource server.
    async fn introspect(&self) -> Result<Value, Trouble> {
        let url = self.endpoint("introspection_endpoint")?;
        let secret = self.stage.resource_secret.expose();
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("resource:{secret}")));
        let pairs = [("token", needed(&self.tokens)?.access.as_str()), ("client_secret", secret)];
        let started = self.context.clock.elapsed();
        loop {
            let response =
                self.probe.post_form(&url, &[("authorization", &basic)], &pairs[..1]).await?;
            if let Some(claims) = response.json().filter(|_| response.status == 200) {
                return Ok(claims);
            }
            let has_time = (self.context.clock.elapsed() - started).as_secs() < 6;
            if !has_time && self.probe.post_form(&url, &[], &pairs).await?.status == 200 {
                let message = format!(
                    "with the secret in HTTP Basic, it returns {}, but 200 with the secret in the \
                     body: something in front of this server removes or changes the Authorization \
                     header; let it pass unchanged",
                    response.summary(),
                );
                return Err(wrong(message, API));
            }
            if response.status != 401 || !has_time {
                return Err(wrong(
                    format!("expected 200 for HTTP Basic, not {}", response.summary()),
                    API,
                ));
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    /// OpenID Connect Core section 5.3.
    pub async fn user_information(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?;
        if !tokens.scope.split(' ').any(|name| name == "openid") {
            return Ok("skipped, because openid was not granted".to_owned());
        }
        let bearer = format!("Bearer {}", tokens.access);
        let response = self
            .probe
            .get(&self.endpoint("userinfo_endpoint")?, &[("authorization", &bearer)])
            .await?;
        let sub = response
            .json()
            .filter(|_| response.status == 200)
            .and_then(|claims| claims["sub"].as_str().map(str::to_owned));
        match sub {
            Some(sub) if sub == self.stage.user_id.to_string() => Ok(sub),
            _ => Err(wrong(
                format!("expected the user, not {}", response.summary()),
                "OpenID Connect clients",
            )),
        }
    }

    pub async fn refresh_twice_at_once(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?.clone();
        if self.grace == 0 {
            self.tokens = Some(tokens_of(&self.refresh(&tokens.refresh, "").await?)?);
            let settings = "`tokens.refresh_grace` and `tokens.refresh_repeat` are 0, so two \
                            refreshes sign the client out";
            return Err(wrong(settings, TWO_AT_ONCE));
        }
        let (one, other) =
            tokio::join!(self.refresh(&tokens.refresh, ""), self.refresh(&tokens.refresh, ""));
        let one = tokens_of(&one?)?;
        let other = tokens_of(&other?)?;
        if one.refresh == tokens.refresh {
            return Err(wrong(
                "the refresh token is not rotated",
                "no client, but a stolen token would not be detected",
            ));
        }
        let same = one.refresh == other.refresh;
        self.tokens = Some(one);
        match same {
            true => Ok("both returned the same successor".to_owned()),
            false => Err(wrong("they returned different successors", TWO_AT_ONCE)),
        }
    }

    /// RFC 6749 section 6.
    pub async fn refresh_with_fewer_scopes(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?.clone();
        let fewer = tokens.scope.split(' ').next().unwrap_or_default().to_owned();
        let refreshed = tokens_of(&self.refresh(&tokens.refresh, &fewer).await?)?;
        let scope = refreshed.scope.clone();
        self.tokens = Some(refreshed);
        match scope == fewer {
            true => Ok(format!("requested and received only {fewer}")),
            false => Err(wrong(
                format!("requested {fewer}, but received {scope}"),
                "clients on rmcp, such as Codex",
            )),
        }
    }

    /// RFC 7009.
    pub async fn revoke(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?;
        let pairs = [("token", tokens.refresh.as_str()), ("client_id", needed(&self.client_id)?)];
        let response = self.post("revocation_endpoint", &pairs).await?;
        if response.status != 200 {
            return Err(wrong(format!("expected 200, not {}", response.summary()), ALL_CLIENTS));
        }
        self.is_inactive("the revoked token").await
    }

    async fn is_inactive(&self, what: &str) -> Outcome {
        match self.introspect().await?["active"] == false {
            true => Ok(format!("{what} is inactive at once")),
            false => Err(wrong(format!("{what} is still active"), "users who revoked access")),
        }
    }

    pub async fn refresh_is_refused(&mut self) -> Outcome {
        let response = self.refresh(&needed(&self.tokens)?.refresh, "").await?;
        invalid_grant(&response)
    }

    /// RFC 6749 section 4.1.2: the second use of a code revokes the tokens of the first.
    pub async fn replay_code(&mut self) -> Outcome {
        needed(&self.tokens)?;
        invalid_grant(&self.present_code().await?)?;
        self.is_inactive("the token that the code was exchanged for").await
    }

    async fn refresh(&self, refresh_token: &str, scope: &str) -> Result<Response, Trouble> {
        let mut pairs = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", needed(&self.client_id)?),
            ("resource", self.stage.resource.as_str()),
        ];
        if !scope.is_empty() {
            pairs.push(("scope", scope));
        }
        self.post("token_endpoint", &pairs).await
    }

    async fn post(&self, endpoint: &str, pairs: &[(&str, &str)]) -> Result<Response, Trouble> {
        let url = self.endpoint(endpoint)?;
        let response = self.probe.post_form(&url, &[("accept", "application/json")], pairs).await?;
        if response.is_redirect() {
            let message = format!("it redirects: {}", response.summary());
            return Err(wrong(
                message,
                "Codex, which follows no redirects here, and clients that stay within the origin",
            ));
        }
        Ok(response)
    }
}

/// Clients decide by this code whether the user must authorize again.
fn invalid_grant(response: &Response) -> Outcome {
    match (response.status, response.error().as_deref()) {
        (400, Some("invalid_grant")) => Ok("refused with invalid_grant".to_owned()),
        _ => {
            let message = format!("expected 400 and invalid_grant, not {}", response.summary());
            Err(wrong(
                message,
                "the TypeScript SDK and Codex, which open the browser only after invalid_grant",
            ))
        }
    }
}

/// RFC 6749 section 5.1.
fn tokens_of(response: &Response) -> Result<Tokens, Trouble> {
    let Some(body) = response.json().filter(|_| response.status == 200 && response.is_json())
    else {
        return Err(wrong(format!("expected tokens, not {}", response.summary()), ALL_CLIENTS));
    };
    if has_null(&body) || !body["expires_in"].is_u64() {
        let affects = "the TypeScript SDK, which refuses null, and Codex, which needs expires_in as \
                     a number";
        return Err(wrong("the response contains a null, or expires_in is not a number", affects));
    }
    if !response.header("cache-control").unwrap_or_default().contains("no-store") {
        return Err(wrong(
            "the response has no Cache-Control: no-store",
            "users behind a shared cache",
        ));
    }
    let text = |member: &str| body[member].as_str().map(str::to_owned);
    match (text("access_token"), text("refresh_token"), text("scope")) {
        (Some(access), Some(refresh), Some(scope)) => Ok(Tokens { access, refresh, scope }),
        _ => Err(wrong("access_token, refresh_token or scope is missing", ALL_CLIENTS)),
    }
}
