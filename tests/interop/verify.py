"""Checks access tokens with PyJWT, as a service in Python would.

Arguments: the address of the keys, the issuer, the audience. Each line of the input is a token, each line of the output
what came of it: `accepted SUBJECT` or `refused REASON`.
"""

import sys

import jwt

keys, issuer, audience = sys.argv[1:]
published = jwt.PyJWKClient(keys)
for line in sys.stdin:
    token = line.strip()
    try:
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("another type")
        claims = jwt.decode(
            token,
            published.get_signing_key_from_jwt(token),
            algorithms=["ES256"],
            audience=audience,
            issuer=issuer,
            options={"require": ["sub", "sid", "jti", "iat", "exp", "auth_time"]},
        )
        print("accepted", claims["sub"], flush=True)
    except jwt.PyJWTError as error:
        print("refused", type(error).__name__, flush=True)
