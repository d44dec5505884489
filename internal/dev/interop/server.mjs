// The authorisation server of the interoperability checks: oidc-provider (panva), which is certified by the OpenID
// Foundation, on HTTPS and loopback. Cronbearer's authors wrote none of what decides here: client authentication,
// refresh tokens and their reuse are oidc-provider's, the JWTs of jwt_bearer and token_exchange are verified by jose.
//
// It is driven by lines of JSON on standard input and answers each with one line on standard output. The first line is
// the configuration. It ends when standard input does, so that it never outlives the check.
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';

// oidc-provider is made for Node.js 22 and later, and needs from it this one function that 20 does not have.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);

const { default: Provider, errors } = await import('oidc-provider');
const { createLocalJWKSet, jwtVerify } = await import('jose');

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const API = 'https://reports.example.com';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const config = JSON.parse((await lines.next()).value);
const issuers = new Map(); // that are trusted: name -> JWK set
const audiences = new Map(); // of exchanged tokens, by jti

const server = createServer({ cert: config.cert, key: config.key });
await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
const issuer = `https://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: config.clients,
  extraClientMetadata: { properties: ['certificate'] },
  // Entra finds the key by the certificate's thumbprint (RFC 7515 section 4.1.8); Node.js computes it here.
  assertJwtClientAuthClaimsAndHeader: (_, claims, header, client) => {
    if (client.certificate === undefined) return;
    const thumbprint = Buffer.from(new X509Certificate(client.certificate).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
    if (header['x5t#S256'] !== thumbprint) throw new errors.InvalidClientAuth("x5t#S256 is not the certificate's");
  },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  enabledJWA: { clientAuthSigningAlgValues: ALGORITHMS },
  scopes: ['openid', 'offline_access', 'reports:read', 'reports:write'],
  jwks: config.jwks,
  cookies: { keys: [config.cookieKey] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  ttl: { AccessToken: 3600, ClientCredentials: 600, Grant: 86400, IdToken: 3600, RefreshToken: 86400 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    // Auth0 and others accept the API's name as "audience"; oidc-provider's own parameter for it is RFC 8707's "resource".
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => ctx.oidc.body?.audience,
      getResourceServerInfo: (_, audience) => ({ audience, scope: 'reports:read reports:write', accessTokenFormat: 'jwt' }),
      useGrantedResource: () => true,
    },
  },
});

// verify returns the claims of a trusted issuer's JWT that is for this server and was not used before.
const verify = async (assertion) => {
  const { payload: claims } = await jwtVerify(assertion, async (header, token) => {
    const { iss } = JSON.parse(Buffer.from(token.payload, 'base64url'));
    if (!issuers.has(iss)) throw new Error('unknown issuer');
    return createLocalJWKSet(issuers.get(iss))(header, token);
  }, { algorithms: ALGORITHMS, audience: [issuer, provider.urlFor('token')], requiredClaims: ['iss', 'sub', 'aud', 'exp', 'jti'] });
  if (!await provider.ReplayDetection.unique(claims.iss, claims.jti, claims.exp)) throw new Error('it was used before');
  return claims;
};

// grant is an access token for whom the claims name, as the answer of the token endpoint has it.
const grant = async (client, claims, scope, gty, audience = []) => {
  const given = new provider.Grant({ clientId: client.clientId, accountId: claims.sub });
  given.addOIDCScope(scope ?? '');
  const token = new provider.AccessToken({ accountId: claims.sub, client, grantId: await given.save(), gty, scope });
  const text = await token.save();
  audiences.set(token.jti, audience);
  return { access_token: text, token_type: token.tokenType, expires_in: token.expiration, scope };
};

// oidc-provider has no token exchange of its own: the request's form is RFC 8693's, the tokens are oidc-provider's.
provider.registerGrantType(TOKEN_EXCHANGE, async (ctx) => {
  const { client, params } = ctx.oidc;
  if (params.subject_token_type !== 'urn:ietf:params:oauth:token-type:jwt') throw new errors.InvalidRequest('subject_token_type is not a JWT');
  if (![undefined, ACCESS_TOKEN].includes(params.requested_token_type)) throw new errors.InvalidRequest('requested_token_type is not supported');
  const audience = [...new Set([params.audience, params.resource].flat())].filter((name) => name !== undefined);
  if (audience.some((name) => name !== API)) throw new errors.InvalidTarget('unknown audience');
  let claims;
  try {
    claims = await verify(params.subject_token ?? '');
  } catch (cause) { // RFC 8693 section 2.2.2
    throw new errors.InvalidRequest(`subject_token rejected (${cause.code ?? cause.message})`);
  }
  ctx.body = {
    ...await grant(client, claims, params.scope, 'token_exchange', audience), issued_token_type: ACCESS_TOKEN,
  };
}, ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope']);

provider.registerGrantType(JWT_BEARER, async (ctx) => {
  const { client, params } = ctx.oidc;
  if (params.assertion === undefined) throw new errors.InvalidRequest('missing required parameter assertion');
  let claims;
  try {
    claims = await verify(params.assertion);
  } catch (cause) {
    throw new errors.InvalidGrant(`assertion rejected (${cause.code ?? cause.message})`);
  }
  // Salesforce accepts assertions that expire within three minutes; a clock may be half a minute off.
  if (claims.exp - Date.now() / 1000 > 210) throw new errors.InvalidGrant('assertion lives too long');
  // Google reads the claim and not the parameter (RFC 7521 section 4.1 has the parameter).
  if ((claims.scope ?? '') !== (params.scope ?? '')) throw new errors.InvalidScope('scope differs from the claim', params.scope);
  ctx.body = await grant(client, claims, params.scope, 'jwt_bearer');
}, ['assertion', 'scope']);

// signed finds an access token that is a JWT and so is not stored.
const publicKeys = { keys: config.jwks.keys.map(({ kid, kty, use, n, e }) => ({ kid, kty, use, n, e })) };
const signed = async (token) => {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(publicKeys), { issuer });
    return { client: payload.client_id, account: payload.sub, scope: payload.scope, audience: [payload.aud].flat() };
  } catch {
    return {};
  }
};

const commands = {
  // client changes a client that is stored, such as its keys.
  client: async ({ metadata }) => { await provider.Client.adapter.upsert(metadata.client_id, metadata); },
  issuer: async ({ name, jwks }) => { issuers.set(name, jwks); },
  // login is what a user does in a browser: a grant and its first refresh token.
  login: async ({ client: id, account, scope }) => {
    const client = await provider.Client.find(id);
    const consent = new provider.Grant({ clientId: id, accountId: account });
    consent.addOIDCScope(scope);
    const token = new provider.RefreshToken({
      accountId: account, client, grantId: await consent.save(), gty: 'authorization_code', scope,
    });
    return { refresh_token: await token.save() };
  },
  // lose has the connection break after the next token request was served: the server has acted, and no one hears of it.
  lose: async () => { losing = true; },
  // find reports whether the server honours an access token now.
  find: async ({ token }) => {
    const found = await provider.AccessToken.find(token) ?? await provider.ClientCredentials.find(token);
    if (!found) return signed(token);
    return { client: found.clientId, account: found.accountId, scope: found.scope, audience: audiences.get(found.jti) };
  },
};

const handle = provider.callback();
let requests = 0;
let losing = false;
server.on('request', (request, response) => {
  if (request.url === '/token') {
    requests += 1;
    if (losing) {
      losing = false;
      response.write = () => true;
      response.end = () => request.socket.destroy();
    }
  }
  handle(request, response);
});

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
answer({ issuer, token_url: provider.urlFor('token') });
for await (const line of lines) {
  const { command, ...input } = JSON.parse(line);
  try {
    answer({ ...await commands[command](input), requests });
  } catch (error) {
    answer({ error: String(error.error_description ?? error.stack ?? error) });
  }
}
server.close();
server.closeAllConnections();
