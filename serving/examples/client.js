// Ask Vigie from JavaScript, with nothing but fetch: in Node.js 18 or later (client.js [address]). In a browser, pages of
// sites that the service allows (VIGIE_ORIGINS; any in development) may ask at the CDS Hooks door.
"use strict";

/** Return what is answered; throw with all faults where nothing is. */
async function ask(address, body, kind = "application/json") {
  const answer = await fetch(address, {
    method: body === undefined ? "GET" : "POST",
    headers: { "Accept-Language": "en", ...(body === undefined ? {} : { "Content-Type": kind }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error((found.issue ?? []).map((issue) => `refused: ${issue.details.text}`).join("\n"));
  return found;
}

/** Return lines with a patient's risk, or why there is none. */
async function evaluate(vigie, parameters) {
  const found = await ask(`${vigie}/fhir/RiskAssessment/$evaluate`, parameters, "application/fhir+json");
  if (found.status === "cancelled") {
    const reasons = found.extension.filter((each) => each.url === "urn:vigie:fhir:abstention");
    return ["no risk is given:", ...reasons.map((each) => `  ${each.valueCodeableConcept.text}`)];
  }
  const [prediction] = found.prediction;
  const risk = `risk: ${prediction.probabilityDecimal.toFixed(1)}%, ${prediction.qualitativeRisk.text}`;
  return [risk, prediction.rationale, `from ${found.basis.length} resources, such as ${found.basis[0].display}`];
}

/** Return the example's Bundle with all its dates moved alike, so that the day it was asked about is today. */
function asIfToday(parameters) {
  const given = (name) => parameters.parameter.find((each) => each.name === name);
  const midnight = (text) => Date.parse(text.slice(0, 10));
  const by = midnight(new Date().toISOString()) - midnight(given("as_of").valueDateTime);
  const moved = (day) => new Date(midnight(day) + by).toISOString().slice(0, 10);
  return JSON.parse(JSON.stringify(given("bundle").resource).replace(/(?<=")\d{4}-\d\d-\d\d/g, moved));
}

/** Return lines with the cards that are shown when a patient's file is opened. */
async function openFile(vigie, bundle) {
  const resources = bundle.entry.map((entry) => entry.resource);
  const patient = resources.find((each) => each.resourceType === "Patient");
  const lines = [];
  for (const service of (await ask(`${vigie}/cds-services`)).services) {
    const prefetch = {};
    for (const [key, template] of Object.entries(service.prefetch)) { // a real client puts these to its FHIR server
      const kind = template.split(/[?/]/)[0];
      const entry = resources.filter((each) => each.resourceType === kind).map((resource) => ({ resource }));
      const whole = entry.length ? { resourceType: "Bundle", type: "searchset", entry } : null;
      prefetch[key] = kind === "Patient" ? patient : whole;
    }
    const call = {
      hook: service.hook,
      hookInstance: crypto.randomUUID(),
      context: { userId: "Practitioner/example", patientId: patient.id },
      prefetch,
    };
    const { cards } = await ask(`${vigie}/cds-services/${service.id}`, call);
    lines.push(...cards.map((card) => `[${card.indicator}] ${card.summary}`));
  }
  return lines;
}

if (typeof module !== "undefined") {
  globalThis.crypto ??= require("node:crypto").webcrypto; // Node.js 18
  module.exports = { ask, asIfToday, evaluate, openFile };
  if (require.main === module) {
    const { readFileSync } = require("node:fs");
    const { join } = require("node:path");
    const vigie = process.argv[2] ?? "http://127.0.0.1:3000";
    const parameters = JSON.parse(readFileSync(join(__dirname, "parameters.json"), "utf8"));
    (async () => {
      console.log((await evaluate(vigie, parameters)).join("\n"));
      console.log((await openFile(vigie, asIfToday(parameters))).join("\n"));
    })().catch((error) => {
      console.error(error.message);
      process.exit(1);
    });
  }
}
