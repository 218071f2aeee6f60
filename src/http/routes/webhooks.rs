//! The management API of webhooks: their deliveries, custom variables and auth methods.

use crate::http::api::{
    auth_methods, test_auth_method, webhook_deliveries, webhook_variables, webhooks,
};
use crate::http::extract::Integrations;
use crate::http::middleware::policy::Policy;
use crate::http::openapi;
use crate::http::routes::route::{Route, delete, get, patch, post, put};

pub fn webhooks_and_variables() -> Vec<Route> {
    use openapi::webhooks as describe;
    vec![
        Route {
            path: "/api/v1/integration/webhooks/configuration/webhooks",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(Integrations, webhooks::list).described(describe::list_webhooks),
                post(Integrations, webhooks::create).described(describe::create_webhook),
            ],
        },
        Route {
            path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(Integrations, webhooks::show).described(describe::show_webhook),
                put(Integrations, webhooks::update).described(describe::update_webhook),
                delete(Integrations, webhooks::delete).described(describe::delete_webhook),
            ],
        },
        Route {
            path: "/api/v1/integration/webhooks/configuration/custom-variables",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(Integrations, webhook_variables::list).described(describe::list_variables),
                post(Integrations, webhook_variables::create).described(describe::create_variable),
            ],
        },
        Route {
            path: "/api/v1/integration/webhooks/configuration/custom-variables/{custom_variable_name}",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(Integrations, webhook_variables::show).described(describe::show_variable),
                put(Integrations, webhook_variables::update).described(describe::update_variable),
                delete(Integrations, webhook_variables::delete)
                    .described(describe::delete_variable),
            ],
        },
    ]
}

pub fn deliveries() -> Vec<Route> {
    use openapi::webhook_deliveries as describe;
    vec![
        Route {
            path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries",
            policy: Policy::STRINGS_API,
            operations: vec![get(Integrations, webhook_deliveries::list).described(describe::list)],
        },
        Route {
            path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries/replay",
            policy: Policy::STRINGS_API,
            operations: vec![
                post(Integrations, webhook_deliveries::replay).described(describe::replay),
            ],
        },
        Route {
            path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries/{delivery_id}/replay",
            policy: Policy::STRINGS_API,
            operations: vec![
                post(Integrations, webhook_deliveries::replay_one).described(describe::replay_one),
            ],
        },
    ]
}

pub fn auth_methods() -> Vec<Route> {
    use openapi::auth_methods as describe;
    vec![
        Route {
            path: "/api/v2/integration/webhooks/configuration/auth-method",
            policy: Policy::STRINGS_API,
            operations: vec![get(Integrations, auth_methods::list).described(describe::list)],
        },
        Route {
            path: "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials",
            policy: Policy::STRINGS_API,
            operations: vec![post(Integrations, auth_methods::create).described(describe::create)],
        },
        Route {
            path: "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials/{auth_method_id}",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(Integrations, auth_methods::show).described(describe::show),
                patch(Integrations, auth_methods::update).described(describe::update),
                delete(Integrations, auth_methods::delete).described(describe::delete),
            ],
        },
        Route {
            path: "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials/{auth_method_id}/test",
            policy: Policy::STRINGS_API,
            operations: vec![
                post(Integrations, test_auth_method::test)
                    .described(openapi::test_auth_method::test),
            ],
        },
    ]
}
