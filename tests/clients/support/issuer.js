// An identity provider with one key, as a process: node issuer.js PORT KEY_ID ALGORITHM SECONDS
// Its clients get access tokens for the audience "reveille" by client_credentials; the scope is the role.
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const [port, kid, alg, seconds] = process.argv.slice(2);
const KINDS = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519", {}],
};
const { privateKey } = generateKeyPairSync(...KINDS[alg]);
const key = { ...privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [key] },
  clients: [
    {
      client_id: "robot",
      client_secret: "the-robot-s-secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  // an id token is never made; its default algorithm would require an RSA key
  clientDefaults: { id_token_signed_response_alg: alg },
  enabledJWA: { idTokenSigningAlgValues: [alg] },
  cookies: { keys: ["not-used"] },
  scopes: ["viewer", "operator", "admin"],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:reveille",
      getResourceServerInfo: () => ({
        scope: "viewer operator admin",
        audience: "reveille",
        accessTokenFormat: "jwt",
        accessTokenTTL: Number(seconds),
        jwt: { sign: { alg } },
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
