//! The next step of an authorization request: a page that its user has to answer, or the response
//! to the client.
//!
//! The stages are decided in this order. The first one that needs the user selects the page:
//!
//! | stage | needs the user if | page |
//! | --- | --- | --- |
//! | [`sign_in_step`] | they signed in with a generated password | `/password` |
//! | | they are signed out, and may belong to another site of the service | `/choose-site` |
//! | | they are signed out, or did not sign in recently enough | `/login` |
//! | [`organization_step`] | they belong to several organizations, and selected none | `/organization` |
//! | [`Disabling`](crate::client::disabled_reason::Disabling) | their organization has disabled the client | `/disabled` |
//! | [`withheld_by_role`](crate::scope::offered::withheld_by_role) | they began at the tile of the client, and their role lacks a permission | `/not-permitted` |
//! | [`is_remembered`](super::consent::is_remembered) | they did not decide about these scopes before | `/consent` |
//!
//! Each stage is a function of its own, because its facts cost a database query that an earlier
//! stage may make unnecessary. With `prompt=none`, no page may be shown, and [`Interaction::refusal`]
//! is the response instead.

use crate::authorization::refusal::{ErrorCode, Refusal};
use crate::authorization::request::AuthorizationRequest;
use crate::id::{OrgId, SessionId};
use crate::timestamp::Timestamp;

