//! The query parameters of the authorized-clients endpoints: `include`, `filter` and `sort`.

use crate::db::authorizations::own::OwnFilter;
use crate::db::authorizations::{AuthorizationFilter, Order};
use crate::db::orgs::org_clients::AuthorizedFilter;
use crate::http::api::page::{Page, flag};
use crate::http::error::ApiError;
use crate::rules::syntax::parameters::Parameters;

/// The related resources that the response includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    pub clients: bool,
    pub scopes: bool,
    pub users: bool,
}

/// `oauth2_client.app` comes from the compatible API. This server has no apps, so it includes only
/// the client.
pub const LIST_INCLUDES: [&str; 3] =
    ["oauth2_client", "oauth2_client.app", "user_authorized_clients.user"];
pub const CLIENT_INCLUDES: [&str; 4] =
    ["oauth2_client", "oauth2_client.app", "oauth2_client.scopes", "user_authorized_clients.user"];

pub const OWN_INCLUDES: [&str; 2] = ["oauth2_client", "oauth2_client.app"];

pub const CLIENT_SORTS: [&str; 1] = ["oauth2_client.name"];
pub const USER_SORTS: [&str; 3] = ["user.name", "user.email", "oauth2_client.name"];

impl Include {
    /// Returns `None` if the query has no `include`; then the response has no `included`.
    pub fn for_list(query: &Parameters) -> Result<Option<Self>, ApiError> {
        Self::parse(query, &LIST_INCLUDES)
    }

    pub fn for_client(query: &Parameters) -> Result<Option<Self>, ApiError> {
        Self::parse(query, &CLIENT_INCLUDES)
    }

    pub fn for_own(query: &Parameters) -> Result<Option<Self>, ApiError> {
        Self::parse(query, &OWN_INCLUDES)
    }

    fn parse(query: &Parameters, known: &[&str]) -> Result<Option<Self>, ApiError> {
        let Some(text) = query.get("include") else { return Ok(None) };
        let mut include = Self::default();
        for name in text.split(',').map(str::trim) {
            if !known.contains(&name) {
                return Err(ApiError::bad_parameter(
                    "include",
                    format!(
                        "include must be a comma-separated list of these: {}",
                        known.join(", ")
                    ),
                ));
            }
            include.users |= name == "user_authorized_clients.user";
            include.clients |= name.starts_with("oauth2_client");
            include.scopes |= name == "oauth2_client.scopes";
        }
        Ok(Some(include))
    }
}

pub fn authorized_filter(query: &Parameters, page: Page) -> Result<AuthorizedFilter, ApiError> {
    let sort = sort(query, &CLIENT_SORTS)?;
    // Both parameters search the name, since clients have no title or description. If both are
    // sent, both must match.
    let anywhere = query.get("filter");
    let in_name = query.get("filter[oauth2_client][name]");
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

pub fn authorization_filter(
    query: &Parameters,
    page: Page,
) -> Result<AuthorizationFilter, ApiError> {
    let sort = sort(query, &USER_SORTS)?;
    let order = match sort {
        Some(("user.name", _)) => Order::UserName,
        Some(("user.email", _)) => Order::UserEmail,
        // The other sort is by client name, but all rows have the same client.
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

pub fn own_filter(query: &Parameters, page: Page) -> Result<OwnFilter, ApiError> {
    Ok(OwnFilter {
        client_name: query.get("filter").map(str::to_owned),
        revoked: flag(query, "filter[disabled]")?,
        size: page.size,
        number: page.number,
    })
}

/// The sort field, and whether the order is descending.
fn sort(
    query: &Parameters,
    known: &[&'static str],
) -> Result<Option<(&'static str, bool)>, ApiError> {
    let Some(text) = query.get("sort") else { return Ok(None) };
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let found = known.iter().find(|known| **known == name);
    let found = found.ok_or_else(|| {
        ApiError::bad_parameter(
            "sort",
            format!(
                "sort must be one of these, with a leading - for descending order: {}",
                known.join(", ")
            ),
        )
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
    fn include_accepts_known_names_and_adds_the_resources_in_between() {
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
            assert_eq!(Include::for_client(&query(text)).ok(), expected, "{text}");
        }
        assert!(Include::for_list(&query("include=oauth2_client.scopes")).is_err());
    }

    #[test]
    fn a_sort_is_a_known_name_with_at_most_one_minus() {
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
