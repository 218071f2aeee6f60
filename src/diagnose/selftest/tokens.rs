//! From the code to the last token: exchanged, checked, refreshed, revoked and refused.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::diagnose::probe::{ALL_CLIENTS, Answer};
use crate::diagnose::selftest::journey::{Journey, REDIRECT, Tokens};
use crate::diagnose::selftest::report::{Outcome, Trouble, needed, wrong};
use crate::diagnose::selftest::sign_in::has_null;
use crate::rules::token::claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims};
use crate::signing::verify_by_key_set;

const API: &str = "the MCP server behind every client, which takes no token that it cannot check";
const TWO_AT_ONCE: &str = "Claude Code, Codex and OpenCode, of which several processes share one token";

impl Journey<'_> {
    /// RFC 6749 section 4.1.3.
    pub async fn exchange(&mut self) -> Outcome {
        let answer = self.present_code().await?;
        let tokens = tokens_of(&answer)?;
        let said = format!("scope {}", tokens.scope);
        self.tokens = Some(tokens);
        Ok(said)
    }

    async fn present_code(&self) -> Result<Answer, Trouble> {
        let (code, sent) = (needed(&self.code)?, needed(&self.sent)?);
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", needed(&self.client_id)?),
            ("code_verifier", &sent.verifier),
            ("resource", self.stage.resource.as_str()),
        ];
        self.ask("token_endpoint", &pairs).await
    }

    pub async fn check_signature(&mut self) -> Outcome {
        let (tokens, keys) = (needed(&self.tokens)?, needed(&self.key_set)?);
        let claims: AccessTokenClaims =
            verify_by_key_set(keys, ACCESS_TOKEN_TYPE, &tokens.access).map_err(|said| wrong(said, API))?;
        if !claims.holds(self.url, self.context.clock.now()) {
            let said = format!("iss is {:?}, or it has ended already: do the clocks agree?", claims.iss);
            return Err(wrong(said, API));
        }
        if !claims.aud.contains(self.stage.resource.as_str()) {
            return Err(wrong(format!("aud is {:?}, not the resource that was named", claims.aud), API));
        }
        Ok("signed by a published key, for the resource that was named".to_owned())
    }

    pub async fn introspect_active(&mut self) -> Outcome {
        let said = self.introspect().await?;
        match said["active"] == true && said["iss"] == self.url {
            true => Ok("active, as its resource server is told".to_owned()),
            false => Err(wrong(format!("an active token is told as {said}"), API)),
        }
    }

    /// RFC 7662 section 2.1, as the throw-away resource server, by HTTP Basic as `grantor resource create` says. A server may
    /// take five seconds to know it.
    async fn introspect(&self) -> Result<Value, Trouble> {
        let url = self.endpoint("introspection_endpoint")?;
        let secret = self.stage.resource_secret.expose();
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("resource:{secret}")));
        let pairs = [("token", needed(&self.tokens)?.access.as_str()), ("client_secret", secret)];
        let started = self.context.clock.elapsed();
        loop {
            let answer = self.probe.post_form(&url, &[("authorization", &basic)], &pairs[..1]).await?;
            if let Some(said) = answer.json().filter(|_| answer.status == 200) {
                return Ok(said);
            }
            let has_time = (self.context.clock.elapsed() - started).as_secs() < 6;
            if !has_time && self.probe.post_form(&url, &[], &pairs).await?.status == 200 {
                let said = format!(
                    "with the secret by HTTP Basic it answers {}, and 200 with the secret in the body: something in front of \
                     this server drops or changes the header Authorization; let it pass as it comes",
                    answer.summary(),
                );
                return Err(wrong(said, API));
            }
            if answer.status != 401 || !has_time {
                return Err(wrong(format!("200 is expected for HTTP Basic, not {}", answer.summary()), API));
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    /// OpenID Connect Core section 5.3.
    pub async fn user_information(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?;
        if !tokens.scope.split(' ').any(|name| name == "openid") {
            return Ok("openid was not granted, so there is none".to_owned());
        }
        let bearer = format!("Bearer {}", tokens.access);
        let answer = self.probe.get(&self.endpoint("userinfo_endpoint")?, &[("authorization", &bearer)]).await?;
        let sub =
            answer.json().filter(|_| answer.status == 200).and_then(|told| told["sub"].as_str().map(str::to_owned));
        match sub {
            Some(sub) if sub == self.stage.user_id.to_string() => Ok(sub),
            _ => Err(wrong(format!("the user is expected, not {}", answer.summary()), "OpenID Connect clients")),
        }
    }

    pub async fn refresh_twice_at_once(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?.clone();
        if self.grace == 0 {
            self.tokens = Some(tokens_of(&self.refresh(&tokens.refresh, "").await?)?);
            let settings =
                "`tokens.refresh_grace` and `tokens.refresh_repeat` are 0, so two at once log the client out";
            return Err(wrong(settings, TWO_AT_ONCE));
        }
        let (one, other) = tokio::join!(self.refresh(&tokens.refresh, ""), self.refresh(&tokens.refresh, ""));
        let (one, other) = (tokens_of(&one?)?, tokens_of(&other?)?);
        if one.refresh == tokens.refresh {
            return Err(wrong("the refresh token is not replaced", "nobody, but a stolen one would not be noticed"));
        }
        let same = one.refresh == other.refresh;
        self.tokens = Some(one);
        match same {
            true => Ok("both were given the same successor".to_owned()),
            false => Err(wrong("they were given different successors", TWO_AT_ONCE)),
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
            true => Ok(format!("asked for {fewer}, and was given no more")),
            false => Err(wrong(format!("{fewer} was asked for, {scope} given"), "clients on rmcp, such as Codex")),
        }
    }

    /// RFC 7009.
    pub async fn revoke(&mut self) -> Outcome {
        let tokens = needed(&self.tokens)?;
        let pairs = [("token", tokens.refresh.as_str()), ("client_id", needed(&self.client_id)?)];
        let answer = self.ask("revocation_endpoint", &pairs).await?;
        if answer.status != 200 {
            return Err(wrong(format!("200 is expected, not {}", answer.summary()), ALL_CLIENTS));
        }
        self.is_over("the revoked token").await
    }

    async fn is_over(&self, what: &str) -> Outcome {
        match self.introspect().await?["active"] == false {
            true => Ok(format!("{what} is told as inactive at once")),
            false => Err(wrong(format!("{what} is still told as active"), "users who believe that they took it back")),
        }
    }

    pub async fn refresh_is_refused(&mut self) -> Outcome {
        let answer = self.refresh(&needed(&self.tokens)?.refresh, "").await?;
        invalid_grant(&answer)
    }

    /// RFC 6749 section 4.1.2: the second use of a code ends what the first one gave.
    pub async fn replay_code(&mut self) -> Outcome {
        needed(&self.tokens)?;
        invalid_grant(&self.present_code().await?)?;
        self.is_over("what it had given").await
    }

    async fn refresh(&self, refresh_token: &str, scope: &str) -> Result<Answer, Trouble> {
        let mut pairs = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", needed(&self.client_id)?),
            ("resource", self.stage.resource.as_str()),
        ];
        if !scope.is_empty() {
            pairs.push(("scope", scope));
        }
        self.ask("token_endpoint", &pairs).await
    }

    async fn ask(&self, endpoint: &str, pairs: &[(&str, &str)]) -> Result<Answer, Trouble> {
        let url = self.endpoint(endpoint)?;
        let answer = self.probe.post_form(&url, &[("accept", "application/json")], pairs).await?;
        if answer.is_redirect() {
            let said = format!("it is redirected: {}", answer.summary());
            return Err(wrong(said, "Codex, which follows no redirect here, and all that stay within an origin"));
        }
        Ok(answer)
    }
}

