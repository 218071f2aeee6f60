"""What the scripts here share: the published client, pointed at the server under test, and how to read its models."""

import os

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.model_utils import ModelSimple
from datadog_api_client.v2.api.o_auth2_client_public_api import OAuth2ClientPublicApi

OPERATIONS = [
    "delete_scopes_restriction",
    "get_o_auth2_well_known_sites",
    "get_scopes_restriction",
    "register_o_auth_client",
    "upsert_scopes_restriction",
]
NOBODY = "00000000-0000-4000-8000-000000000000"


def api(
    api_key=os.environ["API_KEY"], application_key=os.environ["APPLICATION_KEY"], kind=OAuth2ClientPublicApi
):
    """The client as its own documentation sets it up: another host, and the preview operations enabled by name."""
    configuration = Configuration(host=os.environ["URL"])
    configuration.api_key["apiKeyAuth"] = api_key
    configuration.api_key["appKeyAuth"] = application_key
    for operation in OPERATIONS:
        configuration.unstable_operations[operation] = True
    return kind(ApiClient(configuration))


def additional(model):
    """The members that the model has no attribute for, here and below; an unparsed one is a failure at once."""
    assert not model._unparsed, f"unparsed: {model}"
    if isinstance(model, ModelSimple):
        return set()
    known = set(model.attribute_map)
    found = {name for name in model._data_store if name not in known}
    for value in model._data_store.values():
        if hasattr(value, "_data_store"):
            found |= additional(value)
    return found


def refusal(exception, call):
    """Status and whole body of a call that has to be refused."""
    try:
        answer = call()
    except exception as refused:
        return refused.status, refused.body
    raise AssertionError(f"was not refused: {answer}")
