// Checks access tokens with `jose`, as a service in JavaScript would.
//
// Arguments: the address of the keys, the issuer, the audience. Each line of the input is a token, each line of the output
// what came of it: `accepted SUBJECT` or `refused REASON`.
import { createInterface } from "node:readline";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [keys, issuer, audience] = process.argv.slice(2);
const published = createRemoteJWKSet(new URL(keys));
for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { payload } = await jwtVerify(token, published, {
      algorithms: ["ES256"],
      audience,
      issuer,
      requiredClaims: ["sub", "sid", "jti", "iat", "exp", "auth_time"],
      typ: "at+jwt",
    });
    console.log(`accepted ${payload.sub}`);
  } catch (error) {
    console.log(`refused ${error.code ?? error}`);
  }
}
