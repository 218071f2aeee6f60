//! Schemas of the requests and responses of the OAuth endpoints.

use serde_json::{Value, json};

use crate::rules::client::grant_types::GrantType;
use crate::rules::client::member::Member;
use crate::rules::token::signing_algorithm::SigningAlgorithm;

pub fn schemas() -> Value {
    let grant_types: Vec<&str> = GrantType::ALL.into_iter().map(GrantType::name).collect();
    let strings = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "ClientMetadata": {"type": "object", "required": ["client_name", "redirect_uris"], "properties": metadata(&grant_types)},
        "Client": {
            "type": "object",
            "required": ["client_id", "client_name", "grant_types", "redirect_uris", "response_types", "token_endpoint_auth_method"],
            "properties": client(&grant_types),
        },
        "OAuthError": {
            "type": "object",
            "required": ["error", "error_description"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        },
        "Errors": {"type": "object", "required": ["errors"], "properties": {"errors": strings}},
        "JsonApiErrors": {
            "type": "object",
            "required": ["errors"],
            "properties": {"errors": {"type": "array", "items": {"$ref": "#/components/schemas/JsonApiErrorItem"}}},
        },
        "JsonApiErrorItem": {
            "type": "object",
            "properties": {
                "status": {"type": "string"},
                "title": {"type": "string"},
                "detail": {"type": "string"},
                "source": {"type": "object", "properties": {
                    "pointer": {"type": "string"}, "parameter": {"type": "string"}, "header": {"type": "string"}}},
            },
        },
        "ServerMetadata": {
            "type": "object",
            "required": [
                "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
                "subject_types_supported", "id_token_signing_alg_values_supported",
            ],
            "properties": {
                "issuer": {"type": "string"},
                "authorization_endpoint": {"type": "string"},
                "token_endpoint": {"type": "string"},
                "jwks_uri": {"type": "string"},
                "response_types_supported": strings,
                "subject_types_supported": strings,
                "id_token_signing_alg_values_supported": strings,
            },
        },
        "JsonWebKeySet": {"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "items": {
            "type": "object",
            "required": ["kty", "kid", "alg", "use"],
            "properties": {
                "kty": {"type": "string"},
                "kid": {"type": "string"},
                "alg": {"enum": SigningAlgorithm::ALL},
                "use": {"const": "sig"},
            },
        }}}},
    })
}

pub fn token_schemas() -> Value {
    let grant_types: Vec<&str> = GrantType::ALL.into_iter().map(GrantType::name).collect();
    let strings = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "TokenRequest": token_request(&grant_types),
        "Tokens": {
            "type": "object",
            "required": ["access_token", "token_type", "expires_in", "scope"],
            "properties": {
                "access_token": {"type": "string", "description": "A JWT (RFC 9068)"},
                "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer", "description": "Seconds"},
                "refresh_token": {"type": "string"},
                "scope": {"type": "string"},
                "id_token": {
                    "type": "string",
                    "description": "Only in exchange for a code, if openid was granted",
                },
            },
        },
        "RevocationRequest": {
            "type": "object",
            "required": ["token", "client_id"],
            "properties": {"token": {"type": "string"}, "client_id": {"type": "string"}, "token_type_hint": {"type": "string"}},
        },
        "IntrospectionRequest": {
            "type": "object",
            "required": ["token"],
            "properties": {"token": {"type": "string"}, "client_secret": {"type": "string"}, "token_type_hint": {"type": "string"}},
        },
        "Introspection": introspection(&strings),
        "UserInfo": {
            "type": "object",
            "required": ["sub"],
            "properties": {
                "sub": {"type": "string", "format": "uuid"},
                "name": {"type": "string"},
                "preferred_username": {"type": "string"},
                "email": {"type": "string"},
                "email_verified": {"type": "boolean"},
            },
        },
    })
}

/// The members of the metadata parser, so that the schema cannot differ from it.
fn metadata(grant_types: &[&str]) -> Value {
    Member::ALL
        .into_iter()
        .map(|member| (member.name().to_owned(), member_schema(member, grant_types)))
        .collect()
}

fn member_schema(member: Member, grant_types: &[&str]) -> Value {
    match member {
        Member::RedirectUris => {
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1})
        }
        Member::GrantTypes => json!({"type": "array", "items": {"enum": grant_types}}),
        Member::ResponseTypes => json!({"type": "array", "items": {"const": "code"}}),
        Member::TokenEndpointAuthMethod => json!({"const": "none"}),
        Member::Jwks => {
            json!({
                "description": "Not allowed together with jwks_uri; accepted but not stored",
                "type": "object",
            })
        }
        Member::ClientName
        | Member::Scope
        | Member::ClientUri
        | Member::LogoUri
        | Member::PolicyUri
        | Member::TosUri
        | Member::JwksUri => json!({"type": "string", "maxLength": 1000}),
    }
}

fn client(grant_types: &[&str]) -> Value {
    let mut members = metadata(grant_types);
    if let Some(members) = members.as_object_mut() {
        members.remove(Member::Jwks.name());
    }
    members["client_id"] = json!({"type": "string", "format": "uuid"});
    members["client_id_issued_at"] =
        json!({"type": "integer", "description": "Seconds since 1970"});
    members
}

fn token_request(grant_types: &[&str]) -> Value {
    let resource = json!({"type": "string", "description": "RFC 8707; may be repeated"});
    json!({
        "type": "object",
        "required": ["grant_type", "client_id"],
        "properties": {
            "grant_type": {"enum": grant_types},
            "client_id": {"type": "string"},
            "code": {"type": "string"},
            "redirect_uri": {"type": "string"},
            "code_verifier": {"type": "string"},
            "refresh_token": {"type": "string"},
            "scope": {
                "type": "string",
                "description": "Only with a refresh token: a subset of the granted scope",
            },
            "resource": resource,
        },
    })
}

/// All members but `active` are present only if the token is active.
fn introspection(strings: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["active"],
        "properties": {
            "active": {"type": "boolean"},
            "scope": {"type": "string"},
            "client_id": {"type": "string"},
            "token_type": {"const": "Bearer"},
            "exp": {"type": "integer"},
            "iat": {"type": "integer"},
            "sub": {"type": "string", "format": "uuid"},
            "aud": {"oneOf": [{"type": "string"}, strings]},
            "iss": {"type": "string"},
            "jti": {"type": "string", "format": "uuid"},
            "auth_time": {"type": "integer"},
            "org_id": {"type": "string", "format": "uuid"},
            "family": {"type": "string", "format": "uuid"},
        },
    })
}
