// Signing in by mail. What /api/auth/link gave stays in this browser: with it the link of the mail is good here and nowhere else.
// The token of the link stands in the fragment, which no server sees, and is taken out of the address at once. Nothing is used
// before somebody presses the button: programs that look at links press none.
"use strict";

// Where this browser keeps a request, and the channel that hands the session to the other pages of this origin.
const KEPT = "usher.signIn";
const CHANNEL = "usher.session";
const MINUTES = 10;

const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);

const outcome = document.getElementById("outcome");
const parts = ["begin", "code", "link", "factor", "elsewhere"].map((id) => document.getElementById(id));
const [begin, code, link, factor] = parts;
// What goes with the code of the second factor. A page that is loaded anew begins again.
let challengeToken = null;
// Made here, so that a request that is sent again after a lost answer is the same one.
let request = { key: crypto.randomUUID(), body: "" };

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT));
    return found && found.until > Date.now() ? found : null;
  } catch {
    return null;
  }
}

function show(id) {
  for (const part of parts) {
    part.hidden = part.id !== id;
  }
}

async function send(path, form) {
  const body = JSON.stringify(form);
  if (body !== request.body) {
    request = { key: crypto.randomUUID(), body };
  }
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": request.key },
    body,
  });
  if (answer.ok) {
    request = { key: crypto.randomUUID(), body: "" };
    return answer.json();
  }
  const problem = await answer.json();
  if (problem.challengeToken) {
    request = { key: crypto.randomUUID(), body: "" };
    challengeToken = problem.challengeToken;
    localStorage.removeItem(KEPT);
    show("factor");
    return null;
  }
  const faults = (problem.errors ?? []).map((fault) => fault.message);
  outcome.textContent = [problem.title, ...faults].join(" ");
  return null;
}

function on(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    outcome.textContent = "";
    try {
      await act(Object.fromEntries(new FormData(form)));
    } catch {
      outcome.textContent = "There was no answer. Try again.";
    }
    button.disabled = false;
  });
}

async function enter(shown) {
  const { requestToken } = kept() ?? {};
  if (!requestToken) {
    outcome.textContent = "That was too long ago. Begin again.";
    show("begin");
    return;
  }
  done(await send("/api/auth/link/confirm", { ...shown, requestToken }));
}

function done(session) {
  if (session) {
    localStorage.removeItem(KEPT);
    new BroadcastChannel(CHANNEL).postMessage(session);
    show("");
    outcome.textContent = "You are signed in. You can close this page.";
  }
}

on(begin, async ({ email }) => {
  const taken = await send("/api/auth/link", { email });
  if (taken) {
    const until = Date.now() + MINUTES * 60 * 1000;
    const { requestToken } = taken;
    localStorage.setItem(KEPT, JSON.stringify({ email, requestToken, until }));
    show("code");
  }
});
on(code, ({ code }) => enter({ email: kept()?.email, code }));
on(link, () => enter({ token }));
on(factor, async ({ code }) => done(await send("/api/auth/challenge", { challengeToken, code })));

if (token) {
  show(kept() ? "link" : "elsewhere");
} else {
  show(kept() ? "code" : "begin");
}
