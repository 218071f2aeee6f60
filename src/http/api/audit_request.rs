//! Parses searches of the audit trail: the query of a GET, or the body of a POST.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::http::error::ApiError;
use crate::http::extract::JsonBody;
use crate::rules::audit::query::AuditQuery;
use crate::rules::audit::since::parse_relative;
use crate::rules::syntax::json_object::ObjectOf;
use crate::rules::syntax::parameters::Parameters;
use crate::rules::timestamp::Timestamp;

pub struct AuditSearch {
    text: String,
    pub query: AuditQuery,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub is_ascending: bool,
    pub limit: u32,
    /// The last event of the page before.
    pub after: Option<Uuid>,
}

const PATH: &str = "/api/v2/audit/events";
const DEFAULT_LIMIT: u32 = 10;
const MAX_LIMIT: u32 = 1_000;

/// The members of a search, as they were sent.
#[derive(Default)]
struct Sent<'a> {
    query: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    sort: Option<&'a str>,
    limit: Option<u32>,
    cursor: Option<&'a str>,
}

impl AuditSearch {
    pub fn of_query(query: &Parameters, now: Timestamp) -> Result<Self, ApiError> {
        let limit = query.get("page[limit]").map(|text| text.parse().unwrap_or(0));
        let sent = Sent {
            query: query.get("filter[query]"),
            from: query.get("filter[from]"),
            to: query.get("filter[to]"),
            sort: query.get("sort"),
            limit,
            cursor: query.get("page[cursor]"),
        };
        Self::parse(&sent, now)
    }

    fn parse(sent: &Sent<'_>, now: Timestamp) -> Result<Self, ApiError> {
        let text = sent.query.unwrap_or_default();
        let query = AuditQuery::parse(text)
            .map_err(|error| ApiError::bad_parameter("filter[query]", error.to_string()))?;
        let is_ascending = match sent.sort {
            None | Some("-timestamp") => false,
            Some("timestamp") => true,
            Some(_) => {
                let detail = "sort must be timestamp or -timestamp";
                return Err(ApiError::bad_parameter("sort", detail));
            }
        };
        let limit = sent.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("page[limit] must be a whole number from 1 to {MAX_LIMIT}");
            return Err(ApiError::bad_parameter("page[limit]", detail));
        }
        let cursor = sent.cursor.filter(|cursor| !cursor.is_empty());
        let after = cursor.map(|cursor| decode_cursor(cursor).ok_or(cursor)).transpose();
        let after = after.map_err(|_| {
            let detail = "page[cursor] is not one that this server returned in meta.page.after";
            ApiError::bad_parameter("page[cursor]", detail)
        })?;
        let from = time("filter[from]", sent.from, now)?;
        let to = time("filter[to]", sent.to, now)?;
        Ok(Self { text: text.to_owned(), query, from, to, is_ascending, limit, after })
    }

    /// The path of the next page.
    pub fn next_path(&self, cursor: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.text.is_empty() {
            query.append_pair("filter[query]", &self.text);
        }
        for (name, at) in [("filter[from]", self.from), ("filter[to]", self.to)] {
            if let Some(at) = at {
                query.append_pair(name, &at.to_rfc3339());
            }
        }
        query.append_pair("sort", if self.is_ascending { "timestamp" } else { "-timestamp" });
        query.append_pair("page[limit]", &self.limit.to_string());
        query.append_pair("page[cursor]", cursor);
        format!("{PATH}?{}", query.finish())
    }
}

fn time(
    name: &'static str,
    text: Option<&str>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    parse_relative(text, now).map(Some).ok_or_else(|| {
        let detail = format!("{name} must be a time such as 2026-11-30T08:00:00Z or now-15m");
        ApiError::bad_parameter(name, detail)
    })
}

fn decode_cursor(text: &str) -> Option<Uuid> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    Uuid::from_slice(&bytes).ok()
}

/// The body of a search. Every member may be left out.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SearchRequest {
    filter: ObjectOf<Filter>,
    page: ObjectOf<PageOptions>,
    sort: Option<String>,
    /// Times are UTC.
    #[serde(rename = "options")]
    _options: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Filter {
    query: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PageOptions {
    cursor: Option<String>,
    limit: Option<u32>,
}

impl JsonBody for SearchRequest {
    const MAY_BE_MISSING: bool = true;

    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(bytes).map(|ObjectOf(request)| request).map_err(|_| {
            let detail = "the body is not {\"filter\": {\"query\", \"from\", \"to\"}, \"page\": {\"limit\", \"cursor\"}, \
                          \"sort\"} with strings and a limit that is a number";
            ApiError::bad_member(detail, "")
        })
    }
}

impl SearchRequest {
    pub fn search(&self, now: Timestamp) -> Result<AuditSearch, ApiError> {
        let (ObjectOf(filter), ObjectOf(page)) = (&self.filter, &self.page);
        let sent = Sent {
            query: filter.query.as_deref(),
            from: filter.from.as_deref(),
            to: filter.to.as_deref(),
            sort: self.sort.as_deref(),
            limit: page.limit,
            cursor: page.cursor.as_deref(),
        };
        AuditSearch::parse(&sent, now)
    }
}
