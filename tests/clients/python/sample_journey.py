"""The official MCP client meets a sample server of docs/examples: it is challenged, connects, and calls the tools.

sample_journey.py RESOURCE EMAIL PASSWORD     prints what happened, as JSON
"""

import json
import sys

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from mcp_client import Browser, Storage, provider

RESOURCE, EMAIL, PASSWORD = sys.argv[1:]

challenges = {}


async def watch(response):
    if str(response.request.url) == RESOURCE and response.status_code in (401, 403):
        challenges[f"{response.status_code} {response.headers['www-authenticate']}"] = True


async def call(client, name, **arguments):
    """The text that a tool returns, or "refused"."""
    try:
        return (await client.call_tool(name, arguments)).content[0].text
    except MCPError:
        return "refused"


async def main():
    auth = provider(RESOURCE, Storage(), Browser(EMAIL, PASSWORD))
    http = httpx2.AsyncClient(auth=auth, event_hooks={"response": [watch]}, timeout=60)
    async with http, Client(streamable_http_client(RESOURCE, http_client=http)) as client:
        tools = sorted(tool.name for tool in (await client.list_tools()).tools)
        wrote = await call(client, "write_note", text="buy milk")
        read = await call(client, "read_note")
    print(json.dumps({"challenges": list(challenges), "tools": tools, "wrote": wrote, "read": read}))


anyio.run(main)
