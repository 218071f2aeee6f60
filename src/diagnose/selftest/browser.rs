//! As much of a browser as this server's pages need: cookies, redirects and forms.

use crate::diagnose::probe::{ALL_CLIENTS, Answer, Probe};
use crate::diagnose::selftest::form::Form;
use crate::diagnose::selftest::report::{Trouble, wrong};

/// Where a chain of redirects ends.
pub enum Landing {
    Page(Page),
    /// At the client's redirect URI.
    Client {
        url: String,
    },
}

pub struct Page {
    pub html: String,
    /// Each line of `Content-Security-Policy`, and of `X-Frame-Options`.
    pub policies: Vec<String>,
    pub frame_options: Vec<String>,
}

impl Page {
    fn of(answer: &Answer) -> Self {
        let lines = |name: &str| answer.header_lines(name).map(str::to_owned).collect();
        let (policies, frame_options) = (lines("content-security-policy"), lines("x-frame-options"));
        Self { html: answer.text(), policies, frame_options }
    }
}

pub struct Browser {
    probe: Probe,
    base: String,
    cookies: Vec<(String, String)>,
}

/// Of nobody (RFC 5737): what this browser claims to come from.
pub const FORGED_ADDRESS: &str = "192.0.2.1";
const MOST_REDIRECTS: usize = 10;

impl Browser {
    pub fn new(probe: Probe, base: &str) -> Self {
        Self { probe, base: base.trim_end_matches('/').to_owned(), cookies: Vec::new() }
    }

    pub async fn open(&mut self, url: &str, client: &str) -> Result<Landing, Trouble> {
        let cookies = self.cookie_header();
        let answer = self.probe.get(url, &[("accept", "text/html"), ("cookie", &cookies)]).await?;
        self.follow(answer, client).await
    }

    pub async fn submit(&mut self, form: &Form, typed: &[(&str, &str)], client: &str) -> Result<Landing, Trouble> {
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
        let answer = self.probe.post_form(&url, &headers, &pairs).await?;
        self.follow(answer, client).await
    }

    async fn follow(&mut self, mut answer: Answer, client: &str) -> Result<Landing, Trouble> {
        for _ in 0..MOST_REDIRECTS {
            self.keep_cookies(&answer);
            if !answer.is_redirect() {
                return match answer.status {
                    200 => Ok(Landing::Page(Page::of(&answer))),
                    _ => Err(wrong(format!("a page answers {}", answer.summary()), ALL_CLIENTS)),
                };
            }
            let location = answer.header("location").unwrap_or_default();
            if location.starts_with(client) {
                return Ok(Landing::Client { url: location });
            }
            let (url, cookies) = (self.resolved(&location)?, self.cookie_header());
            answer = self.probe.get(&url, &[("accept", "text/html"), ("cookie", &cookies)]).await?;
        }
        Err(wrong("the pages redirect in a circle", ALL_CLIENTS))
    }

    /// Within this server: whatever leads elsewhere must not be given a cookie.
    fn resolved(&self, location: &str) -> Result<String, Trouble> {
        let base = &self.base;
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(format!("{base}{location}"));
        }
        match location.strip_prefix(base.as_str()).is_some_and(|path| path.starts_with('/')) {
            true => Ok(location.to_owned()),
            false => {
                let said = format!("a page leads away from {base}, to {}", location.escape_debug());
                Err(wrong(said, ALL_CLIENTS))
            }
        }
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for line in answer.header_lines("set-cookie") {
            let pair = line.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}
