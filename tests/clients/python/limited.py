"""Asks a server that allows one request of a source and one call with keys: the next ones get 429, as the client reads it."""

from uuid import UUID

from datadog_api_client.exceptions import ApiException
from datadog_api_client.v2.model.o_auth_client_registration_request import OAuthClientRegistrationRequest

from stage import NOBODY, api

client = api()
# The transport below the client obeys Retry-After by itself: it would sleep and ask again, and nothing would be seen.
client.api_client.rest_client.pool_manager.connection_pool_kw["retries"] = False
client.get_o_auth2_well_known_sites()
try:
    client.get_scopes_restriction(UUID(NOBODY))
except ApiException as unknown:
    assert unknown.status == 404, unknown
REQUEST = OAuthClientRegistrationRequest(client_name="One too many", redirect_uris=["https://example.com/callback"])
CALLS = [
    client.get_o_auth2_well_known_sites,
    lambda: client.register_o_auth_client(REQUEST),
    lambda: client.get_scopes_restriction(UUID(NOBODY)),
    lambda: client.delete_scopes_restriction(UUID(NOBODY)),
]
for call in CALLS:
    try:
        call()
    except ApiException as refused:
        assert refused.status == 429, refused
        assert set(refused.body) == {"errors"}, refused
        assert all(isinstance(text, str) for text in refused.body["errors"]), refused
        headers = {name.lower(): value for name, value in refused.headers.items()}
        assert int(headers["x-ratelimit-reset"]) > 0, refused
        assert int(headers["retry-after"]) > 0, refused
    else:
        raise AssertionError("was not limited")
print("the journey ends well")
