// oidc-provider as the benchmark's peer: on Postgres, with one public client and one API that introspects.
//
// No browser takes part in a benchmark, so POST /mint?codes=N makes authorization codes, through the server's own
// models, of as many grants as there are people. Only on loopback.
//
// From the environment: PORT, DATABASE_URL, CLIENT_ID, REDIRECT_URI, CODE_CHALLENGE, SCOPE, API_ID, API_SECRET.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import { Adapter, createTable } from './adapter.mjs';

const { PORT, CLIENT_ID, REDIRECT_URI, CODE_CHALLENGE, SCOPE, API_ID, API_SECRET } = process.env;
const PEOPLE = 256;
const HOUR = 3600;

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signingKey = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' };

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  adapter: Adapter,
  jwks: { keys: [signingKey] },
  clients: [
    {
      client_id: CLIENT_ID,
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
    },
    {
      client_id: API_ID,
      client_secret: API_SECRET,
      redirect_uris: [],
      grant_types: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
    },
  ],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  // There is no browser session that could end.
  expiresWithSession: async () => false,
  cookies: { keys: ['of a benchmark'] },
  ttl: { AccessToken: HOUR, AuthorizationCode: HOUR, Grant: 24 * HOUR, IdToken: HOUR, RefreshToken: 24 * HOUR },
});

async function mintGrant(person) {
  const grant = new provider.Grant({ accountId: `person-${person}`, clientId: CLIENT_ID });
  grant.addOIDCScope(SCOPE);
  return { accountId: grant.accountId, grantId: await grant.save() };
}

async function mintCode(client, { accountId, grantId }) {
  return new provider.AuthorizationCode({
    client,
    accountId,
    grantId,
    scope: SCOPE,
    redirectUri: REDIRECT_URI,
    codeChallenge: CODE_CHALLENGE,
    codeChallengeMethod: 'S256',
    authTime: Math.floor(Date.now() / 1000),
    expiresWithSession: false,
  }).save();
}

async function mint(count, grants) {
  const client = await provider.Client.find(CLIENT_ID);
  const codes = [];
  while (codes.length < count) {
    const these = grants.slice(0, count - codes.length);
    codes.push(...(await Promise.all(these.map((grant) => mintCode(client, grant)))));
  }
  return codes;
}

function answer(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

await createTable();
const grants = await Promise.all(Array.from({ length: PEOPLE }, (_, person) => mintGrant(person)));
const callback = provider.callback();

createServer((request, response) => {
  const [path, query] = request.url.split('?');
  if (request.method !== 'POST' || path !== '/mint') return callback(request, response);
  return mint(Number(new URLSearchParams(query).get('codes')), grants).then(
    (codes) => answer(response, 200, { codes }),
    (error) => answer(response, 500, { error: String(error) }),
  );
}).listen(Number(PORT), '127.0.0.1');
