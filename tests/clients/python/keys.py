"""An administrator manages the API keys of an organization and their own application keys."""

from datadog_api_client.exceptions import ForbiddenException, NotFoundException
from datadog_api_client.v2.api.key_management_api import KeyManagementApi
from datadog_api_client.v2.model.api_key_create_attributes import APIKeyCreateAttributes
from datadog_api_client.v2.model.api_key_create_data import APIKeyCreateData
from datadog_api_client.v2.model.api_key_create_request import APIKeyCreateRequest
from datadog_api_client.v2.model.api_key_update_attributes import APIKeyUpdateAttributes
from datadog_api_client.v2.model.api_key_update_data import APIKeyUpdateData
from datadog_api_client.v2.model.api_key_update_request import APIKeyUpdateRequest
from datadog_api_client.v2.model.api_keys_sort import APIKeysSort
from datadog_api_client.v2.model.api_keys_type import APIKeysType
from datadog_api_client.v2.model.application_key_create_attributes import ApplicationKeyCreateAttributes
from datadog_api_client.v2.model.application_key_create_data import ApplicationKeyCreateData
from datadog_api_client.v2.model.application_key_create_request import ApplicationKeyCreateRequest
from datadog_api_client.v2.model.application_key_update_attributes import ApplicationKeyUpdateAttributes
from datadog_api_client.v2.model.application_key_update_data import ApplicationKeyUpdateData
from datadog_api_client.v2.model.application_key_update_request import ApplicationKeyUpdateRequest
from datadog_api_client.v2.model.application_keys_sort import ApplicationKeysSort
from datadog_api_client.v2.model.application_keys_type import ApplicationKeysType

from stage import NOBODY, additional, api, refusal

API_KEYS = APIKeysType.API_KEYS
APPLICATION_KEYS = ApplicationKeysType.APPLICATION_KEYS


def api_key_named(name):
    attributes = APIKeyCreateAttributes(name=name)
    return APIKeyCreateRequest(data=APIKeyCreateData(attributes=attributes, type=API_KEYS))


def api_key_renamed(key_id, name):
    attributes = APIKeyUpdateAttributes(name=name)
    return APIKeyUpdateRequest(data=APIKeyUpdateData(attributes=attributes, id=key_id, type=API_KEYS))


def application_key_named(name, scopes=None):
    attributes = ApplicationKeyCreateAttributes(name=name, scopes=scopes)
    data = ApplicationKeyCreateData(attributes=attributes, type=APPLICATION_KEYS)
    return ApplicationKeyCreateRequest(data=data)


def application_key_renamed(key_id, name):
    attributes = ApplicationKeyUpdateAttributes(name=name)
    data = ApplicationKeyUpdateData(attributes=attributes, id=key_id, type=APPLICATION_KEYS)
    return ApplicationKeyUpdateRequest(data=data)


def api_keys_are_managed(client):
    made = client.create_api_key(body=api_key_named("Deploy"))
    assert additional(made) == set(), made
    key = made.data
    assert (key.attributes.name, len(key.attributes.key), key.attributes.last4) == ("Deploy", 32, key.attributes.key[-4:])
    assert key.attributes.date_last_used is None, made

    shown = client.get_api_key(key.id, include="created_by,modified_by")
    assert additional(shown) == set() and "key" not in shown.data.attributes, shown
    assert [str(one.data.type) if hasattr(one, "data") else str(one.type) for one in shown.included] == ["users"], shown
    changed = client.update_api_key(key.id, body=api_key_renamed(key.id, "Release"))
    assert additional(changed) == set() and changed.data.attributes.name == "Release", changed

    page = client.list_api_keys(page_size=1, sort=APIKeysSort.NAME_DESCENDING, filter="rel", include="created_by")
    assert additional(page) == set(), page
    assert (page.meta.max_allowed, page.meta.page.total_filtered_count, page.data[0].id) == (200, 1, key.id), page
    none = client.list_api_keys(filter_created_at_end="2020-01-01T00:00:00Z", filter_modified_at_start="2020-01-01T00:00:00Z")
    assert none.data == [], none

    assert client.delete_api_key(key.id) is None
    for call in (
        lambda: client.get_api_key(key.id),
        lambda: client.delete_api_key(NOBODY),
        lambda: client.update_api_key(NOBODY, body=api_key_renamed(NOBODY, "X")),
    ):
        assert refusal(NotFoundException, call) == (404, {"errors": ["API key not found"]})


def application_keys_are_managed(client):
    made = client.create_current_user_application_key(body=application_key_named("Laptop", ["mcp_read"]))
    assert additional(made) == set(), made
    key = made.data
    assert (len(key.attributes.key), key.attributes.scopes) == (40, ["mcp_read"]), made

    shown = client.get_current_user_application_key(key.id)
    assert additional(shown) == set() and "key" not in shown.data.attributes, shown
    assert shown.data.relationships.owned_by.data.type.value == "users", shown
    changed = client.update_current_user_application_key(key.id, body=application_key_renamed(key.id, "Phone"))
    assert additional(changed) == set() and changed.data.attributes.name == "Phone", changed

    page = client.list_current_user_application_keys(
        page_size=1, sort=ApplicationKeysSort.CREATED_AT_DESCENDING, filter="pho", include="owned_by"
    )
    assert additional(page) == set(), page
    assert (page.meta.max_allowed_per_user, page.meta.page.total_filtered_count) == (100, 1), page

    assert client.delete_current_user_application_key(key.id) is None
    for call in (
        lambda: client.get_current_user_application_key(key.id),
        lambda: client.delete_current_user_application_key(NOBODY),
        lambda: client.update_current_user_application_key(NOBODY, body=application_key_renamed(NOBODY, "X")),
    ):
        assert refusal(NotFoundException, call) == (404, {"errors": ["Application key not found"]})


def strangers_are_refused(stranger):
    calls = (stranger.list_api_keys, stranger.list_current_user_application_keys)
    for call in calls:
        assert refusal(ForbiddenException, call) == (403, {"errors": ["Forbidden"]})


administrator = api(kind=KeyManagementApi)
api_keys_are_managed(administrator)
application_keys_are_managed(administrator)
strangers_are_refused(api(api_key="0" * 32, application_key="0" * 40, kind=KeyManagementApi))
print("the journey ends well")
