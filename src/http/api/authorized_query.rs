//! What may be asked of the authorized-clients endpoints: what is included, filtered by, and sorted by.

use crate::db::authorizations::{AuthorizationFilter, Order};
use crate::db::orgs::org_clients::AuthorizedFilter;
use crate::http::api::page::{Page, flag, wrong};
use crate::http::error::ApiError;
use crate::rules::syntax::parameters::Parameters;

/// What is told beside what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    pub clients: bool,
    pub scopes: bool,
    pub users: bool,
}

/// `oauth2_client.app` is of the compatible API: nothing is an app here, so it includes the client alone.
pub const OF_LIST: [&str; 3] = ["oauth2_client", "oauth2_client.app", "user_authorized_clients.user"];
pub const OF_ONE: [&str; 4] =
    ["oauth2_client", "oauth2_client.app", "oauth2_client.scopes", "user_authorized_clients.user"];

/// Of the clients of an organisation.
pub const SORTS_OF_CLIENTS: [&str; 1] = ["oauth2_client.name"];
/// Of the users of a client.
pub const SORTS_OF_USERS: [&str; 3] = ["user.name", "user.email", "oauth2_client.name"];

impl Include {
    /// `None`: nothing was asked for, and the answer has no `included`.
    pub fn of_list(query: &Parameters) -> Result<Option<Self>, ApiError> {
        Self::parse(query, &OF_LIST)
    }

    pub fn of_one(query: &Parameters) -> Result<Option<Self>, ApiError> {
        Self::parse(query, &OF_ONE)
    }

    fn parse(query: &Parameters, known: &[&str]) -> Result<Option<Self>, ApiError> {
        let Some(text) = query.get("include") else { return Ok(None) };
        let mut include = Self::default();
        for name in text.split(',').map(str::trim) {
            if !known.contains(&name) {
                return Err(wrong("include", format!("include is a list of these: {}", known.join(", "))));
            }
            include.users |= name == "user_authorized_clients.user";
            include.clients |= name.starts_with("oauth2_client");
            include.scopes |= name == "oauth2_client.scopes";
        }
        Ok(Some(include))
    }
}

pub fn authorized_filter(query: &Parameters, page: Page) -> Result<AuthorizedFilter, ApiError> {
    let sort = sort(query, &SORTS_OF_CLIENTS)?;
    // Both search the name: there are no titles and descriptions besides. Where both are there, both have to match.
    let (anywhere, in_name) = (query.get("filter"), query.get("filter[oauth2_client][name]"));
    Ok(AuthorizedFilter {
        name: in_name.or(anywhere).map(str::to_owned),
        also_in_name: in_name.and(anywhere).map(str::to_owned),
        disabled: flag(query, "filter[disabled]")?,
        by_name: sort.is_some(),
        descending: sort.is_some_and(|(_, descending)| descending),
        size: page.size,
        number: page.number,
    })
}

pub fn authorization_filter(query: &Parameters, page: Page) -> Result<AuthorizationFilter, ApiError> {
    let sort = sort(query, &SORTS_OF_USERS)?;
    let order = match sort {
        Some(("user.name", _)) => Order::UserName,
        Some(("user.email", _)) => Order::UserEmail,
        // They are all of one client.
        _ => Order::Age,
    };
    Ok(AuthorizationFilter {
        revoked: flag(query, "filter[disabled]")?,
        user_name: query.get("filter[user][name]").map(str::to_owned),
        user_email: query.get("filter[user][email]").map(str::to_owned),
        user_disabled: flag(query, "filter[user][disabled]")?,
        order,
        descending: sort.is_some_and(|(_, descending)| descending),
        size: page.size,
        number: page.number,
    })
}

/// By what, and whether from the end.
fn sort(query: &Parameters, known: &[&'static str]) -> Result<Option<(&'static str, bool)>, ApiError> {
    let Some(text) = query.get("sort") else { return Ok(None) };
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let found = known.iter().find(|known| **known == name);
    let found = found.ok_or_else(|| {
        wrong("sort", format!("sort is one of these, with a - before it for descending: {}", known.join(", ")))
    })?;
    Ok(Some((found, descending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Parameters {
        Parameters::from_query(text).expect("a query")
    }

    #[test]
    fn what_is_included_is_one_of_a_list_and_brings_what_stands_between() {
        let (clients, scopes, users) = (true, true, true);
        let cases = [
            ("", Some(None)),
            ("include=oauth2_client", Some(Some(Include { clients, ..Include::default() }))),
            ("include=oauth2_client.app", Some(Some(Include { clients, ..Include::default() }))),
            ("include=oauth2_client.scopes", Some(Some(Include { clients, scopes, users: false }))),
            (
                "include=oauth2_client,user_authorized_clients.user",
                Some(Some(Include { clients, scopes: false, users })),
            ),
            ("include=oauth2_client,", None),
            ("include=user", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Include::of_one(&query(text)).ok(), expected, "{text}");
        }
        assert!(Include::of_list(&query("include=oauth2_client.scopes")).is_err());
    }

    #[test]
    fn a_sort_is_one_of_a_list_with_one_minus_at_most() {
        let cases = [
            ("", Some(None)),
            ("sort=user.name", Some(Some(("user.name", false)))),
            ("sort=-user.email", Some(Some(("user.email", true)))),
            ("sort=--user.email", None),
            ("sort=id", None),
        ];
        for (text, expected) in cases {
            assert_eq!(sort(&query(text), &["user.name", "user.email"]).ok(), expected, "{text}");
        }
    }
}
