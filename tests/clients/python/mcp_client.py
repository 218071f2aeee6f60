"""What a program that uses the official MCP client brings: a store, and a user at a browser."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

REDIRECT_URI = "http://localhost:33418/callback"
PERSON = Path(__file__).parent.parent / "node" / "person.mjs"


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
    """A user at a browser, which is a program of its own."""

    callback = None

    def __init__(self, email, password):
        self.email = email
        self.password = password
        self.did = []

    async def open(self, url):
        ended = await anyio.run_process(["node", PERSON, url, self.email, self.password], stderr=None)
        told = json.loads(ended.stdout)
        self.did += told["did"]
        self.callback = urlsplit(told["arrived"])
        assert self.callback._replace(query="").geturl() == REDIRECT_URI, self.callback

    async def answer(self):
        # The provider compares `state` and `iss` itself.
        return AuthorizationCodeResult(**{name: value for name, [value] in parse_qs(self.callback.query).items()})


def provider(resource, storage, browser):
    metadata = OAuthClientMetadata(client_name="Journey", redirect_uris=[REDIRECT_URI])
    return OAuthClientProvider(resource, metadata, storage, browser.open, browser.answer)
