"""A protected MCP server on the official Python SDK. Grantor checks its access tokens by introspection (RFC 7662).

Settings, all from the environment:
  AUTH_SERVER_URL  http.public_url of Grantor, without a slash at the end
  RESOURCE_URL     URL of this server as clients know it, the --uri of `grantor resource create`
  RESOURCE_SECRET  the secret that `grantor resource create` prints
  PORT             port on 127.0.0.1 to listen on, 8000 by default
"""

import json
import logging
import os
from urllib.parse import urlsplit

import httpx2
import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    RequestBodyLimitMiddleware,
    TransportSecuritySettings,
)
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

AUTH_SERVER_URL = os.environ["AUTH_SERVER_URL"]
RESOURCE_URL = os.environ["RESOURCE_URL"]
RESOURCE_SECRET = os.environ["RESOURCE_SECRET"]
PORT = int(os.environ.get("PORT", "8000"))

# The scope that each tool needs.
TOOL_SCOPES = {"read_note": "mcp_read", "write_note": "mcp_write"}
SCOPES = sorted(set(TOOL_SCOPES.values()))

ORIGIN = "{0.scheme}://{0.netloc}".format(urlsplit(RESOURCE_URL))
PATH = urlsplit(RESOURCE_URL).path or "/"
METADATA_ROOT = "/.well-known/oauth-protected-resource"
METADATA_PATH = METADATA_ROOT + PATH.removesuffix("/")
METADATA = {
    "resource": RESOURCE_URL,
    "authorization_servers": [AUTH_SERVER_URL],
    "scopes_supported": SCOPES,
    "bearer_methods_supported": ["header"],
}

# --- The tools ---

mcp = MCPServer("notes")
notes: dict[str, str] = {}


@mcp.tool()
def read_note() -> str:
    """Return the note of the signed-in user."""
    return notes.get(get_access_token().subject, "")


@mcp.tool()
def write_note(text: str) -> str:
    """Replace the note of the signed-in user."""
    notes[get_access_token().subject] = text
    return "saved"


# --- The protection ---

grantor = httpx2.AsyncClient(timeout=5)


async def introspect(token: str) -> AccessToken | None:
    """Ask Grantor about a token. None if it is invalid, expired, revoked, or issued for another server."""
    response = await grantor.post(
        f"{AUTH_SERVER_URL}/oauth2/v1/introspect", data={"token": token}, auth=("resource", RESOURCE_SECRET)
    )
    response.raise_for_status()
    claims = response.json()
    if not claims["active"]:
        return None
    return AccessToken(
        token=token,
        client_id=claims["client_id"],
        scopes=claims["scope"].split(),
        expires_at=claims["exp"],
        resource=claims["aud"],
        subject=claims["sub"],
        claims=claims,
    )


def refuse(status: int, scopes: list[str], error: str | None = None) -> Response:
    """Return a challenge (RFC 6750 section 3), from which clients learn where and for what to authorize."""
    challenge = f'Bearer resource_metadata="{ORIGIN}{METADATA_PATH}", scope="{" ".join(scopes)}"'
    if error:
        challenge += f', error="{error}"'
    return JSONResponse({"error": error or "unauthorized"}, status, {"WWW-Authenticate": challenge})


def scopes_needed(body: bytes) -> set[str]:
    """Return the scopes that the tool calls in a request need. Raises ValueError if it is not JSON."""
    parsed = json.loads(body or b"{}")
    messages = parsed if isinstance(parsed, list) else [parsed]
    calls = [one for one in messages if isinstance(one, dict) and one.get("method") == "tools/call"]
    names = [call["params"].get("name") for call in calls if isinstance(call.get("params"), dict)]
    return {scope for name, scope in TOOL_SCOPES.items() if name in names}


class Protection:
    """ASGI middleware that serves the RFC 9728 document and lets only requests with a sufficient token through."""

    def __init__(self, app):
        self.app = AuthContextMiddleware(app)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = Request(scope, receive)
        if request.url.path in (METADATA_PATH, METADATA_ROOT):
            return await JSONResponse(METADATA)(scope, receive, send)

        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return await refuse(401, SCOPES)(scope, receive, send)
        try:
            access = await introspect(token)
        except httpx2.HTTPError as error:
            # A failed check is not an invalid token: with 401, clients would discard a token that may be good.
            logging.error("introspection failed: %s", error)
            return await JSONResponse({"error": "temporarily_unavailable"}, 503)(scope, receive, send)
        if access is None:
            return await refuse(401, SCOPES, "invalid_token")(scope, receive, send)

        body = await request.body()
        try:
            needed = scopes_needed(body)
        except ValueError:
            return await JSONResponse({"error": "the body is not JSON"}, 400)(scope, receive, send)
        if not needed.issubset(access.scopes):
            # The new token replaces the old one, so the challenge names the scopes that the client already has, too.
            all_scopes = [one for one in SCOPES if one in needed or one in access.scopes]
            return await refuse(403, all_scopes, "insufficient_scope")(scope, receive, send)

        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again():
            return unread.pop() if unread else await receive()

        await self.app({**scope, "user": AuthenticatedUser(access)}, receive_again, send)


# The SDK's check against DNS rebinding is off: a page that rebinds a name has no token, and each request needs one.
app = mcp.streamable_http_app(
    streamable_http_path=PATH,
    stateless_http=True,
    json_response=True,
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
app = RequestBodyLimitMiddleware(Protection(app), DEFAULT_MAX_REQUEST_BODY_SIZE)
# Clients that run in a browser need CORS, and have to see the challenge.
app = CORSMiddleware(
    app, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"], expose_headers=["WWW-Authenticate"]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT)