/// The facts that decide whether the user has to sign in. None of them costs a query.
#[derive(Clone, Copy, Debug)]
pub struct SignInFacts<'a> {
    pub request: &'a AuthorizationRequest,
    /// When the request arrived.
    pub started_at: Timestamp,
    /// The session of the browser when the request arrived.
    pub started_in: Option<SessionId>,
    /// The session of the browser now.
    pub session: BrowserSession,
    pub now: Timestamp,
    /// Whether the service has sites other than this one.
    pub has_other_sites: bool,
    /// Whether the user already selected an organization of this site for the request.
    pub has_chosen_organization: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrowserSession {
    None,
    /// The user signed in with a password that this server generated. They can only choose their
    /// own.
    GeneratedPassword,
    SignedIn {
        id: SessionId,
        at: Timestamp,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInStep {
    ChoosePassword,
    ChooseSite,
    SignIn,
    /// The user is signed in, recently enough for this request.
    Done,
}

pub fn sign_in_step(facts: &SignInFacts<'_>) -> SignInStep {
    match facts.session {
        BrowserSession::GeneratedPassword => SignInStep::ChoosePassword,
        BrowserSession::SignedIn { id, at } if facts.is_recent(id, at) => SignInStep::Done,
        BrowserSession::None if facts.site_is_open() => SignInStep::ChooseSite,
        BrowserSession::None | BrowserSession::SignedIn { .. } => SignInStep::SignIn,
    }
}

impl SignInFacts<'_> {
    /// `prompt=login` requires a new sign-in, and `max_age` one within so many seconds (OpenID
    /// Connect Core 1.0 section 3.1.2.1, which also says that `max_age=0` is the same as
    /// `prompt=login`). A sign-in after the request arrived is always recent enough.
    fn is_recent(&self, session: SessionId, signed_in_at: Timestamp) -> bool {
        let age = u64::try_from(self.now.seconds_since(signed_in_at)).unwrap_or(0);
        let is_allowed = match (self.request.prompt.login, self.request.max_age) {
            (false, None) => true,
            (true, _) | (_, Some(0)) => false,
            (false, Some(max_age)) => age <= max_age,
        };
        is_allowed || self.is_after_request(session, signed_in_at)
    }

    /// Whether the user signed in after the request arrived. If it arrived without a session, the
    /// times decide, since a form that another site posts comes without cookies.
    fn is_after_request(&self, session: SessionId, signed_in_at: Timestamp) -> bool {
        match self.started_in {
            Some(before) => session != before,
            None => signed_in_at >= self.started_at,
        }
    }

    /// Whether the user may belong to another site: nothing in the request shows that this is
    /// theirs. A request for a resource was sent here by that resource, so this is the right site.
    fn site_is_open(&self) -> bool {
        let names_site = self.request.names_site || !self.request.resources.is_empty();
        self.has_other_sites && !names_site && !self.has_chosen_organization
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationStep {
    /// The user does not belong to an organization.
    NoOrganization,
    Choose,
    /// The user acts in this organization.
    Act(OrgId),
}

/// Selects the organization that the user chose, else the one that the client suggested, else the
/// only one. A choice that is no longer valid is ignored. `organizations` are those of the user,
/// with their names.
pub fn organization_step(
    chosen: Option<OrgId>,
    suggested: Option<OrgId>,
    organizations: &[(OrgId, String)],
) -> OrganizationStep {
    let is_theirs = |id: &OrgId| organizations.iter().any(|(theirs, _)| theirs == id);
    match (chosen.or(suggested).filter(is_theirs), organizations) {
        (Some(selected), _) => OrganizationStep::Act(selected),
        (None, []) => OrganizationStep::NoOrganization,
        (None, [(only, _)]) => OrganizationStep::Act(*only),
        (None, _) => OrganizationStep::Choose,
    }
}

/// What the user has to do before the request can be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    ChoosePassword,
    ChooseSite,
    SignIn,
    ChooseOrganization,
    Consent,
    /// The organization has disabled the client: the user can only go back.
    ReadWhyDisabled,
    /// The role of the user lacks a permission that the client requires.
    ReadWhatIsMissing,
}

impl Interaction {
    /// The response if no page may be shown, because the request has `prompt=none` (OpenID Connect
    /// Core 1.0 section 3.1.2.6).
    pub fn refusal(self) -> Refusal {
        let (code, reason) = match self {
            Self::SignIn | Self::ChoosePassword | Self::ChooseSite => {
                (ErrorCode::LoginRequired, "the user has to sign in")
            }
            Self::ChooseOrganization => {
                (ErrorCode::InteractionRequired, "the user has to choose an organization")
            }
            Self::Consent => (ErrorCode::ConsentRequired, "the user has to consent"),
            Self::ReadWhyDisabled => return Refusal::client_disabled(),
            Self::ReadWhatIsMissing => (
                ErrorCode::AccessDenied,
                "the role of the user lacks a permission that this client requires",
            ),
        };
        Refusal::new(code, reason)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::BrowserSession::{GeneratedPassword, SignedIn};
    use super::SignInStep::{ChoosePassword, ChooseSite, Done, SignIn};
    use super::*;
    use crate::authorization::request::Prompt;
    use crate::authorization::resource::Resource;

    const ARRIVED: i64 = 1_000;

    fn session(number: u128) -> SessionId {
        SessionId(Uuid::from_u128(number))
    }

    fn signed_in(number: u128, at: i64) -> BrowserSession {
        SignedIn { id: session(number), at: Timestamp::from_seconds(at) }
    }

    fn request() -> AuthorizationRequest {
        AuthorizationRequest {
            redirect_uri: "https://app.example/cb".to_owned(),
            redirect_uri_was_sent: true,
            state: None,
            scope: None,
            code_challenge: None,
            resources: Vec::new(),
            nonce: None,
            prompt: Prompt::default(),
            max_age: None,
            login_hint: None,
            org_id: None,
            names_site: false,
            ui_locale: None,
        }
    }

    fn facts(request: &AuthorizationRequest) -> SignInFacts<'_> {
        SignInFacts {
            request,
            started_at: Timestamp::from_seconds(ARRIVED),
            started_in: None,
            session: BrowserSession::None,
            now: Timestamp::from_seconds(ARRIVED),
            has_other_sites: false,
            has_chosen_organization: false,
        }
    }

    #[test]
    fn every_session_is_recent_enough_unless_the_request_limits_its_age() {
        let request = request();
        let cases = [
            (BrowserSession::None, SignIn),
            (GeneratedPassword, ChoosePassword),
            (signed_in(1, 0), Done),
            (signed_in(1, ARRIVED), Done),
        ];
        for (session, expected) in cases {
            assert_eq!(
                sign_in_step(&SignInFacts { session, ..facts(&request) }),
                expected,
                "{session:?}"
            );
        }
    }

    #[test]
    fn a_generated_password_has_to_be_replaced_first() {
        let mut request = request();
        request.prompt.login = true;
        let facts =
            SignInFacts { session: GeneratedPassword, has_other_sites: true, ..facts(&request) };

        assert_eq!(sign_in_step(&facts), ChoosePassword);
    }

    /// Each case: `prompt=login`, `max_age`, the session when the request arrived, the session now
    /// and its sign-in, the time now.
    #[test]
    fn a_request_can_require_a_recent_sign_in() {
        let before = Some(1);
        let cases = [
            // `prompt=login`: only a sign-in after the request.
            (true, None, before, (1, 900), 1_000, SignIn),
            (true, None, before, (1, 1_000), 1_000, SignIn),
            (true, None, before, (2, 1_001), 1_001, Done),
            // A new session counts even if the clock was set back.
            (true, None, before, (2, 900), 1_001, Done),
            (true, None, None, (1, 999), 1_000, SignIn),
            (true, None, None, (1, 1_000), 1_000, Done),
            (true, Some(600), before, (1, 999), 1_000, SignIn),
            // `max_age=0`: the same.
            (false, Some(0), before, (1, 1_000), 1_000, SignIn),
            (false, Some(0), before, (2, 1_001), 1_001, Done),
            (false, Some(0), None, (1, 999), 1_000, SignIn),
            (false, Some(0), None, (1, 1_000), 1_000, Done),
            // `max_age`: so many seconds until now, not until the request arrived.
            (false, Some(100), before, (1, 900), 1_000, Done),
            (false, Some(100), before, (1, 899), 1_000, SignIn),
            (false, Some(100), before, (1, 900), 1_001, SignIn),
            (false, Some(u64::MAX), before, (1, 0), i64::MAX, Done),
            // A sign-in after the request stays recent, however long the consent page is open.
            (false, Some(1), before, (2, 1_001), 1_599, Done),
            (false, Some(1), None, (1, 1_001), 1_599, Done),
            // The clock was set back: the sign-in looks new.
            (false, Some(1), before, (1, 1_500), 1_000, Done),
        ];
        for (login, max_age, started_in, (id, at), now, expected) in cases {
            let prompt = Prompt { login, ..Prompt::default() };
            let request = AuthorizationRequest { prompt, max_age, ..request() };
            let facts = SignInFacts {
                started_in: started_in.map(session),
                session: signed_in(id, at),
                now: Timestamp::from_seconds(now),
                ..facts(&request)
            };
            assert_eq!(
                sign_in_step(&facts),
                expected,
                "{login} {max_age:?} {started_in:?} {id} {at} {now}"
            );
        }
    }

    /// Each case: whether there are other sites, the request names the site or a resource, and an
    /// organization was chosen.
    #[test]
    fn the_site_is_chosen_if_there_are_several_and_nothing_shows_the_right_one() {
        let cases = [
            (true, false, false, false, ChooseSite),
            (false, false, false, false, SignIn),
            (true, true, false, false, SignIn),
            (true, false, true, false, SignIn),
            (true, false, false, true, SignIn),
        ];
        for (has_other_sites, names_site, for_resource, has_chosen_organization, expected) in cases
        {
            let resource = Resource::parse("https://mcp.example").expect("a resource");
            let resources = if for_resource { vec![resource] } else { Vec::new() };
            let request = AuthorizationRequest { names_site, resources, ..request() };
            let facts = SignInFacts { has_other_sites, has_chosen_organization, ..facts(&request) };
            let case =
                format!("{has_other_sites} {names_site} {for_resource} {has_chosen_organization}");

            assert_eq!(sign_in_step(&facts), expected, "{case}");
            let here = SignInFacts { session: signed_in(1, 0), ..facts };
            assert_eq!(sign_in_step(&here), Done, "{case}");
        }
    }

    #[test]
    fn users_who_have_to_sign_in_again_are_not_asked_for_their_site() {
        let request = AuthorizationRequest { max_age: Some(10), ..request() };
        let session = signed_in(1, 0);
        let facts = SignInFacts {
            session,
            started_in: Some(self::session(1)),
            has_other_sites: true,
            ..facts(&request)
        };

        assert_eq!(sign_in_step(&facts), SignIn);
    }

    /// The chosen organization, the suggested one, those of the user, and the step.
    type OrganizationCase<'a> = (Option<u128>, Option<u128>, &'a [u128], OrganizationStep);

    #[test]
    fn the_organization_is_the_chosen_one_or_the_suggested_one_or_the_only_one() {
        use OrganizationStep::{Act, Choose, NoOrganization};
        let org = |number: u128| OrgId(Uuid::from_u128(number));
        let cases: [OrganizationCase<'_>; 11] = [
            (None, None, &[], NoOrganization),
            (Some(1), Some(1), &[], NoOrganization),
            (None, None, &[1], Act(org(1))),
            (None, None, &[1, 2], Choose),
            (Some(2), None, &[1, 2], Act(org(2))),
            (None, Some(2), &[1, 2], Act(org(2))),
            (Some(1), Some(2), &[1, 2], Act(org(1))),
            // The user is not a member of the chosen organization, or not anymore.
            (Some(3), None, &[1, 2], Choose),
            (None, Some(3), &[1, 2], Choose),
            (Some(3), Some(2), &[1, 2], Choose),
            (Some(3), Some(3), &[1], Act(org(1))),
        ];
        for (chosen, suggested, theirs, expected) in cases {
            let organizations: Vec<_> =
                theirs.iter().map(|number| (org(*number), format!("Org {number}"))).collect();
            let step = organization_step(chosen.map(org), suggested.map(org), &organizations);
            assert_eq!(step, expected, "{chosen:?} {suggested:?} {theirs:?}");
        }
    }

    #[test]
    fn without_pages_the_client_is_told_what_the_user_would_have_to_do() {
        let cases = [
            (Interaction::SignIn, "login_required: the user has to sign in"),
            (Interaction::ChoosePassword, "login_required: the user has to sign in"),
            (Interaction::ChooseSite, "login_required: the user has to sign in"),
            (
                Interaction::ChooseOrganization,
                "interaction_required: the user has to choose an organization",
            ),
            (Interaction::Consent, "consent_required: the user has to consent"),
        ];
        for (interaction, expected) in cases {
            assert_eq!(interaction.refusal().to_string(), expected);
        }
    }
}
