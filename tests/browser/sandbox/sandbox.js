// A CDS client on another site than the service: what the public CDS Hooks sandbox does, in as few words. It discovers
// services with a signed token in Authorization (so that browsers ask first), puts each prefetch template to the FHIR
// server and leaves out what that does not answer, calls each service, draws the cards, and tells what became of them.
"use strict";

const form = document.forms[0];
const at = (id) => document.getElementById(id);
const seen = { exchanges: [] }; // for whoever looks over its shoulder

async function ask(url, options = {}) {
  const headers = { Accept: "application/json", Authorization: "Bearer eyJhbGciOiJFUzM4NCJ9.e30.c2FuZGJveA", ...options.headers };
  const answer = await fetch(url, { ...options, headers });
  const text = await answer.text();
  const exchange = { url, status: answer.status, sent: options.body, body: text ? JSON.parse(text) : null };
  seen.exchanges.push(exchange);
  return exchange;
}

async function prefetched(templates, context) {
  const found = {};
  await Promise.all(Object.entries(templates ?? {}).map(async ([key, template]) => {
    const query = template.replaceAll("{{context.patientId}}", context.patientId).replaceAll("{{context.userId}}", context.userId);
    const [path, search] = query.split("?");
    const encoded = search?.split("&").map((each) => each.split("=").map(encodeURIComponent).join("=")).join("&");
    const answer = await fetch(`${form.fhir.value}/${path}${encoded ? `?${encoded}` : ""}`, { headers: { Accept: "application/fhir+json" } });
    if (answer.ok) found[key] = await answer.json();
  }));
  return found;
}

async function openFile() {
  at("cards").replaceChildren();
  seen.exchanges.length = 0;
  const { body } = await ask(form.discovery.value);
  for (const service of body.services.filter((each) => each.hook === "patient-view")) {
    const url = `${form.discovery.value}/${service.id}`;
    const context = { patientId: form.patient.value, userId: "Practitioner/COREPRACTITIONER1" };
    const call = { hookInstance: crypto.randomUUID(), hook: service.hook, fhirServer: form.fhir.value, context };
    call.prefetch = await prefetched(service.prefetch, context);
    const headers = { "Content-Type": "application/json;charset=utf-8", "Accept-Language": form.language.value };
    const told = await ask(url, { method: "POST", headers, body: JSON.stringify(call) });
    if (told.status === 200) at("cards").append(...told.body.cards.map((card) => drawn(card, url)));
    else at("cards").append(Object.assign(document.createElement("pre"), { textContent: JSON.stringify(told.body) }));
  }
}

function drawn(card, url) {
  const made = document.createElement("article");
  const part = (name, text, kind) => made.appendChild(Object.assign(document.createElement(name), { textContent: text, className: kind ?? "" }));
  part("h2", card.summary, card.indicator);
  part("p", `Source: ${card.source.label}`);
  part("pre", card.detail);
  for (const { label, url: address } of card.links ?? []) part("a", label).href = address;
  const tell = (entry) => ask(`${url}/feedback`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ feedback: [{ card: card.uuid, outcomeTimestamp: new Date().toISOString(), ...entry }] }),
  }).then((told) => { at("state").textContent = `feedback ${told.status}`; });
  part("button", "Accept").onclick = () => tell({ outcome: "accepted" });
  for (const reason of card.overrideReasons ?? []) {
    const overrideReason = { reason, userComment: "a comment of a clinician" };
    part("button", reason.display).onclick = () => tell({ outcome: "overridden", overrideReason });
  }
  return made;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  at("state").textContent = "…";
  openFile().then(
    () => { at("state").textContent = "done"; },
    (error) => { at("state").textContent = `failed: ${error.message}`; },
  );
});
