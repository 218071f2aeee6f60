//! The management API of clients: their restrictions, and who has authorized them.

use crate::http::api::{
    default_scopes_restriction, oauth2_clients, org_authorized_clients, scopes_restriction,
    user_authorized_clients,
};
use crate::http::extract::{
    AppsRead, AppsReadOrIntegrations, AppsWrite, OrgManagement, OwnApps, OwnClients,
    OwnClientsManage,
};
use crate::http::middleware::policy::Policy;
use crate::http::openapi::clients as describe;
use crate::http::openapi::{partners, private_clients};
use crate::http::routes::route::{Route, delete, get, patch, post};

pub fn restrictions() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/oauth2/clients/{client_uuid}/scopes_restriction",
            policy: Policy::JSON_API,
            operations: vec![
                get(AppsRead, scopes_restriction::show).described(describe::show_restriction),
                post(AppsWrite, scopes_restriction::upsert).described(describe::upsert_restriction),
                delete(AppsWrite, scopes_restriction::lift).described(describe::lift_restriction),
            ],
        },
        Route {
            path: "/api/v2/oauth2/default_scopes_restriction",
            policy: Policy::JSON_API,
            operations: vec![
                get(AppsRead, default_scopes_restriction::show)
                    .described(describe::show_default_restriction),
                post(OrgManagement, default_scopes_restriction::upsert)
                    .described(describe::upsert_default_restriction),
                delete(OrgManagement, default_scopes_restriction::lift)
                    .described(describe::lift_default_restriction),
            ],
        },
    ]
}

pub fn authorized_clients() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/org_authorized_clients",
            policy: Policy::JSON_API,
            operations: vec![
                get(AppsReadOrIntegrations, org_authorized_clients::list)
                    .described(describe::list_clients),
            ],
        },
        Route {
            path: "/api/v2/org_authorized_clients/{org_authorized_client_id}",
            policy: Policy::JSON_API,
            operations: vec![
                get(AppsRead, org_authorized_clients::show).described(describe::show_client),
                patch(AppsWrite, org_authorized_clients::update).described(describe::update_client),
                delete(AppsWrite, org_authorized_clients::delete)
                    .described(describe::disable_client),
            ],
        },
        Route {
            path: "/api/v2/org_authorized_clients/{org_authorized_client_id}/user_authorized_clients",
            policy: Policy::JSON_API,
            operations: vec![
                get(AppsRead, org_authorized_clients::list_users).described(describe::list_users),
            ],
        },
        Route {
            path: "/api/v2/org_authorized_clients/{org_authorized_client_id}/user_authorized_clients/{user_authorized_client_id}",
            policy: Policy::JSON_API,
            operations: vec![
                delete(AppsWrite, org_authorized_clients::delete_authorization)
                    .described(describe::end_authorization),
            ],
        },
        Route {
            path: "/api/v2/org_authorized_clients/{org_authorized_client_id}/user/{user_id}",
            policy: Policy::JSON_API,
            operations: vec![
                delete(AppsWrite, org_authorized_clients::delete_of_user)
                    .described(describe::end_authorizations_of_user),
            ],
        },
    ]
}

pub fn own_authorizations() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/user_authorized_clients",
            policy: Policy::JSON_API,
            operations: vec![
                get(OwnApps, user_authorized_clients::list).described(describe::list_own),
            ],
        },
        Route {
            path: "/api/v2/user_authorized_clients/{user_authorized_client_id}",
            policy: Policy::JSON_API,
            operations: vec![
                get(OwnApps, user_authorized_clients::show).described(describe::show_own),
                delete(OwnApps, user_authorized_clients::delete).described(describe::end_own),
            ],
        },
        Route {
            path: "/api/v2/user_authorized_clients/client/{client_id}",
            policy: Policy::JSON_API,
            operations: vec![
                delete(OwnApps, user_authorized_clients::delete_of_client)
                    .described(describe::end_own_of_client),
            ],
        },
    ]
}

pub fn own_clients() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/oauth2_clients",
            policy: Policy::JSON_API,
            operations: vec![
                get(OwnClients, oauth2_clients::list).described(private_clients::list),
                post(OwnClients, oauth2_clients::create).described(private_clients::create),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}",
            policy: Policy::JSON_API,
            operations: vec![
                get(OwnClients, oauth2_clients::show).described(private_clients::show),
                patch(OwnClients, oauth2_clients::update).described(private_clients::update),
                delete(OwnClientsManage, oauth2_clients::delete).described(private_clients::delete),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/submit",
            policy: Policy::JSON_API,
            operations: vec![
                post(OwnClientsManage, oauth2_clients::versions::submit)
                    .described(partners::submit),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/withdraw",
            policy: Policy::JSON_API,
            operations: vec![
                post(OwnClientsManage, oauth2_clients::versions::withdraw)
                    .described(partners::withdraw),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/versions",
            policy: Policy::JSON_API,
            operations: vec![
                get(OwnClients, oauth2_clients::versions::list).described(partners::list_versions),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/versions/{version_id}",
            policy: Policy::JSON_API,
            operations: vec![
                get(OwnClients, oauth2_clients::versions::show).described(partners::show_version),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/scopes",
            policy: Policy::JSON_API,
            operations: vec![
                get(OwnClients, oauth2_clients::scopes).described(private_clients::scopes),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/client_secret",
            policy: Policy::JSON_API,
            operations: vec![
                post(OwnClients, oauth2_clients::secrets::generate)
                    .described(private_clients::generate_secret),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/client_secret/regenerate",
            policy: Policy::JSON_API,
            operations: vec![
                post(OwnClients, oauth2_clients::secrets::regenerate)
                    .described(private_clients::regenerate_secret),
            ],
        },
        Route {
            path: "/api/v2/oauth2_clients/{client_id}/client_secret/{secret_id}",
            policy: Policy::JSON_API,
            operations: vec![
                delete(OwnClients, oauth2_clients::secrets::end)
                    .described(private_clients::end_secret),
            ],
        },
    ]
}
