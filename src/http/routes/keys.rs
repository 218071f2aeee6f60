//! The management API of keys.

use crate::http::api::{api_keys, application_keys, marketplace};
use crate::http::extract::{ApiKeysDelete, ApiKeysRead, ApiKeysWrite, OwnKeysRead, OwnKeysWrite};
use crate::http::middleware::policy::Policy;
use crate::http::openapi::keys as describe;
use crate::http::routes::access::bearer;
use crate::http::routes::route::{Route, delete, get, patch, post};
use crate::rules::identity::permission::Permission;

pub fn of_organizations() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/api_keys",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(ApiKeysRead, api_keys::list).described(describe::list_api_keys),
                post(ApiKeysWrite, api_keys::create).described(describe::create_api_key),
            ],
        },
        Route {
            path: "/api/v2/api_keys/marketplace",
            policy: Policy::STRINGS_API,
            operations: vec![
                post(bearer(Permission::ApiKeysWrite.as_str()), marketplace::create)
                    .described(describe::create_marketplace_key),
            ],
        },
        Route {
            path: "/api/v2/api_keys/{api_key_id}",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(ApiKeysRead, api_keys::show).described(describe::show_api_key),
                patch(ApiKeysWrite, api_keys::update).described(describe::update_api_key),
                delete(ApiKeysDelete, api_keys::delete).described(describe::delete_api_key),
            ],
        },
    ]
}

pub fn of_users() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/current_user/application_keys",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(OwnKeysRead, application_keys::list).described(describe::list_application_keys),
                post(OwnKeysWrite, application_keys::create)
                    .described(describe::create_application_key),
            ],
        },
        Route {
            path: "/api/v2/current_user/application_keys/{app_key_id}",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(OwnKeysRead, application_keys::show).described(describe::show_application_key),
                patch(OwnKeysWrite, application_keys::update)
                    .described(describe::update_application_key),
                delete(OwnKeysWrite, application_keys::delete)
                    .described(describe::delete_application_key),
            ],
        },
    ]
}