/// What clients do next depends on this code.
fn invalid_grant(answer: &Answer) -> Outcome {
    match (answer.status, answer.error().as_deref()) {
        (400, Some("invalid_grant")) => Ok("refused with invalid_grant".to_owned()),
        _ => {
            let said = format!("400 and invalid_grant are expected, not {}", answer.summary());
            Err(wrong(said, "the TypeScript SDK and Codex, which open the browser on invalid_grant only"))
        }
    }
}

/// RFC 6749 section 5.1.
fn tokens_of(answer: &Answer) -> Result<Tokens, Trouble> {
    let Some(told) = answer.json().filter(|_| answer.status == 200 && answer.is_json()) else {
        return Err(wrong(format!("tokens are expected, not {}", answer.summary()), ALL_CLIENTS));
    };
    if has_null(&told) || !told["expires_in"].is_u64() {
        let trips = "the TypeScript SDK, which takes no null, and Codex, which wants expires_in as a number";
        return Err(wrong("the answer holds a null, or expires_in is no number", trips));
    }
    if !answer.header("cache-control").unwrap_or_default().contains("no-store") {
        return Err(wrong("the answer has no Cache-Control: no-store", "whoever shares a cache with others"));
    }
    let text = |member: &str| told[member].as_str().map(str::to_owned);
    match (text("access_token"), text("refresh_token"), text("scope")) {
        (Some(access), Some(refresh), Some(scope)) => Ok(Tokens { access, refresh, scope }),
        _ => Err(wrong("access_token, refresh_token or scope is missing", ALL_CLIENTS)),
    }
}
