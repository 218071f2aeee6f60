"""A member lists the apps that they allowed, shows one, and ends what they allowed."""

from datadog_api_client.exceptions import ForbiddenException, NotFoundException
from datadog_api_client.v2.api.user_authorized_clients_api import UserAuthorizedClientsApi

from stage import NOBODY, additional, api, refusal


def they_are_listed(client):
    page = client.list_user_authorized_clients(page_size=2, include="oauth2_client")
    every = list(client.list_user_authorized_clients_with_pagination(page_size=2))

    assert additional(page) == {"included"}, page
    assert (len(page.data), page.meta.page.total_count, page.meta.page.total_filtered_count) == (2, 3, 3), page
    assert len({one.id for one in every}) == len(every) == 3, every
    for one in every:
        assert additional(one) == set(), one
        assert str(one.type) == "user_authorized_clients", one
        attributes = one.attributes
        assert (attributes.disabled, attributes.org_disabled, attributes.last_exercised) == (False, False, None)
        assert [scope.id for scope in one.relationships.scopes.data] == ["mcp_read", "openid"]
    filtered = client.list_user_authorized_clients(filter="THREE", filter_disabled="false")
    assert (len(filtered.data), filtered.meta.page.total_filtered_count) == (1, 1), filtered
    return every


def they_are_ended(client, by_id, by_client):
    shown = client.get_user_authorized_client(by_id.id)
    assert additional(shown) == set(), shown
    assert shown.data.id == by_id.id

    assert client.delete_user_authorized_client(by_id.id) is None
    assert client.delete_user_authorized_clients_by_client(by_client.relationships.oauth2_client.data.id) is None

    ended = client.list_user_authorized_clients(filter_disabled="true")
    assert {one.id for one in ended.data} == {by_id.id, by_client.id}, ended


def refusals_are_understood(client, stranger):
    for call in (
        client.get_user_authorized_client,
        client.delete_user_authorized_client,
        client.delete_user_authorized_clients_by_client,
    ):
        status, body = refusal(NotFoundException, lambda: call(NOBODY))
        assert (status, set(body), body["errors"][0]["status"]) == (404, {"errors"}, "404"), body
    for call in (stranger.list_user_authorized_clients, lambda: stranger.delete_user_authorized_client(NOBODY)):
        assert refusal(ForbiddenException, call) == (403, {"errors": ["Forbidden"]})


member = api(kind=UserAuthorizedClientsApi)
first, second, _ = they_are_listed(member)
they_are_ended(member, first, second)
refusals_are_understood(member, api(api_key="0" * 32, application_key="0" * 40, kind=UserAuthorizedClientsApi))
print("the journey ends well")
