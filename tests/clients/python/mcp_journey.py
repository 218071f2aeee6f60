"""The official MCP client meets a protected server: it registers, sends the person to log in, calls a tool, refreshes.

mcp_journey.py RESOURCE EMAIL PASSWORD     prints what happened, as JSON
"""

import json
import sys
from urllib.parse import parse_qs

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_client import Browser, Storage, provider

RESOURCE, EMAIL, PASSWORD = sys.argv[1:]

journey = {"requests": []}


async def watch(response):
    if response.request.method == "POST" and str(response.request.url) != RESOURCE:
        [grant] = parse_qs(response.request.content.decode()).get("grant_type", ["registration"])
        journey["requests"].append(f"{grant} {response.status_code}")


async def whoami(client):
    result = await client.call_tool("whoami", {})
    return json.loads(result.content[0].text)


async def main():
    storage, browser = Storage(), Browser(EMAIL, PASSWORD)
    auth = provider(RESOURCE, storage, browser)
    http = httpx2.AsyncClient(auth=auth, event_hooks={"response": [watch]}, timeout=60)
    async with http, Client(streamable_http_client(RESOURCE, http_client=http)) as client:
        first = storage.tokens
        journey["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        journey["called"] = await whoami(client)

        # As if the lifetime that the token came with were over.
        auth.context.token_expiry_time = 1
        journey["called_again"] = await whoami(client)

    journey["did"] = browser.did
    journey["client_id"] = storage.client_info.client_id
    journey["scope"] = sorted(first.scope.split(" "))
    journey["iss"] = parse_qs(browser.callback.query)["iss"][0]
    journey["new_access_token"] = storage.tokens.access_token != first.access_token
    journey["new_refresh_token"] = storage.tokens.refresh_token != first.refresh_token
    print(json.dumps(journey))


anyio.run(main)
