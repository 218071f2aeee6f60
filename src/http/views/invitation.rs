//! `/invitation/{token}`: a person joins an organization.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer;
use crate::http::views::answer::Forms;
use crate::http::views::choose_password::PasswordFailure;
use crate::http::views::format;
use crate::http::views::login::LoginFailure;
use crate::http::views::words::{Phrase, Words};
use crate::rules::authorization::language::Language;
use crate::rules::identity::permission::Role;

pub struct InvitationPage {
    /// The path of the page, with the token.
    pub action: String,
    pub csrf: String,
    pub org_name: String,
    pub role: Role,
    /// The address of the member who invited the person, if one did.
    pub invited_by: Option<String>,
    /// The address that is invited.
    pub email: String,
    pub step: InvitationStep,
}

/// What the person has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvitationStep {
    /// They have no account yet.
    ChoosePassword(Option<PasswordFailure>),
    /// They have an account.
    SignIn(Option<LoginFailure>),
    /// They are signed in.
    Accept,
    /// Someone else is signed in, with this address.
    OtherAccount(String),
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct Html<'a> {
    page: &'a InvitationPage,
    words: Words,
}

impl Html<'_> {
    fn heading(&self) -> Phrase {
        self.words.phrase("invitation.heading").with("org", &self.page.org_name)
    }

    fn role(&self) -> &'static str {
        self.words.text(match self.page.role {
            Role::Admin => "invitation.role_admin",
            Role::Standard => "invitation.role_standard",
            Role::ReadOnly => "invitation.role_read_only",
        })
    }
}

impl InvitationPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        let answer = answer::page(self.status(), &Html { page: self, words }, words, Forms::Here);
        match self.step {
            InvitationStep::SignIn(Some(failure)) => failure.with_retry_after(answer),
            _ => answer,
        }
    }

    fn status(&self) -> StatusCode {
        match self.step {
            InvitationStep::ChoosePassword(Some(_)) => StatusCode::UNPROCESSABLE_ENTITY,
            InvitationStep::SignIn(Some(failure)) => failure.status(),
            _ => StatusCode::OK,
        }
    }
}

/// The link was used or replaced, it has expired, or the invitation was ended.
pub struct InvitationGonePage;

#[derive(Template)]
#[template(path = "invitation_gone.html")]
struct GoneHtml {
    words: Words,
}

impl InvitationGonePage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(StatusCode::NOT_FOUND, &GoneHtml { words }, words, Forms::Here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::views::gallery::html;
    use crate::http::views::gallery::invitations::invitation;
    use crate::rules::identity::password::PasswordError;

    #[test]
    fn each_step_has_its_status_and_fields() {
        let weak = Some(PasswordFailure::Weak(PasswordError::Common));
        let wrong = Some(LoginFailure::WrongCredentials);
        let busy = Some(LoginFailure::Busy);
        let other = "other@example.com".to_owned();
        let cases = [
            (InvitationStep::ChoosePassword(None), 200, "name=\"new\"", 0),
            (InvitationStep::ChoosePassword(weak), 422, "name=\"new\"", 1),
            (InvitationStep::SignIn(None), 200, "name=\"password\"", 0),
            (InvitationStep::SignIn(wrong), 403, "name=\"password\"", 1),
            (InvitationStep::SignIn(busy), 503, "name=\"password\"", 1),
            (InvitationStep::Accept, 200, "action=\"/invitation/", 0),
            (InvitationStep::OtherAccount(other), 200, "action=\"/logout\"", 0),
        ];
        for (step, status, part, alerts) in cases {
            let answer = invitation(step.clone()).render(Language::English);
            assert_eq!(answer.status().as_u16(), status, "{step:?}");
            assert_eq!(answer.headers().contains_key("retry-after"), status == 503, "{step:?}");
            let page = html(answer);
            assert!(page.contains(part), "{step:?}: {page}");
            assert_eq!(page.matches("role=\"alert\"").count(), alerts, "{step:?}");
            let fields = page.matches("type=\"password\"").count();
            assert_eq!(fields, usize::from(part.starts_with("name")), "{step:?}");
        }
        assert_eq!(InvitationGonePage.render(Language::German).status().as_u16(), 404);
    }
}
