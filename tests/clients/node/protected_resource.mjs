// An MCP server that takes access tokens of an authorization server, as a stranger would write it: the official SDK, a
// metadata document (RFC 9728), and keys and nothing else of the authorization server.
//
//   node protected_resource.mjs ISSUER     prints its own URL and serves until it is ended
import { createServer } from "node:http";
import { installed } from "./installed.mjs";

const { McpServer } = await installed("@modelcontextprotocol/sdk/server/mcp.js");
const { StreamableHTTPServerTransport } = await installed("@modelcontextprotocol/sdk/server/streamableHttp.js");
const { createRemoteJWKSet, jwtVerify } = await installed("jose");

const SCOPE = "mcp_read";
const DOCUMENT = "/.well-known/oauth-protected-resource";
// RFC 9068 section 2.2
const CLAIMS = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

const [issuer] = process.argv.slice(2);

let keys;

// The keys are found as a client finds them, once somebody brings a token.
async function claimsOf(token) {
  if (!keys) {
    const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
    keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
  }
  const expected = { issuer, audience: resource, typ: "at+jwt", requiredClaims: CLAIMS };
  return (await jwtVerify(token, keys, expected)).payload;
}

function whoami(claims) {
  const { iss, aud, sub, client_id } = claims;
  const scope = claims.scope.split(" ").sort();
  return { content: [{ type: "text", text: JSON.stringify({ iss, aud, sub, client_id, scope }) }] };
}

function mcpServer(claims) {
  const server = new McpServer({ name: "protected", version: "1" });
  server.registerTool("whoami", { description: "Tells whose token this is" }, () => whoami(claims));
  return server;
}

function refuse(response, status, parameters) {
  const all = { ...parameters, scope: SCOPE, resource_metadata: `${origin}${DOCUMENT}/mcp` };
  const challenge = Object.entries(all).map(([name, value]) => `${name}="${value}"`);
  response.writeHead(status, { "WWW-Authenticate": `Bearer ${challenge.join(", ")}` }).end();
}

async function serve(request, response) {
  const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
  if (!token) {
    return refuse(response, 401, {});
  }
  let claims;
  try {
    claims = await claimsOf(token);
  } catch (error) {
    console.error(`refused: ${error.message}`);
    return refuse(response, 401, { error: "invalid_token" });
  }
  if (!claims.scope?.split(" ").includes(SCOPE)) {
    return refuse(response, 403, { error: "insufficient_scope" });
  }
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  await mcpServer(claims).connect(transport);
  return transport.handleRequest(request, response);
}

function answer(request, response) {
  if (request.url.startsWith(DOCUMENT)) {
    const document = { resource, authorization_servers: [issuer], scopes_supported: [SCOPE] };
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(document));
  } else if (request.url === "/mcp" && request.method === "POST") {
    serve(request, response).catch((error) => response.destroy(error));
  } else {
    response.writeHead(request.url === "/mcp" ? 405 : 404).end();
  }
}

const server = createServer(answer);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://127.0.0.1:${server.address().port}`;
const resource = `${origin}/mcp`;
console.log(resource);
