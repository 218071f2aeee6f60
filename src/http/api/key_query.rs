//! The query parameters of the key endpoints: `sort`, `filter` and `include`.

use std::collections::BTreeSet;

use crate::db::keys::api_keys::ApiKeyFilter;
use crate::db::keys::application_keys::ApplicationKeyFilter;
use crate::http::api::page::Page;
use crate::http::error::ApiError;
use crate::rules::identity::key_query::{
    CategoryFilter, KeyOrder, KeySort, TimeRange, TimeRangeError,
};
use crate::rules::syntax::parameters::Parameters;

pub const API_KEY_INCLUDES: [&str; 2] = ["created_by", "modified_by"];
pub const APPLICATION_KEY_INCLUDES: [&str; 1] = ["owned_by"];

/// The parameters of a range.
struct RangeNames {
    start: &'static str,
    end: &'static str,
}

const CREATED_AT: RangeNames =
    RangeNames { start: "filter[created_at][start]", end: "filter[created_at][end]" };
const MODIFIED_AT: RangeNames =
    RangeNames { start: "filter[modified_at][start]", end: "filter[modified_at][end]" };

pub fn api_key_filter(query: &Parameters) -> Result<ApiKeyFilter, ApiError> {
    let Page { size, number } = Page::parse(query)?;
    Ok(ApiKeyFilter {
        name: query.get("filter").map(str::to_owned),
        created_at: range(query, &CREATED_AT)?,
        modified_at: range(query, &MODIFIED_AT)?,
        category: query.get("filter[category]").map(CategoryFilter::parse),
        sort: sort(query, &KeyOrder::OF_API_KEYS)?,
        size,
        number,
    })
}

pub fn application_key_filter(query: &Parameters) -> Result<ApplicationKeyFilter, ApiError> {
    let Page { size, number } = Page::parse(query)?;
    Ok(ApplicationKeyFilter {
        name: query.get("filter").map(str::to_owned),
        created_at: range(query, &CREATED_AT)?,
        sort: sort(query, &KeyOrder::OF_APPLICATION_KEYS)?,
        size,
        number,
    })
}

/// The related users that the response includes. `None` if the query has no `include`; then the
/// response has no `included`.
pub fn include<'a>(
    query: &'a Parameters,
    known: &[&str],
) -> Result<Option<BTreeSet<&'a str>>, ApiError> {
    let Some(text) = query.get("include") else { return Ok(None) };
    let names: BTreeSet<&str> = text.split(',').map(str::trim).collect();
    if names.iter().all(|name| known.contains(name)) {
        return Ok(Some(names));
    }
    let known = known.join(", ");
    let detail = format!("include must be a comma-separated list of these: {known}");
    Err(ApiError::bad_parameter("include", detail))
}

fn sort(query: &Parameters, known: &[KeyOrder]) -> Result<KeySort, ApiError> {
    let Some(text) = query.get("sort") else { return Ok(KeySort::default()) };
    KeySort::parse(text, known).map_err(|error| ApiError::bad_parameter("sort", error.to_string()))
}

fn range(query: &Parameters, names: &RangeNames) -> Result<TimeRange, ApiError> {
    TimeRange::parse(query.get(names.start), query.get(names.end)).map_err(|error| {
        let name = match error {
            TimeRangeError::Start => names.start,
            TimeRangeError::End => names.end,
        };
        ApiError::bad_parameter(name, format!("{name}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Source;
    use crate::rules::timestamp::Timestamp;

    fn query(text: &str) -> Parameters {
        Parameters::from_query(text).expect("a query")
    }

    fn parameter(error: ApiError) -> Option<&'static str> {
        match error {
            ApiError::BadRequest { source: Source::Parameter(name), .. } => Some(name),
            _ => None,
        }
    }

    #[test]
    fn every_parameter_of_a_list_is_read() {
        let all = query(
            "page[size]=5&page[number]=2&sort=-last4&filter=dep&filter[category]=x\
             &filter[created_at][start]=1970-01-01T00:00:01Z&filter[created_at][end]=1970-01-01T00:00:02Z\
             &filter[modified_at][start]=1970-01-01T00:00:03Z&filter[modified_at][end]=1970-01-01T00:00:04Z",
        );
        let range = |start, end| TimeRange {
            start: Some(Timestamp::from_seconds(start)),
            end: Some(Timestamp::from_seconds(end)),
        };

        let of_api_keys = api_key_filter(&all).expect("a filter");
        let of_application_keys = application_key_filter(&all).expect("a filter");

        assert_eq!((of_api_keys.size, of_api_keys.number), (5, 2));
        assert_eq!(of_api_keys.name.as_deref(), Some("dep"));
        assert_eq!(of_api_keys.sort, KeySort { by: KeyOrder::LastFour, descending: true });
        assert_eq!(of_api_keys.category, Some(CategoryFilter::Unknown));
        assert_eq!((of_api_keys.created_at, of_api_keys.modified_at), (range(1, 2), range(3, 4)));
        assert_eq!(of_application_keys.created_at, range(1, 2));
        assert_eq!((of_application_keys.size, of_application_keys.number), (5, 2));
        assert_eq!(of_application_keys.name.as_deref(), Some("dep"));
    }

    #[test]
    fn an_error_names_its_parameter() {
        let cases = [
            ("page[size]=0", "page[size]"),
            ("sort=id", "sort"),
            ("filter[created_at][start]=x", "filter[created_at][start]"),
            ("filter[created_at][end]=x", "filter[created_at][end]"),
            ("filter[modified_at][start]=x", "filter[modified_at][start]"),
            ("filter[modified_at][end]=x", "filter[modified_at][end]"),
        ];
        for (text, name) in cases {
            let error = api_key_filter(&query(text)).expect_err("an error");
            assert_eq!(parameter(error), Some(name), "{text}");
        }
        let error = application_key_filter(&query("sort=modified_at")).expect_err("an error");
        assert_eq!(parameter(error), Some("sort"));
    }

    #[test]
    fn include_accepts_known_names() {
        let names = |text| {
            let query = query(text);
            include(&query, &API_KEY_INCLUDES)
                .map(|found| found.map(|names| names.into_iter().collect::<Vec<_>>().join(" ")))
                .map_err(parameter)
        };
        assert_eq!(names(""), Ok(None));
        assert_eq!(names("include=modified_by"), Ok(Some("modified_by".to_owned())));
        let both = "created_by modified_by".to_owned();
        assert_eq!(names("include=modified_by,created_by"), Ok(Some(both)));
        for text in ["include=created_by,", "include=owned_by"] {
            assert_eq!(names(text), Err(Some("include")), "{text}");
        }
    }
}
