//! The query parameters of lists of people.

use crate::db::orgs::people::PersonFilter;
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::rules::identity::permission::Role;
use crate::rules::identity::person::{PersonSort, PersonSortError, PersonStatus};
use crate::rules::syntax::parameters::Parameters;

/// `role` limits the list to people with this role.
pub fn person_filter(query: &Parameters, role: Option<Role>) -> Result<PersonFilter, ApiError> {
    const STATUS: &str = "filter[status]";
    let Page { size, number } = Page::parse(query)?;
    let statuses = query.get(STATUS).map(PersonStatus::parse_list).transpose();
    let statuses = statuses.map_err(|error| {
        ApiError::bad_parameter(STATUS, format!("{STATUS} is a comma-separated list: {error}"))
    })?;
    let sort = PersonSort::parse(query.get("sort"), query.get("sort_dir")).map_err(|error| {
        let name = match error {
            PersonSortError::Order => "sort",
            PersonSortError::Direction => "sort_dir",
        };
        ApiError::bad_parameter(name, error.to_string())
    })?;
    let text = query.get("filter").map(str::to_owned);
    Ok(PersonFilter { text, statuses: statuses.unwrap_or_default(), role, sort, size, number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Source;
    use crate::rules::identity::person::PersonOrder;

    fn filter(text: &str) -> Result<PersonFilter, ApiError> {
        person_filter(&Parameters::from_query(text).expect("a query"), Some(Role::Admin))
    }

    #[test]
    fn every_parameter_is_read() {
        let found = filter(
            "page[size]=5&page[number]=2&sort=email&sort_dir=desc&filter=ada&filter[status]=Active,Pending",
        );

        let found = found.expect("a filter");
        assert_eq!((found.size, found.number, found.role), (5, 2, Some(Role::Admin)));
        assert_eq!(found.text.as_deref(), Some("ada"));
        assert_eq!(found.statuses, [PersonStatus::Active, PersonStatus::Pending]);
        assert_eq!(found.sort, PersonSort { by: PersonOrder::Email, descending: true });
        assert_eq!(filter("").expect("a filter").sort, PersonSort::default());
    }

    #[test]
    fn an_error_names_its_parameter() {
        let cases = [
            ("page[size]=0", "page[size]"),
            ("sort=title", "sort"),
            ("sort_dir=up", "sort_dir"),
            ("filter[status]=active", "filter[status]"),
        ];
        for (text, name) in cases {
            match filter(text).expect_err("an error") {
                ApiError::BadRequest { source: Source::Parameter(found), .. } => {
                    assert_eq!(found, name, "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
