"""Lists the clients that an organization uses, shows one, ends its authorizations, disables and enables it."""

from datadog_api_client.exceptions import ApiException, ForbiddenException, NotFoundException
from datadog_api_client.v2.api.org_authorized_clients_api import OrgAuthorizedClientsApi
from datadog_api_client.v2.model.org_authorized_client_type import OrgAuthorizedClientType
from datadog_api_client.v2.model.org_authorized_client_update_attributes import OrgAuthorizedClientUpdateAttributes
from datadog_api_client.v2.model.org_authorized_client_update_data import OrgAuthorizedClientUpdateData
from datadog_api_client.v2.model.org_authorized_client_update_request import OrgAuthorizedClientUpdateRequest

from stage import NOBODY, additional, api, refusal


def names(client, **query):
    """Of the clients of one page, which are included."""
    page = client.list_org_authorized_clients(include="oauth2_client", **query)
    included = {one["id"]: one["attributes"]["name"] for one in page._data_store["included"]}
    return [included[one.relationships.oauth2_client.data.id] for one in page.data]


def they_are_listed(client):
    page = client.list_org_authorized_clients(page_size=2, sort="oauth2_client.name")
    every = list(client.list_org_authorized_clients_with_pagination(page_size=2))

    assert additional(page) == set(), page
    assert (len(page.data), page.meta.page.total_count, page.meta.page.total_filtered_count) == (2, 3, 3), page
    assert len({one.id for one in every}) == len(every) == 3, every
    for one in every:
        assert additional(one) == set(), one
        assert str(one.type) == "org_authorized_clients", one
        assert (one.attributes.disabled, one.attributes.last_exercised, one.attributes.user_count) == (False, None, 1)
        assert [str(related.type) for related in one.relationships.user_authorized_clients.data] == [
            "user_authorized_clients"
        ]
    assert names(client, sort="oauth2_client.name", page_size=2) == ["One", "Three"]
    assert names(client, sort="-oauth2_client.name", page_size=2) == ["Two", "Three"]
    assert names(client, filter_oauth2_client_name="THREE") == ["Three"]
    assert names(client, filter_disabled="true") == []
    return [one.id for one in page.data]


def one_is_shown_with_its_users(client, one_id):
    shown = client.get_org_authorized_client(one_id)
    users = client.list_org_authorized_client_user_authorizations(one_id)

    assert additional(shown) == set(), shown
    assert shown.data.id == one_id
    [related] = shown.data.relationships.user_authorized_clients.data
    [authorization] = users.data
    assert additional(authorization) == set(), authorization
    assert (authorization.id, users.meta.page.total_count) == (related.id, 1)
    assert (authorization.attributes.disabled, authorization.attributes.org_disabled) == (False, False)
    assert [scope.id for scope in authorization.relationships.scopes.data] == ["mcp_read", "openid"]
    return authorization


def an_authorization_is_ended(client, one_id, authorization):
    user_id = authorization.relationships.user.data.id

    assert client.delete_org_authorized_client_user_authorization(one_id, authorization.id) is None
    assert client.delete_org_authorized_client_all_user_authorizations(one_id, user_id) is None

    shown = client.get_org_authorized_client(one_id, filter_user_authorized_clients_disabled="true")
    assert (shown.data.attributes.disabled, shown.data.attributes.user_count) == (False, 0)
    assert [related.id for related in shown.data.relationships.user_authorized_clients.data] == [authorization.id]


def a_client_is_disabled_and_enabled(client, one_id):
    def update(disabled, named=one_id):
        attributes = OrgAuthorizedClientUpdateAttributes(disabled=disabled)
        kind = OrgAuthorizedClientType("org_authorized_clients")
        data = OrgAuthorizedClientUpdateData(id=named, type=kind, attributes=attributes)
        return client.update_org_authorized_client(one_id, OrgAuthorizedClientUpdateRequest(data=data))

    for disabled in (True, True, False):
        updated = update(disabled)
        assert additional(updated) == set(), updated
        assert (updated.data.id, updated.data.attributes.disabled) == (one_id, disabled), updated
    status, body = refusal(ApiException, lambda: update(True, named=NOBODY))
    assert (status, body["errors"][0]["source"]) == (422, {"pointer": "/data/id"}), body


def a_client_is_disabled(client, one_id):
    assert client.delete_org_authorized_client(one_id) is None

    shown = client.get_org_authorized_client(one_id)
    assert (shown.data.attributes.disabled, shown.data.attributes.user_count) == (True, 0)
    assert names(client, filter_disabled="true") == ["Three"]


def refusals_are_understood(client, stranger):
    for call in (client.get_org_authorized_client, client.delete_org_authorized_client):
        status, body = refusal(NotFoundException, lambda: call(NOBODY))
        assert (status, set(body), body["errors"][0]["status"]) == (404, {"errors"}, "404"), body
    for call in (stranger.list_org_authorized_clients, lambda: stranger.delete_org_authorized_client(NOBODY)):
        assert refusal(ForbiddenException, call) == (403, {"errors": ["Forbidden"]})


operator = api(kind=OrgAuthorizedClientsApi)
first, second = they_are_listed(operator)
an_authorization_is_ended(operator, first, one_is_shown_with_its_users(operator, first))
a_client_is_disabled_and_enabled(operator, second)
a_client_is_disabled(operator, second)
refusals_are_understood(operator, api(api_key="0" * 32, application_key="0" * 40, kind=OrgAuthorizedClientsApi))
print("the journey ends well")
