//! From registration to the code: the requests of the client, and the actions of its user in the
//! browser.

use serde_json::{Value, json};

use crate::db::users::sessions;
use crate::diagnose::probe::{ALL_CLIENTS, difference, text};
use crate::diagnose::selftest::browser::{FORGED_ADDRESS, Landing, Page};
use crate::diagnose::selftest::form::Form;
use crate::diagnose::selftest::journey::{Journey, REDIRECT, REGISTERED_REDIRECT, Sent};
use crate::diagnose::selftest::policy;
use crate::diagnose::selftest::report::{Outcome, Trouble, needed, wrong};

const FAST_MCP: &str = "FastMCP, which requests the page first and checks its status";
const OPERATORS: &str = "the rate limits of this server, which count by address";
/// A server notices a new resource server within five seconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(6);

impl Journey<'_> {
    /// RFC 7591 section 3, with the auth method that Claude sends although it needs no secret.
    pub async fn register(&mut self) -> Outcome {
        let url = self.endpoint("registration_endpoint")?;
        let body = json!({
            "client_name": "grantor selftest",
            "redirect_uris": [REGISTERED_REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
            "scope": "",
        });
        let response = self.probe.post_json(&url, &body).await?;
        let registered = response.json().filter(|_| response.status == 201);
        let Some(registered) = registered else {
            return Err(wrong(format!("expected 201, not {}", response.summary()), ALL_CLIENTS));
        };
        if registered["token_endpoint_auth_method"] != "none"
            || registered.get("client_secret").is_some()
        {
            let affects = "hosted Claude, which requests client_secret_post and accepts none if the \
                         response says so";
            return Err(wrong("the response does not have the auth method none", affects));
        }
        if registered["redirect_uris"] != json!([REGISTERED_REDIRECT]) || has_null(&registered) {
            let affects = "the TypeScript SDK (Claude Code, Cursor, Inspector) and mcp-remote";
            return Err(wrong(
                "the response contains a null, or redirect URIs that were not sent",
                affects,
            ));
        }
        let client_id = registered["client_id"].as_str().unwrap_or_default().to_owned();
        self.client_id = Some(client_id.clone());
        Ok(client_id)
    }

    pub async fn unknown_client(&mut self) -> Outcome {
        let url = self.endpoint("authorization_endpoint")?;
        let query = "response_type=code&client_id=6f1d2c3e-0000-4000-8000-000000000000&redirect_uri=http://127.0.0.1/cb";
        let response =
            self.probe.get(&format!("{url}?{query}"), &[("accept", "text/html")]).await?;
        match response.status {
            400 => Ok("400 with a page".to_owned()),
            _ => Err(wrong(format!("expected 400, not {}", response.summary()), FAST_MCP)),
        }
    }

    pub async fn authorize_without_cookies(&mut self) -> Outcome {
        self.sent = Some(self.request()?);
        let started = self.context.clock.elapsed();
        loop {
            let response =
                self.probe.get(&needed(&self.sent)?.url, &[("accept", "text/html")]).await?;
            let location = response.header("location").unwrap_or_default();
            let too_early = location.contains("error=invalid_target")
                && self.context.clock.elapsed() - started < PATIENCE;
            if too_early {
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                continue;
            }
            if location.starts_with(REDIRECT) {
                let message = format!("the request was refused: {}", location.escape_debug());
                return Err(wrong(message, ALL_CLIENTS));
            }
            return match response.status {
                200 | 302 | 303 | 307 | 308 => {
                    Ok(format!("{}, so the client continues", response.status))
                }
                _ => Err(wrong(
                    format!("expected 200 or a redirect, not {}", response.summary()),
                    FAST_MCP,
                )),
            };
        }
    }

    /// Opens the request in the browser, signs in if necessary, approves, and checks the response
    /// to the client.
    pub async fn sign_in(&mut self) -> Outcome {
        needed(&self.sent)?;
        let sent = self.request()?;
        let mut landing = self.browser.open(&sent.url, REDIRECT).await?;
        let mut logged_in = "";
        if let Landing::Page(page) = &landing
            && let Some(form) = Form::all_of(&page.html).into_iter().find(Form::has_password)
        {
            landing = self.log_in(&form).await?;
            logged_in = "signed in, ";
        }
        if let Landing::Page(page) = &landing {
            landing = self.agree(page).await?;
        }
        let Landing::Client { url } = landing else {
            return Err(wrong("the consent page does not redirect to the client", ALL_CLIENTS));
        };
        self.code = Some(self.code_of(&url, &sent)?);
        self.sent = Some(sent);
        Ok(format!("{logged_in}approved, and redirected with state and iss"))
    }

    /// The browser sends a forged `X-Forwarded-For`, which the server must accept only from a
    /// trusted proxy.
    pub async fn forged_address(&mut self) -> Outcome {
        needed(&self.code)?;
        let seen = sessions::list(&self.context.db, self.stage.user_id)
            .await
            .map_err(|error| wrong(error.to_string(), OPERATORS))?;
        let seen = seen.first().and_then(|session| session.address.clone()).unwrap_or_default();
        match seen == FORGED_ADDRESS {
            false => Ok(format!("ignored: the server saw {seen}")),
            true if self.url.starts_with("http://") => {
                Ok("used, because it came from a trusted proxy".to_owned())
            }
            true => {
                Err(wrong("used: the proxy in front forwards X-Forwarded-For unchanged", OPERATORS))
            }
        }
    }

    async fn log_in(&mut self, form: &Form) -> Result<Landing, Trouble> {
        let typed: Vec<(&str, &str)> = form
            .inputs
            .iter()
            .map(|(name, kind)| match kind.as_str() {
                "password" => (name.as_str(), self.stage.password.expose()),
                _ => (name.as_str(), self.stage.email.as_str()),
            })
            .collect();
        let landing = self.browser.submit(form, &typed, REDIRECT).await?;
        match &landing {
            Landing::Page(page) if Form::all_of(&page.html).iter().any(Form::has_password) => {
                let message = "the password of the test user was refused, or there were too many \
                               attempts: does this server use the database of these settings?";
                Err(wrong(message, ALL_CLIENTS))
            }
            _ => Ok(landing),
        }
    }

    async fn agree(&mut self, page: &Page) -> Result<Landing, Trouble> {
        let forms = Form::all_of(&page.html);
        let form = forms.iter().find_map(|form| Some((form, form.approving()?)));
        let Some((form, (name, value))) = form else {
            return Err(wrong("the page after the login has no button to approve", ALL_CLIENTS));
        };
        policy::check(page)?;
        self.browser.submit(form, &[(name, value)], REDIRECT).await
    }

    fn request(&self) -> Result<Sent, Trouble> {
        let metadata = needed(&self.metadata)?;
        let endpoint = text(metadata, "authorization_endpoint").unwrap_or_default();
        let scopes =
            metadata["scopes_supported"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let scope = scopes.collect::<Vec<_>>().join(" ");
        let ((verifier, challenge), state) =
            (self.verifier(), self.context.random.token("").expose().to_owned());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", needed(&self.client_id)?)
            .append_pair("redirect_uri", REDIRECT)
            .append_pair("state", &state)
            .append_pair("scope", &scope)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", self.stage.resource.as_str())
            .append_pair("prompt", "consent")
            .finish();
        Ok(Sent { url: format!("{endpoint}?{query}"), state, verifier })
    }

    /// RFC 6749 section 4.1.2, RFC 9207 section 2.4.
    fn code_of(&self, url: &str, sent: &Sent) -> Result<String, Trouble> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let value = |name: &str| {
            pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        if let Some(error) = value("error") {
            let description = value("error_description").unwrap_or_default().escape_debug();
            return Err(wrong(
                format!("the client received the error {}: {description}", error.escape_debug()),
                ALL_CLIENTS,
            ));
        }
        if value("state") != Some(&sent.state) {
            return Err(wrong("state was changed", ALL_CLIENTS));
        }
        if let Some(difference) = difference(self.url, value("iss").unwrap_or_default()) {
            let affects = "Codex and clients of the current MCP revision, which compare it exactly";
            return Err(wrong(format!("iss differs: {difference}"), affects));
        }
        value("code")
            .map(str::to_owned)
            .ok_or_else(|| wrong("the client received no code", ALL_CLIENTS))
    }

    pub fn endpoint(&self, member: &str) -> Result<String, Trouble> {
        text(needed(&self.metadata)?, member).map(str::to_owned).ok_or(Trouble::NotTried)
    }
}

pub fn has_null(value: &Value) -> bool {
    value.as_object().is_some_and(|members| members.values().any(Value::is_null))
}
