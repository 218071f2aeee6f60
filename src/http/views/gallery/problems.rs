//! The error pages.

use super::*;

pub(super) fn states() -> Vec<State> {
    let numbered = problems().into_iter().enumerate();
    let states = numbered.map(|(index, problem)| {
        let render = move |language| problem_page(problem.clone()).render(language);
        state(format!("problem_{index}"), render)
    });
    states.collect()
}

pub fn problems() -> Vec<Problem> {
    vec![
        Problem::UnknownClient,
        Problem::MismatchingRedirect,
        Problem::RequestExpired,
        Problem::BadRequest(
            "redirect_uri is missing: send one of those that the client registered".to_owned(),
        ),
        Problem::Forbidden,
        Problem::TooMany,
        Problem::TooManyWaiting,
        Problem::Unavailable,
        Problem::NotFound,
        Problem::NoOrganization,
        Problem::DocumentUnusable(
            "the document at https://assistant.example/client.json is longer than 5 KiB".to_owned(),
        ),
    ]
}

fn problem_page(problem: Problem) -> ProblemPage {
    let is_redirect = problem == Problem::MismatchingRedirect;
    let error_text = is_redirect.then(|| "invalid_request - Mismatching redirect URI.".to_owned());
    let facts = is_redirect.then(|| RefusedRequest {
        client_id: Some("0f0f0f0f-36a6-41f0-b21b-da7ad0900002".to_owned()),
        redirect_uri: Some(format!("https://assistant.example/{}", "callback/".repeat(20))),
        registered: vec![
            "https://assistant.example/oauth/callback".to_owned(),
            "http://127.0.0.1/cb".to_owned(),
        ],
        more: 3,
    });
    let reference = (problem != Problem::NotFound).then(|| "9f86d081884c7d65".to_owned());
    ProblemPage { status: StatusCode::BAD_REQUEST, problem, error_text, reference, facts }
}
