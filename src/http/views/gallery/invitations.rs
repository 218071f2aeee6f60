//! The page of an invitation.

use super::*;
use crate::rules::identity::permission::Role;

pub(super) fn states() -> Vec<State> {
    let too_many = LoginFailure::TooMany { seconds: 40 };
    let common = PasswordFailure::Weak(PasswordError::Common);
    let steps = [
        ("new", InvitationStep::ChoosePassword(None)),
        ("new_weak", InvitationStep::ChoosePassword(Some(common))),
        ("sign_in", InvitationStep::SignIn(None)),
        ("sign_in_wrong", InvitationStep::SignIn(Some(LoginFailure::WrongCredentials))),
        ("sign_in_too_many", InvitationStep::SignIn(Some(too_many))),
        ("sign_in_busy", InvitationStep::SignIn(Some(LoginFailure::Busy))),
        ("accept", InvitationStep::Accept),
        ("other_account", InvitationStep::OtherAccount("other@example.com".to_owned())),
    ];
    let mut states: Vec<State> = steps
        .into_iter()
        .map(|(name, step)| {
            let render = move |language| invitation(step.clone()).render(language);
            state(format!("invitation_{name}"), render)
        })
        .collect();
    for role in Role::ALL {
        let page = move |language| {
            let shown = invitation(InvitationStep::Accept);
            InvitationPage { role, invited_by: None, ..shown }.render(language)
        };
        states.push(state(format!("invitation_as_{role}"), page));
    }
    states.push(state("invitation_gone", |language| InvitationGonePage.render(language)));
    states
}

pub fn invitation(step: InvitationStep) -> InvitationPage {
    InvitationPage {
        action: "/invitation/V2hhdCBpcyBkZWNpZGVkIGFib3V0".to_owned(),
        csrf: CSRF.to_owned(),
        org_name: "Example Works".to_owned(),
        role: Role::Standard,
        invited_by: Some("admin@example.com".to_owned()),
        email: EMAIL.to_owned(),
        step,
    }
}
