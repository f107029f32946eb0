// A real OpenID Connect provider for tests: oidc-provider with its own sign-in pages.
// Arguments: one JSON object {port, issuer, client_id, client_secret, redirect_uris, accounts: {login: claims}}.
// An account's claims are read anew from accounts_file, where one is given, so that a test can move people between groups.
import { readFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const given = JSON.parse(process.argv[2]);
const accounts = () => JSON.parse(readFileSync(given.accounts_file, "utf8"));

const provider = new Provider(given.issuer, {
  clients: [
    {
      client_id: given.client_id,
      client_secret: given.client_secret,
      redirect_uris: given.redirect_uris,
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  scopes: ["openid", "profile", "email", "groups"],
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["tests"] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id, ...accounts()[id] }) }),
});
provider.on("server_error", (_, error) => console.error(error));
provider.listen(given.port, "127.0.0.1", () => console.log("ready"));
