// The pages that links in mails lead to. The token stands in the fragment, which no server sees, and is taken out of the
// address at once. Nothing is used before somebody presses the button: programs that look at links press none.
"use strict";

const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);

const form = document.querySelector("form");
const button = form.querySelector("button");
const outcome = document.getElementById("outcome");
// Made here, so that a request that is sent again after a lost answer is the same one.
let request = { key: crypto.randomUUID(), body: "" };

if (!token) {
  form.hidden = true;
  outcome.textContent = "The link is not whole: open it as the mail has it.";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  outcome.textContent = "";
  const body = JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) });
  if (body !== request.body) {
    request = { key: crypto.randomUUID(), body };
  }
  try {
    const answer = await fetch(form.dataset.path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": request.key },
      body,
    });
    if (answer.ok) {
      form.hidden = true;
      outcome.textContent = form.dataset.done;
      return;
    }
    const problem = await answer.json();
    const faults = (problem.errors ?? []).map((fault) => fault.message);
    outcome.textContent = [problem.title, ...faults].join(" ");
  } catch {
    outcome.textContent = "There was no answer. Try again.";
  }
  button.disabled = false;
});
