//! `api.md` and the pages in `api`: every operation of the OpenAPI document.

mod objects;
mod operation;

use std::collections::BTreeSet;

use grantor::http::openapi_document;
use serde_json::Value;

use super::{Page, compare, has_no_other_page};
use crate::docs::markdown::{anchor, code, escape, paragraph, sentence, table};
use objects::{Objects, reachable};
use operation::{Operation, body, credential};

/// The pages with their titles and how their paths begin. The first that fits is the page of a path.
const PAGES: [(&str, &str, &[&str]); 19] = [
    (
        "api/registration.md",
        "API: registration and metadata",
        &[
            "/api/v2/oauth2/register",
            "/.well-known/",
            "/api/v2/oauth2/.well-known/",
            "/oauth2/v1/jwks",
            "/openapi.json",
        ],
    ),
    ("api/tokens.md", "API: tokens", &["/oauth2/v1/", "/api/v2/oauth2/token"]),
    ("api/apps.md", "API: authorized apps", &["/api/v2/org_authorized_clients"]),
    (
        "api/client-secrets.md",
        "API: secrets of your organization's own clients",
        &["/api/v2/oauth2_clients/{client_id}/client_secret"],
    ),
    (
        "api/publishing.md",
        "API: publishing clients of your organization",
        &[
            "/api/v2/oauth2_clients/{client_id}/submit",
            "/api/v2/oauth2_clients/{client_id}/withdraw",
            "/api/v2/oauth2_clients/{client_id}/versions",
            "/api/v2/published_oauth2_clients",
        ],
    ),
    ("api/audit.md", "API: the audit trail", &["/api/v2/audit/events"]),
    ("api/reviews.md", "API: reviews", &["/api/v2/oauth2_client_reviews"]),
    ("api/partners.md", "API: partners", &["/api/v2/partners"]),
    ("api/own-clients.md", "API: your organization's own clients", &["/api/v2/oauth2_clients"]),
    ("api/api-keys.md", "API: API keys of your organization", &["/api/v2/api_keys"]),
    (
        "api/application-keys.md",
        "API: your own application keys",
        &["/api/v2/current_user/application_keys"],
    ),
    (
        "api/invitations.md",
        "API: invitations",
        &["/api/v2/user_invitations", "/api/v2/users/{user_id}/invitations"],
    ),
    ("api/users.md", "API: users of your organization", &["/api/v2/users", "/api/v2/current_user"]),
    ("api/roles.md", "API: roles and permissions", &["/api/v2/roles", "/api/v2/permissions"]),
    ("api/own-apps.md", "API: your own apps", &["/api/v2/user_authorized_clients"]),
    (
        "api/restrictions.md",
        "API: restrictions",
        &["/api/v2/oauth2/clients/", "/api/v2/oauth2/default_scopes_restriction"],
    ),
    ("api/webhooks.md", "API: webhooks", &["/api/v1/integration/webhooks/configuration/webhooks"]),
    (
        "api/webhook-variables.md",
        "API: webhook variables",
        &["/api/v1/integration/webhooks/configuration/custom-variables"],
    ),
    (
        "api/auth-methods.md",
        "API: auth methods of webhooks",
        &["/api/v2/integration/webhooks/configuration/auth-method"],
    ),
];

const INDEX: &str = "\
# API reference

This page is generated from the OpenAPI document, which `grantor openapi` prints. Every server has it at
`/openapi.json`.

Paths begin at `http.public_url`. [Decide what apps may do](../decide-what-apps-may-do.md) and
[Webhooks](../webhooks.md) show requests and responses.
";

