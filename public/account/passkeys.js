// Signing in with a passkey, and the passkeys of who is signed in. The tokens stay in this page and are gone with it.
"use strict";

const outside = document.getElementById("outside");
const inside = document.getElementById("inside");
const outcome = document.getElementById("outcome");
let session;
// Ends the question that waits in the field of the address.
let waiting;

async function call(method, path, body) {
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  if (body) {
    headers["Content-Type"] = "application/json";
  }
  if (session) {
    headers.Authorization = `Bearer ${session.accessToken}`;
  }
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (answer.status === 204) {
    return undefined;
  }
  const content = await answer.json();
  if (!answer.ok) {
    const faults = (content.errors ?? []).map((fault) => fault.message);
    throw new Error([content.title, ...faults].join(" "));
  }
  return content;
}

// Says what went wrong, whatever is done.
async function attempt(done) {
  outcome.textContent = "";
  try {
    await done();
  } catch (error) {
    if (error.name !== "AbortError") {
      outcome.textContent = error.message;
    }
  }
}

async function enter(answer) {
  waiting?.abort();
  session = answer;
  outside.hidden = true;
  inside.hidden = false;
  document.getElementById("who").textContent = session.user.email;
  await list();
}

async function list() {
  const { data } = await call("GET", "/api/me/passkeys");
  const items = data.map((passkey) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.textContent = "Remove";
    button.addEventListener("click", () =>
      attempt(async () => {
        await call("DELETE", `/api/me/passkeys/${passkey.id}`);
        await list();
      }),
    );
    item.append(passkey.name, " ", button);
    return item;
  });
  document.getElementById("passkeys").replaceChildren(...items);
}

// `mediation` is "conditional" for the passkeys that the browser offers in the field of the address.
async function signIn(mediation) {
  waiting?.abort();
  const mine = new AbortController();
  waiting = mine;
  const { ceremonyToken, publicKey } = await call("POST", "/api/auth/passkey/options");
  if (mine.signal.aborted) {
    return;
  }
  const credential = await navigator.credentials.get({
    mediation,
    signal: mine.signal,
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
  });
  await enter(await call("POST", "/api/auth/passkey", { ceremonyToken, credential: credential.toJSON() }));
}

document.getElementById("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = Object.fromEntries(new FormData(event.target));
  attempt(async () => enter(await call("POST", "/api/auth/login", form)));
});

document.getElementById("with-passkey").addEventListener("click", () => attempt(() => signIn("optional")));

document.getElementById("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name } = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    const { ceremonyToken, publicKey } = await call("POST", "/api/me/passkeys/options");
    const credential = await navigator.credentials.create({
      publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey),
    });
    await call("POST", "/api/me/passkeys", { ceremonyToken, credential: credential.toJSON(), name });
    event.target.reset();
    await list();
  });
});

attempt(async () => {
  if (await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.()) {
    await signIn("conditional");
  }
});
