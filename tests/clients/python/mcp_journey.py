"""The official MCP client meets a protected server: it registers, sends the person to log in, calls a tool, refreshes.

mcp_journey.py RESOURCE EMAIL PASSWORD     prints what happened, as JSON
"""

import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

RESOURCE, EMAIL, PASSWORD = sys.argv[1:]
REDIRECT_URI = "http://localhost:33418/callback"
PERSON = Path(__file__).parent.parent / "node" / "person.mjs"

journey = {"requests": [], "did": []}


class Storage:
    """Keeps everything in memory."""

    tokens = None
    client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class Browser:
    """A person at a browser, who is a program of its own."""

    callback = None

    async def open(self, url):
        ended = await anyio.run_process(["node", PERSON, url, EMAIL, PASSWORD], stderr=None)
        told = json.loads(ended.stdout)
        journey["did"] += told["did"]
        self.callback = urlsplit(told["arrived"])
        assert self.callback._replace(query="").geturl() == REDIRECT_URI, self.callback

    async def answer(self):
        # The provider compares `state` and `iss` itself.
        return AuthorizationCodeResult(**{name: value for name, [value] in parse_qs(self.callback.query).items()})


async def watch(response):
    if response.request.method == "POST" and str(response.request.url) != RESOURCE:
        [grant] = parse_qs(response.request.content.decode()).get("grant_type", ["registration"])
        journey["requests"].append(f"{grant} {response.status_code}")


async def whoami(client):
    result = await client.call_tool("whoami", {})
    return json.loads(result.content[0].text)


async def main():
    storage, browser = Storage(), Browser()
    metadata = OAuthClientMetadata(client_name="Journey", redirect_uris=[REDIRECT_URI])
    provider = OAuthClientProvider(RESOURCE, metadata, storage, browser.open, browser.answer)
    http = httpx2.AsyncClient(auth=provider, event_hooks={"response": [watch]}, timeout=60)
    async with http, Client(streamable_http_client(RESOURCE, http_client=http)) as client:
        first = storage.tokens
        journey["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        journey["called"] = await whoami(client)

        # As if the lifetime that the token came with were over.
        provider.context.token_expiry_time = 1
        journey["called_again"] = await whoami(client)

    journey["client_id"] = storage.client_info.client_id
    journey["scope"] = sorted(first.scope.split(" "))
    journey["iss"] = parse_qs(browser.callback.query)["iss"][0]
    journey["new_access_token"] = storage.tokens.access_token != first.access_token
    journey["new_refresh_token"] = storage.tokens.refresh_token != first.refresh_token
    print(json.dumps(journey))


anyio.run(main)
