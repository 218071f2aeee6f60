//! The management API of people, invitations, roles and permissions.

use crate::http::api::people::{roles, user_invitations, users};
use crate::http::extract::{PeopleInvite, PeopleManage, PeopleRead};
use crate::http::middleware::policy::Policy;
use crate::http::openapi::people as describe;
use crate::http::openapi::roles as describe_roles;
use crate::http::routes::route::{Route, delete, get, patch, post};

pub fn people() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/users",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(PeopleRead, users::list).described(describe::list),
                post(PeopleInvite, users::create).described(describe::create),
            ],
        },
        Route {
            path: "/api/v2/users/{user_id}",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(PeopleRead, users::show).described(describe::show),
                patch(PeopleManage, users::update).described(describe::update),
                delete(PeopleManage, users::delete).described(describe::delete),
            ],
        },
        Route {
            path: "/api/v2/users/{user_id}/permissions",
            policy: Policy::STRINGS_API,
            operations: vec![get(PeopleRead, users::permissions).described(describe::permissions)],
        },
        Route {
            path: "/api/v2/users/{user_id}/invitations",
            policy: Policy::STRINGS_API,
            operations: vec![
                delete(PeopleManage, users::delete_invitations)
                    .described(describe::delete_invitations),
            ],
        },
        Route {
            path: "/api/v2/current_user",
            policy: Policy::STRINGS_API,
            operations: vec![get(PeopleRead, users::current).described(describe::current)],
        },
        Route {
            path: "/api/v2/user_invitations",
            policy: Policy::STRINGS_API,
            operations: vec![
                post(PeopleInvite, user_invitations::create).described(describe::create_links),
            ],
        },
        Route {
            path: "/api/v2/user_invitations/{user_invitation_uuid}",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(PeopleInvite, user_invitations::show).described(describe::show_invitation),
            ],
        },
    ]
}

pub fn roles_and_permissions() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/roles",
            policy: Policy::STRINGS_API,
            operations: vec![get(PeopleRead, roles::list).described(describe_roles::list)],
        },
        Route {
            path: "/api/v2/roles/{role_id}",
            policy: Policy::STRINGS_API,
            operations: vec![get(PeopleRead, roles::show).described(describe_roles::show)],
        },
        Route {
            path: "/api/v2/roles/{role_id}/permissions",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(PeopleRead, roles::permissions).described(describe_roles::permissions),
            ],
        },
        Route {
            path: "/api/v2/roles/{role_id}/users",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(PeopleRead, roles::users).described(describe_roles::users),
                post(PeopleManage, roles::give).described(describe_roles::give),
                delete(PeopleManage, roles::take).described(describe_roles::take),
            ],
        },
        Route {
            path: "/api/v2/permissions",
            policy: Policy::STRINGS_API,
            operations: vec![
                get(PeopleRead, roles::all_permissions).described(describe_roles::all_permissions),
            ],
        },
    ]
}