const PERMISSIONS: &str = "\
Keys have the permissions of their user's role. An access token must also have the scope that the operation names. See
[Users, roles and permissions](roles-and-permissions.md#permissions-in-the-management-api).
";

const INTRODUCTION: &str = "\
This page is generated from the OpenAPI document. The [API reference](../api.md) lists all operations, and describes
credentials and errors.
";

#[test]
fn the_pages_describe_every_operation() {
    let document = openapi_document("http://127.0.0.1:8080");
    let operations = Operation::all(&document);
    let shared = reachable(&document, &document["components"]["responses"]);
    let objects = |index| Objects { document: &document, shared: &shared, index };

    let mut pages = Vec::new();
    let mut rows = Vec::new();
    let mut described = 0;
    for (path, title, _) in PAGES {
        let here: Vec<&Operation<'_>> =
            operations.iter().filter(|operation| page_of(operation) == Some(path)).collect();
        described += here.len();
        rows.extend(here.iter().flat_map(|operation| index_rows(operation, path)));
        pages.push(Page::new(path, page(title, &here, &objects("../api.md"))));
    }
    assert_eq!(described, operations.len(), "each path is on one of the PAGES");
    pages.push(Page::new("api.md", index(rows, &objects(""))));
    compare(&pages);
    has_no_other_page("api", &pages);
}

fn page_of(operation: &Operation<'_>) -> Option<&'static str> {
    let (_, path) = operation.endpoints.first()?;
    let fits = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    PAGES.into_iter().find(|(_, _, prefixes)| fits(prefixes)).map(|(page, _, _)| page)
}

fn index_rows(operation: &Operation<'_>, page: &str) -> Vec<[String; 2]> {
    let summary = operation.summary();
    let link = format!("[{}]({page}#{})", escape(summary), anchor(summary));
    operation
        .endpoints
        .iter()
        .map(|(method, path)| [code(&format!("{method} {path}")), link.clone()])
        .collect()
}

fn page(title: &str, operations: &[&Operation<'_>], objects: &Objects<'_>) -> String {
    let sections: Vec<String> =
        operations.iter().map(|operation| operation.section(objects)).collect();
    let mut names = BTreeSet::new();
    for operation in operations {
        names.extend(reachable(objects.document, operation.described));
    }
    let own: Vec<String> =
        names.difference(objects.shared).map(|name| objects.section(name)).collect();
    let mut page = format!("# {title}\n\n{INTRODUCTION}\n{}", sections.join("\n"));
    if !own.is_empty() {
        page += &format!("\n## Objects\n\n{}", own.join("\n"));
    }
    page
}

fn index(operations: Vec<[String; 2]>, objects: &Objects<'_>) -> String {
    let components = &objects.document["components"];
    let schemes = members(&components["securitySchemes"]);
    let credentials = schemes.map(|(name, scheme)| {
        let description = scheme["description"].as_str().unwrap_or_default();
        [credential(name).to_owned(), header(scheme), escape(description)]
    });
    let errors: Vec<String> = members(&components["responses"])
        .map(|(name, error)| response(name, error, objects))
        .collect();
    let described: Vec<String> = objects.shared.iter().map(|name| objects.section(name)).collect();
    [
        INDEX.to_owned(),
        format!("## Credentials\n\n{}", table(["credential", "header", "notes"], credentials)),
        PERMISSIONS.to_owned(),
        format!("## Operations\n\n{}", table(["operation", "purpose"], operations)),
        format!("## Error responses\n\n{}", errors.join("\n")),
        format!("## Objects in errors\n\n{}", described.join("\n")),
    ]
    .join("\n")
}

/// A response that several operations share.
fn response(name: &str, response: &Value, objects: &Objects<'_>) -> String {
    let description = response["description"].as_str().expect("a description");
    let headers: Vec<String> = members(&response["headers"]).map(|(name, _)| code(name)).collect();
    let mut section = format!(
        "### {name}\n\n{}\n* Body: {}\n",
        paragraph(&escape(&sentence(description))),
        body(response, objects)
    );
    if !headers.is_empty() {
        section += &format!("* Headers: {}\n", headers.join(", "));
    }
    section
}

/// The header that a credential is sent in.
fn header(scheme: &Value) -> String {
    match (scheme["name"].as_str(), scheme["scheme"].as_str()) {
        (Some(name), _) => code(name),
        (None, Some("bearer")) => code("Authorization: Bearer"),
        (None, Some("basic")) => code("Authorization: Basic"),
        _ => panic!("how is this sent? {scheme}"),
    }
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
