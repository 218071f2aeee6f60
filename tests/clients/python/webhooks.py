"""Makes webhooks and custom variables, looks at them, changes and deletes them, and understands every refusal."""

from datadog_api_client.exceptions import ApiException, ForbiddenException, NotFoundException
from datadog_api_client.v1.api.webhooks_integration_api import WebhooksIntegrationApi
from datadog_api_client.v1.model.webhooks_integration import WebhooksIntegration
from datadog_api_client.v1.model.webhooks_integration_custom_variable import WebhooksIntegrationCustomVariable
from datadog_api_client.v1.model.webhooks_integration_custom_variable_update_request import (
    WebhooksIntegrationCustomVariableUpdateRequest,
)
from datadog_api_client.v1.model.webhooks_integration_encoding import WebhooksIntegrationEncoding
from datadog_api_client.v1.model.webhooks_integration_update_request import WebhooksIntegrationUpdateRequest

from stage import additional, api, refusal

# A path writes every second character of it in another way.
NAME = "Our CRM, 100% + more? #1 & Größe"
OURS = {"auth_method_id", "events"}


def a_webhook_lives(client):
    new = WebhooksIntegration(
        name=NAME,
        url="https://hooks.example/services/T0",
        encode_as=WebhooksIntegrationEncoding.FORM,
        payload='{"id": "$ID"}',
        custom_headers='{"X-Key": "$CRM_KEY"}',
    )
    made = client.create_webhooks_integration(new)

    assert additional(made) == OURS | {"signing_secret"}, made
    assert made["signing_secret"].startswith("whsec_"), made
    shown = client.get_webhooks_integration(NAME)
    assert additional(shown) == OURS, shown
    assert (shown["auth_method_id"], shown["events"]) == (None, None), shown
    for one in (made, shown):
        assert (one.name, one.url, one.payload) == (new.name, new.url, new.payload), one
        assert (one.custom_headers, str(one.encode_as)) == (new.custom_headers, "form"), one

    change = WebhooksIntegrationUpdateRequest(url="https://other.example/", payload=None)
    changed = client.update_webhooks_integration(NAME, change)
    assert additional(changed) == OURS, changed
    assert (changed.url, changed.payload) == ("https://other.example/", None), changed
    assert (changed.custom_headers, str(changed.encode_as)) == (new.custom_headers, "form"), changed

    rotated = client.update_webhooks_integration(NAME, WebhooksIntegrationUpdateRequest(rotate_signing_secret=True))
    assert rotated["signing_secret"] not in ("", made["signing_secret"]), rotated

    assert refusal(ApiException, lambda: client.create_webhooks_integration(new))[0] == 409
    assert client.delete_webhooks_integration(NAME) is None
    assert refusal(NotFoundException, lambda: client.get_webhooks_integration(NAME)) == (
        404,
        {"errors": ["this organization has no webhook with this name"]},
    )


def a_variable_lives(client):
    new = WebhooksIntegrationCustomVariable(name="CRM_KEY", value="hunter2", is_secret=True)
    made = client.create_webhooks_integration_custom_variable(new)
    shown = client.get_webhooks_integration_custom_variable("CRM_KEY")

    for one in (made, shown):
        assert additional(one) == set(), one
        assert (one.name, one.is_secret, "value" in one) == ("CRM_KEY", True, False), one

    change = WebhooksIntegrationCustomVariableUpdateRequest(name="CRM_REGION", value="eu", is_secret=False)
    changed = client.update_webhooks_integration_custom_variable("CRM_KEY", change)
    assert additional(changed) == set(), changed
    assert (changed.name, changed.is_secret, changed.value) == ("CRM_REGION", False, "eu"), changed

    assert client.delete_webhooks_integration_custom_variable("CRM_REGION") is None
    assert refusal(NotFoundException, lambda: client.get_webhooks_integration_custom_variable("CRM_REGION")) == (
        404,
        {"errors": ["this organization has no custom variable with this name"]},
    )


def refusals_are_understood(client, stranger):
    by_http = WebhooksIntegration(name="CRM", url="http://hooks.example/")
    assert refusal(ApiException, lambda: client.create_webhooks_integration(by_http)) == (
        400,
        {"errors": ["url does not use https: use https"]},
    )
    lower = WebhooksIntegrationCustomVariable(name="crm", value="", is_secret=False)
    status, body = refusal(ApiException, lambda: client.create_webhooks_integration_custom_variable(lower))
    assert (status, len(body["errors"])) == (400, 1), body
    for call in (
        lambda: stranger.get_webhooks_integration("CRM"),
        lambda: stranger.delete_webhooks_integration_custom_variable("CRM"),
    ):
        assert refusal(ForbiddenException, call) == (403, {"errors": ["Forbidden"]})


operator = api(kind=WebhooksIntegrationApi)
a_webhook_lives(operator)
a_variable_lives(operator)
refusals_are_understood(operator, api(api_key="0" * 32, application_key="0" * 40, kind=WebhooksIntegrationApi))
print("the journey ends well")
