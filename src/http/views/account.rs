//! `/account`: the apps that the user has allowed, their password, and their sessions.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer::Forms;
use crate::http::views::app_name::AppName;
use crate::http::views::device::Device;
use crate::http::views::words::{Phrase, Words};
use crate::http::views::{answer, format};
use crate::rules::authorization::language::Language;
use crate::rules::id::{GrantId, SessionId};
use crate::rules::timestamp::Timestamp;
use crate::rules::token::remaining_life::RemainingLife;

pub struct AccountPage {
    pub csrf: String,
    pub email: String,
    pub apps: Vec<AppEntry>,
    pub sessions: Vec<SessionEntry>,
    /// The number of failed sign-in attempts in the last 24 hours.
    pub failed_attempts: u64,
    pub notice: Option<Notice>,
    /// How long the last token of the grant that was just ended may still be accepted.
    pub last_token: Option<RemainingLife>,
}

pub struct AppEntry {
    pub grant_id: GrantId,
    pub app: AppName,
    pub org_name: String,
    /// The descriptions from the scope catalog.
    pub scopes: Vec<String>,
    pub since: Timestamp,
    pub last_used: Option<Timestamp>,
}

pub struct SessionEntry {
    pub id: SessionId,
    pub user_agent: String,
    pub address: Option<String>,
    pub since: Timestamp,
    pub last_seen: Timestamp,
    pub is_this: bool,
}

impl SessionEntry {
    fn device(&self) -> Device<'_> {
        Device::of(&self.user_agent)
    }
}

/// The result of the last action on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    AppRevoked,
    PasswordChanged,
    PasswordChangedAndAppsEnded,
    SessionEnded,
    OtherSessionsEnded,
    WrongPassword,
    PasswordLength,
    PasswordCommon,
    PasswordPersonal,
    TooMany,
}

impl Notice {
    pub const ALL: [Self; 10] = [
        Self::AppRevoked,
        Self::PasswordChanged,
        Self::PasswordChangedAndAppsEnded,
        Self::SessionEnded,
        Self::OtherSessionsEnded,
        Self::WrongPassword,
        Self::PasswordLength,
        Self::PasswordCommon,
        Self::PasswordPersonal,
        Self::TooMany,
    ];

    /// The value of the `notice` parameter in the redirect to the page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AppRevoked => "app_revoked",
            Self::PasswordChanged => "password_changed",
            Self::PasswordChangedAndAppsEnded => "password_changed_and_apps_ended",
            Self::SessionEnded => "session_ended",
            Self::OtherSessionsEnded => "other_sessions_ended",
            Self::WrongPassword => "wrong_password",
            Self::PasswordLength => "password_length",
            Self::PasswordCommon => "password_common",
            Self::PasswordPersonal => "password_personal",
            Self::TooMany => "too_many",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.as_str() == text)
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::AppRevoked
            | Self::PasswordChanged
            | Self::PasswordChangedAndAppsEnded
            | Self::SessionEnded
            | Self::OtherSessionsEnded => StatusCode::OK,
            Self::WrongPassword => StatusCode::FORBIDDEN,
            Self::PasswordLength | Self::PasswordCommon | Self::PasswordPersonal => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn text(self, words: Words) -> &'static str {
        words.text(match self {
            Self::AppRevoked => "notice.app_revoked",
            Self::PasswordChanged => "notice.password_changed",
            Self::PasswordChangedAndAppsEnded => "notice.password_changed_and_apps_ended",
            Self::SessionEnded => "notice.session_ended",
            Self::OtherSessionsEnded => "notice.other_sessions_ended",
            Self::WrongPassword => "notice.wrong_password",
            Self::PasswordLength => "notice.password_length",
            Self::PasswordCommon => "notice.password_common",
            Self::PasswordPersonal => "notice.password_personal",
            Self::TooMany => "notice.too_many",
        })
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct Html<'a> {
    page: &'a AccountPage,
    words: Words,
}

