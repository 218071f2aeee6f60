// A protected MCP server on the official TypeScript SDK. Grantor checks its access tokens by introspection (RFC 7662).
//
// Settings, all from the environment:
//   AUTH_SERVER_URL  http.public_url of Grantor, without a slash at the end
//   RESOURCE_URL     URL of this server as clients know it, the --uri of `grantor resource create`
//   RESOURCE_SECRET  the secret that `grantor resource create` prints
//   PORT             port on 127.0.0.1 to listen on, 8000 by default
import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import type {} from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js"; // The type of `request.auth`
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import cors from "cors";
import express, { type NextFunction, type Request, type Response } from "express";
import { z } from "zod";

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const AUTH_SERVER_URL = setting("AUTH_SERVER_URL");
const RESOURCE_URL = setting("RESOURCE_URL");
const RESOURCE_SECRET = setting("RESOURCE_SECRET");
const PORT = Number(process.env.PORT ?? 8000);

// The scope that each tool needs.
const TOOL_SCOPES = new Map([["read_note", "mcp_read"], ["write_note", "mcp_write"]]);
const SCOPES = [...new Set(TOOL_SCOPES.values())].sort();

const { origin, pathname } = new URL(RESOURCE_URL);
const METADATA_ROOT = "/.well-known/oauth-protected-resource";
const METADATA_PATH = METADATA_ROOT + pathname.replace(/\/$/, "");
const METADATA = {
  resource: RESOURCE_URL,
  authorization_servers: [AUTH_SERVER_URL],
  scopes_supported: SCOPES,
  bearer_methods_supported: ["header"],
};

// --- The tools ---

const notes = new Map<unknown, string>();
const answer = (text: string) => ({ content: [{ type: "text" as const, text }] });

function mcpServer(): McpServer {
  const server = new McpServer({ name: "notes", version: "1.0.0" });
  server.registerTool(
    "read_note",
    { description: "Return the note of the signed-in user" },
    ({ authInfo }) => answer(notes.get(authInfo?.extra?.sub) ?? ""),
  );
  server.registerTool(
    "write_note",
    { description: "Replace the note of the signed-in user", inputSchema: { text: z.string() } },
    ({ text }, { authInfo }) => {
      notes.set(authInfo?.extra?.sub, text);
      return answer("saved");
    },
  );
  return server;
}

// --- The protection ---

// Asks Grantor about a token. Undefined if it is invalid, expired, revoked, or issued for another server.
async function introspect(token: string): Promise<AuthInfo | undefined> {
  const response = await fetch(`${AUTH_SERVER_URL}/oauth2/v1/introspect`, {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(`resource:${RESOURCE_SECRET}`)}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new Error(`introspection returned ${response.status}`);
  const claims: any = await response.json();
  if (!claims.active) return undefined;
  return { token, clientId: claims.client_id, scopes: claims.scope.split(" "), expiresAt: claims.exp, extra: claims };
}

// Sends a challenge (RFC 6750 section 3), from which clients learn where and for what to authorize.
function refuse(response: Response, status: number, scopes: string[], error?: string) {
  let challenge = `Bearer resource_metadata="${origin}${METADATA_PATH}", scope="${scopes.join(" ")}"`;
  if (error) challenge += `, error="${error}"`;
  response.status(status).set("WWW-Authenticate", challenge).json({ error: error ?? "unauthorized" });
}

// Returns the scopes that the tool calls in a request need.
function scopesNeeded(body: any): string[] {
  const calls = [body].flat().filter((message) => message?.method === "tools/call");
  return calls.map(({ params }) => TOOL_SCOPES.get(params?.name)).filter((scope) => scope !== undefined);
}

async function protect(request: Request, response: Response, next: NextFunction) {
  const [, token] = /^bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) return refuse(response, 401, SCOPES);

  let auth: AuthInfo | undefined;
  try {
    auth = await introspect(token);
  } catch (error) {
    // A failed check is not an invalid token: with 401, clients would discard a token that may be good.
    console.error("introspection failed:", error);
    response.status(503).json({ error: "temporarily_unavailable" });
    return;
  }
  if (!auth) return refuse(response, 401, SCOPES, "invalid_token");

  const needed = scopesNeeded(request.body);
  if (!needed.every((scope) => auth.scopes.includes(scope))) {
    // The new token replaces the old one, so the challenge names the scopes that the client already has, too.
    const all = SCOPES.filter((scope) => needed.includes(scope) || auth.scopes.includes(scope));
    return refuse(response, 403, all, "insufficient_scope");
  }
  request.auth = auth;
  next();
}

const app = express();
// Clients that run in a browser need CORS, and have to see the challenge.
app.use(cors({ exposedHeaders: ["WWW-Authenticate"] }));
app.use(express.json({ limit: "4mb" }));

app.get([METADATA_PATH, METADATA_ROOT], (_request, response) => {
  response.json(METADATA);
});

app.post(pathname, protect, async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  await mcpServer().connect(transport);
  await transport.handleRequest(request, response, request.body);
});

// This server keeps no sessions, so it has no stream to open and nothing to delete.
app.all(pathname, protect, (_request, response) => {
  response.status(405).set("Allow", "POST").end();
});

app.listen(PORT, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${PORT}`));
