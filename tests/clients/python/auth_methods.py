"""Makes auth methods of the webhooks integration, changes and lists them, and meets every documented refusal but 429."""

import os

from datadog_api_client.exceptions import ApiException, ForbiddenException, NotFoundException
from datadog_api_client.v2.api.webhooks_integration_api import WebhooksIntegrationApi
from datadog_api_client.v2.model.webhooks_auth_method_protocol import WebhooksAuthMethodProtocol
from datadog_api_client.v2.model.webhooks_o_auth2_client_credentials_create_attributes import (
    WebhooksOAuth2ClientCredentialsCreateAttributes,
)
from datadog_api_client.v2.model.webhooks_o_auth2_client_credentials_create_data import (
    WebhooksOAuth2ClientCredentialsCreateData,
)
from datadog_api_client.v2.model.webhooks_o_auth2_client_credentials_create_request import (
    WebhooksOAuth2ClientCredentialsCreateRequest,
)
from datadog_api_client.v2.model.webhooks_o_auth2_client_credentials_type import WebhooksOAuth2ClientCredentialsType
from datadog_api_client.v2.model.webhooks_o_auth2_client_credentials_update_attributes import (
    WebhooksOAuth2ClientCredentialsUpdateAttributes,
)
from datadog_api_client.v2.model.webhooks_o_auth2_client_credentials_update_data import (
    WebhooksOAuth2ClientCredentialsUpdateData,
)
from datadog_api_client.v2.model.webhooks_o_auth2_client_credentials_update_request import (
    WebhooksOAuth2ClientCredentialsUpdateRequest,
)

from stage import NOBODY, additional, api, refusal

SECRET = os.environ["CLIENT_SECRET"]
KIND = WebhooksOAuth2ClientCredentialsType.WEBHOOKS_AUTH_METHOD_OAUTH2_CLIENT_CREDENTIALS


def new(name, **more):
    attributes = WebhooksOAuth2ClientCredentialsCreateAttributes(
        name=name, access_token_url="https://auth.example/token", client_id="a client", client_secret=SECRET, **more
    )
    data = WebhooksOAuth2ClientCredentialsCreateData(attributes=attributes, type=KIND)
    return WebhooksOAuth2ClientCredentialsCreateRequest(data=data)


def change(**attributes):
    attributes = WebhooksOAuth2ClientCredentialsUpdateAttributes(**attributes)
    data = WebhooksOAuth2ClientCredentialsUpdateData(attributes=attributes, type=KIND)
    return WebhooksOAuth2ClientCredentialsUpdateRequest(data=data)


def is_told(answer, name, audience, scope):
    """One method, whole, and nothing that the model does not know."""
    assert additional(answer) == set(), answer
    assert answer.to_dict()["data"]["attributes"] == {
        "name": name,
        "access_token_url": "https://auth.example/token",
        "client_id": "a client",
        "audience": audience,
        "scope": scope,
        "protocol": "oauth2-client-credentials",
    }, answer
    assert str(answer.data.type) == "webhooks-auth-method-oauth2-client-credentials"
    assert SECRET not in str(answer), answer


def one_is_made_and_changed(client):
    made = client.create_o_auth2_client_credentials(new("Größe", audience="https://api.example", scope="read"))
    is_told(made, "Größe", "https://api.example", "read")
    assert client.get_o_auth2_client_credentials(made.data.id).to_dict() == made.to_dict()
    is_told(client.update_o_auth2_client_credentials(made.data.id, change(name="b")), "b", "https://api.example", "read")
    is_told(client.update_o_auth2_client_credentials(made.data.id, change(audience=None)), "b", None, "read")
    again = client.update_o_auth2_client_credentials(made.data.id, change(client_secret=SECRET + "-2", scope="write"))
    is_told(again, "b", None, "write")
    return made.data.id


def they_are_listed(client, first):
    second = client.create_o_auth2_client_credentials(new("a")).data.id
    alone = client.get_all_auth_methods()
    included = client.get_all_auth_methods(include=WebhooksAuthMethodProtocol.OAUTH2_CLIENT_CREDENTIALS)

    for page in (alone, included):
        assert additional(page) == set(), page
        assert [method.id for method in page.data] == [second, first]
        for method in page.data:
            assert additional(method) == set(), method
            assert str(method.type) == "webhooks-auth-method"
            assert str(method.attributes.protocol) == "oauth2-client-credentials"
            related = method.relationships.oauth2_client_credentials.data
            assert (related.id, str(related.type)) == (method.id, str(KIND))
    assert "included" not in alone._data_store
    assert [one.attributes.name for one in included.included] == ["a", "b"]
    assert [additional(one) for one in included.included] == [set(), set()]
    assert SECRET not in str(included)
    return second


def refusals_are_understood(client, stranger, first):
    def refused(exception, status, call):
        told, body = refusal(exception, call)
        assert (told, set(body), len(body["errors"])) == (status, {"errors"}, 1), body
        assert isinstance(body["errors"][0], str) and SECRET not in body["errors"][0], body

    bad = new("c")
    bad.data.attributes.access_token_url = "http://auth.example/token"
    refused(ApiException, 400, lambda: client.create_o_auth2_client_credentials(bad))
    refused(ApiException, 400, lambda: client.update_o_auth2_client_credentials(first, change(name="\n")))
    refused(ApiException, 409, lambda: client.create_o_auth2_client_credentials(new("a")))
    refused(ApiException, 409, lambda: client.update_o_auth2_client_credentials(first, change(name="a")))
    refused(NotFoundException, 404, lambda: client.get_o_auth2_client_credentials(NOBODY))
    refused(NotFoundException, 404, lambda: client.update_o_auth2_client_credentials(NOBODY, change(name="c")))
    refused(NotFoundException, 404, lambda: client.delete_o_auth2_client_credentials(NOBODY))
    # Keys are refused before the body is read, which may end the connection. The client repeats what follows only where
    # that is idempotent.
    for call in (
        stranger.get_all_auth_methods,
        lambda: stranger.create_o_auth2_client_credentials(new("c")),
        lambda: stranger.get_o_auth2_client_credentials(first),
        lambda: stranger.update_o_auth2_client_credentials(first, change(name="c")),
        lambda: stranger.delete_o_auth2_client_credentials(first),
    ):
        assert refusal(ForbiddenException, call) == (403, {"errors": ["Forbidden"]})


def they_are_deleted(client, *ids):
    for one in ids:
        assert client.delete_o_auth2_client_credentials(one) is None
    assert client.get_all_auth_methods().data == []


operator = api(kind=WebhooksIntegrationApi)
first_id = one_is_made_and_changed(operator)
second_id = they_are_listed(operator, first_id)
unknown_keys = api(api_key="0" * 32, application_key="0" * 40, kind=WebhooksIntegrationApi)
refusals_are_understood(operator, unknown_keys, first_id)
they_are_deleted(operator, first_id, second_id)
print("the journey ends well")
