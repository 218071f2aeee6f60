//! The link with which an invited person joins an organization.

use crate::secret::Secret;

/// The path of the page, to which the token is appended.
pub const INVITATION_PATH: &str = "/invitation/";

/// The only URL that contains a token. Logs name the path of its route instead.
pub fn invitation_link(public_url: &str, token: &Secret) -> String {
    format!("{public_url}{INVITATION_PATH}{}", token.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_page_of_this_server() {
        let link = invitation_link("https://auth.example", &Secret::new("abc".to_owned()));

        assert_eq!(link, "https://auth.example/invitation/abc");
    }
}
