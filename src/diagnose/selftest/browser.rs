//! A minimal browser for the pages of this server: cookies, redirects and forms.

use crate::diagnose::probe::{ALL_CLIENTS, Probe, Response};
use crate::diagnose::selftest::form::Form;
use crate::diagnose::selftest::report::{Trouble, wrong};

/// The end of a chain of redirects.
pub enum Landing {
    Page(Page),
    /// The redirect URI of the client.
    Client {
        url: String,
    },
}

pub struct Page {
    pub html: String,
    /// The lines of `Content-Security-Policy`.
    pub policies: Vec<String>,
    /// The lines of `X-Frame-Options`.
    pub frame_options: Vec<String>,
}

impl Page {
    fn of(response: &Response) -> Self {
        let lines = |name: &str| response.header_lines(name).map(str::to_owned).collect();
        Self {
            html: response.text(),
            policies: lines("content-security-policy"),
            frame_options: lines("x-frame-options"),
        }
    }
}

pub struct Browser {
    probe: Probe,
    base: String,
    cookies: Vec<(String, String)>,
}

/// The address that this browser claims in `X-Forwarded-For`. It is reserved for documentation (RFC
/// 5737).
pub const FORGED_ADDRESS: &str = "192.0.2.1";
const MAX_REDIRECTS: usize = 10;

impl Browser {
    pub fn new(probe: Probe, base: &str) -> Self {
        Self { probe, base: base.trim_end_matches('/').to_owned(), cookies: Vec::new() }
    }

    pub async fn open(&mut self, url: &str, client: &str) -> Result<Landing, Trouble> {
        let cookies = self.cookie_header();
        let response =
            self.probe.get(url, &[("accept", "text/html"), ("cookie", &cookies)]).await?;
        self.follow(response, client).await
    }

    pub async fn submit(
        &mut self,
        form: &Form,
        typed: &[(&str, &str)],
        client: &str,
    ) -> Result<Landing, Trouble> {
        let fields = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs: Vec<_> = fields.chain(typed.iter().copied()).collect();
        let url = self.resolved(&form.action)?;
        let cookies = self.cookie_header();
        let headers = [
            ("accept", "text/html"),
            ("origin", self.base.as_str()),
            ("cookie", &cookies),
            ("x-forwarded-for", FORGED_ADDRESS),
        ];
        let response = self.probe.post_form(&url, &headers, &pairs).await?;
        self.follow(response, client).await
    }

    async fn follow(&mut self, mut response: Response, client: &str) -> Result<Landing, Trouble> {
        for _ in 0..MAX_REDIRECTS {
            self.keep_cookies(&response);
            if !response.is_redirect() {
                return match response.status {
                    200 => Ok(Landing::Page(Page::of(&response))),
                    _ => Err(wrong(format!("a page returns {}", response.summary()), ALL_CLIENTS)),
                };
            }
            let location = response.header("location").unwrap_or_default();
            if location.starts_with(client) {
                return Ok(Landing::Client { url: location });
            }
            let url = self.resolved(&location)?;
            let cookies = self.cookie_header();
            response =
                self.probe.get(&url, &[("accept", "text/html"), ("cookie", &cookies)]).await?;
        }
        Err(wrong("the pages redirect in a loop", ALL_CLIENTS))
    }

    /// Resolves a URL within this server, because cookies must not be sent to any other server.
    fn resolved(&self, location: &str) -> Result<String, Trouble> {
        let base = &self.base;
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(format!("{base}{location}"));
        }
        match location.strip_prefix(base.as_str()).is_some_and(|path| path.starts_with('/')) {
            true => Ok(location.to_owned()),
            false => {
                let message =
                    format!("a page redirects from {base} to {}", location.escape_debug());
                Err(wrong(message, ALL_CLIENTS))
            }
        }
    }

    fn cookie_header(&self) -> String {
        self.cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn keep_cookies(&mut self, response: &Response) {
        for line in response.header_lines("set-cookie") {
            let pair = line.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}