impl Html<'_> {
    /// The text of the notice, if the action succeeded.
    fn success(&self) -> Option<&'static str> {
        self.page
            .notice
            .filter(|notice| notice.status() == StatusCode::OK)
            .map(|notice| notice.text(self.words))
    }

    /// How long APIs that never call introspection may still accept the last token.
    fn last_token(&self) -> Option<Phrase> {
        self.page.last_token.map(|life| match life {
            RemainingLife::Minutes(1) => self.words.phrase("notice.last_token_minute"),
            RemainingLife::Minutes(minutes) => {
                self.words.phrase("notice.last_token_minutes").with("minutes", minutes)
            }
            RemainingLife::Hours(hours) => {
                self.words.phrase("notice.last_token_hours").with("hours", hours)
            }
        })
    }

    /// The text of the notice, if the action failed. Only the password form reports failures here.
    fn failure(&self) -> Option<&'static str> {
        self.page
            .notice
            .filter(|notice| notice.status() != StatusCode::OK)
            .map(|notice| notice.text(self.words))
    }

    fn is(&self, notice: Notice) -> bool {
        self.page.notice == Some(notice)
    }

    fn is_about_new_password(&self) -> bool {
        self.page.notice.is_some_and(|notice| notice.status() == StatusCode::UNPROCESSABLE_ENTITY)
    }

    fn has_other_sessions(&self) -> bool {
        self.page.sessions.iter().any(|session| !session.is_this)
    }
}

impl AccountPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        let status = self.notice.map_or(StatusCode::OK, Notice::status);
        answer::page(status, &Html { page: self, words }, words, Forms::Here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::views::gallery::account::account;
    use crate::http::views::gallery::html;

    #[test]
    fn a_notice_can_be_parsed_from_its_own_text() {
        for notice in Notice::ALL {
            assert_eq!(Notice::parse(notice.as_str()), Some(notice));
        }
        assert_eq!(Notice::parse("<b>"), None);
    }

    #[test]
    fn a_failure_is_an_alert_that_its_field_refers_to_and_a_success_is_a_status() {
        let of = |notice| {
            html(AccountPage { notice: Some(notice), ..account() }.render(Language::English))
        };
        let cases = [
            (Notice::AppRevoked, "status", 0),
            (Notice::WrongPassword, "alert", 1),
            (Notice::TooMany, "alert", 0),
        ];
        for (notice, role, fields) in cases {
            let page = of(notice);
            assert_eq!(page.matches(&format!("role=\"{role}\"")).count(), 1, "{notice:?}");
            assert_eq!(page.matches("aria-invalid=\"true\"").count(), fields, "{notice:?}");
        }
    }

    #[test]
    fn the_page_shows_how_long_the_last_token_of_ended_access_may_be_accepted() {
        let page = |last_token, language| {
            html(
                AccountPage { notice: Some(Notice::AppRevoked), last_token, ..account() }
                    .render(language),
            )
        };
        let cases = [
            (
                RemainingLife::Minutes(1),
                "for up to 1 minute.",
                "noch bis zu 1 Minute lang akzeptieren.",
            ),
            (
                RemainingLife::Minutes(42),
                "for up to 42 minutes.",
                "noch bis zu 42 Minuten lang akzeptieren.",
            ),
            (
                RemainingLife::Hours(3),
                "for up to 3 hours.",
                "noch bis zu 3 Stunden lang akzeptieren.",
            ),
        ];
        for (life, english, german) in cases {
            let (english_page, german_page) =
                (page(Some(life), Language::English), page(Some(life), Language::German));
            let text = |html: &str| html.replace("<bdi>", "").replace("</bdi>", "");
            let english = format!(
                "Access ended. APIs that only check signatures may accept its last token {english}"
            );
            assert!(text(&english_page).contains(&english), "{english_page}");
            assert!(text(&german_page).contains(german), "{german_page}");
        }
        assert!(!page(None, Language::English).contains("signatures"));
    }

    #[test]
    fn every_app_can_be_revoked_and_every_session_but_this_one_ended() {
        let account = account();
        let page = html(account.render(Language::English));
        for app in &account.apps {
            assert!(page.contains(&format!("name=\"grant\" value=\"{}\"", app.grant_id)));
        }
        for session in &account.sessions {
            let field = format!("name=\"session\" value=\"{}\"", session.id);
            assert_eq!(page.contains(&field), !session.is_this);
        }
        assert!(page.contains("action=\"/account/sessions/end-others\""));
    }

    #[test]
    fn failed_attempts_are_shown_if_there_were_any() {
        let of = |failed_attempts| {
            html(AccountPage { failed_attempts, ..account() }.render(Language::English))
        };

        assert!(of(12).contains("12 failed sign-in attempts in the last 24 hours"));
        assert!(of(1).contains("1 failed sign-in attempt in the last 24 hours"));
        assert!(!of(0).contains("failed sign-in"));
    }

    #[test]
    fn signing_out_elsewhere_is_not_offered_without_other_sessions() {
        let mut account = account();
        account.sessions.retain(|session| session.is_this);

        assert!(!html(account.render(Language::English)).contains("end-others"));
    }
}
