"""Registers a client, restricts it and lifts the restriction, and meets every documented refusal but 429."""

from uuid import UUID

from datadog_api_client.exceptions import ApiException, ForbiddenException, NotFoundException
from datadog_api_client.v2.model.o_auth_client_registration_request import OAuthClientRegistrationRequest
from datadog_api_client.v2.model.o_auth_oidc_scope import OAuthOidcScope
from datadog_api_client.v2.model.upsert_o_auth_scopes_restriction_data import UpsertOAuthScopesRestrictionData
from datadog_api_client.v2.model.upsert_o_auth_scopes_restriction_data_attributes import (
    UpsertOAuthScopesRestrictionDataAttributes,
)
from datadog_api_client.v2.model.upsert_o_auth_scopes_restriction_request import UpsertOAuthScopesRestrictionRequest
from datadog_api_client.v2.model.upsert_o_auth_scopes_restriction_type import UpsertOAuthScopesRestrictionType

from stage import NOBODY, additional, api, refusal


def registration(redirect_uri):
    return OAuthClientRegistrationRequest(client_name="Example MCP Client", redirect_uris=[redirect_uri])


def upsert(oidc_scopes, permission_scopes):
    attributes = UpsertOAuthScopesRestrictionDataAttributes(
        oidc_scopes=oidc_scopes, permission_scopes=permission_scopes
    )
    kind = UpsertOAuthScopesRestrictionType.UPSERT_SCOPES_RESTRICTION
    return UpsertOAuthScopesRestrictionRequest(data=UpsertOAuthScopesRestrictionData(attributes=attributes, type=kind))


def a_client_is_registered(client):
    registered = client.register_o_auth_client(registration("https://example.com/oauth/callback"))

    assert additional(registered) == {"client_id_issued_at"}, registered
    assert registered.client_name == "Example MCP Client"
    assert registered.redirect_uris == ["https://example.com/oauth/callback"]
    assert [str(grant_type) for grant_type in registered.grant_types] == ["authorization_code", "refresh_token"]
    assert [str(response_type) for response_type in registered.response_types] == ["code"]
    assert registered.token_endpoint_auth_method == "none"
    assert isinstance(registered.client_id, UUID)
    return registered.client_id


def it_is_restricted_and_let_go(client, client_id):
    nothing = client.get_scopes_restriction(client_id)
    wanted = upsert([OAuthOidcScope.OPENID, OAuthOidcScope.EMAIL], ["dashboards_read", "metrics_read"])
    set_to = client.upsert_scopes_restriction(client_id, wanted)
    read = client.get_scopes_restriction(client_id)
    deleted = client.delete_scopes_restriction(client_id)
    lifted = client.get_scopes_restriction(client_id)

    for answer in (nothing, set_to, read, lifted):
        assert additional(answer) == set(), answer
        assert answer.data.id == client_id
        assert str(answer.data.type) == "scopes_restriction"
        assert answer.data.attributes.required_permission_scopes is None
    assert nothing.data.attributes.scopes_restriction is None
    assert set_to.to_dict() == read.to_dict()
    restriction = read.data.attributes.scopes_restriction
    assert [str(scope) for scope in restriction.oidc_scopes] == ["openid", "email"]
    assert restriction.permission_scopes == ["dashboards_read", "metrics_read"]
    assert deleted is None
    assert lifted.data.attributes.scopes_restriction is None


def the_sites_are_listed(client):
    sites = client.get_o_auth2_well_known_sites()

    assert additional(sites) == set(), sites
    assert (sites.data.id, str(sites.data.type)) == ("prod", "env")
    assert sites.data.attributes.sites[0] == "app.datadoghq.com"


def bad_requests_are_refused_as_documented(client, client_id):
    status, body = refusal(ApiException, lambda: client.register_o_auth_client(registration("not-a-uri")))
    assert (status, set(body), body["error"]) == (400, {"error", "error_description"}, "invalid_client_metadata"), body

    status, body = refusal(
        ApiException, lambda: client.upsert_scopes_restriction(client_id, upsert([], ["no_such_scope"]))
    )
    assert (status, set(body), len(body["errors"])) == (400, {"errors"}, 1), body
    assert set(body["errors"][0]) == {"status", "title", "detail", "source"}, body
    assert body["errors"][0]["status"] == "400", body
    assert "permission_scopes[0]" in body["errors"][0]["detail"], body


def unknown_clients_are_not_found(client):
    nobody = UUID(NOBODY)
    calls = [
        lambda: client.get_scopes_restriction(nobody),
        lambda: client.upsert_scopes_restriction(nobody, upsert([], [])),
        lambda: client.delete_scopes_restriction(nobody),
    ]
    for call in calls:
        status, body = refusal(NotFoundException, call)
        assert (status, set(body), body["errors"][0]["status"]) == (404, {"errors"}, "404"), body


def unknown_keys_are_forbidden(client_id):
    stranger = api(api_key="0" * 32, application_key="0" * 40)
    calls = [
        lambda: stranger.get_scopes_restriction(client_id),
        lambda: stranger.upsert_scopes_restriction(client_id, upsert([], [])),
        lambda: stranger.delete_scopes_restriction(client_id),
    ]
    for call in calls:
        assert refusal(ForbiddenException, call) == (403, {"errors": ["Forbidden"]})


operator = api()
registered_id = a_client_is_registered(operator)
it_is_restricted_and_let_go(operator, registered_id)
the_sites_are_listed(operator)
bad_requests_are_refused_as_documented(operator, registered_id)
unknown_clients_are_not_found(operator)
unknown_keys_are_forbidden(registered_id)
print("the journey ends well")
