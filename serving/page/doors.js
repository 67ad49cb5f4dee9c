// The three doors: which one a text is for, what is asked there, and how.

import { language, words } from "./elements.js";

const FHIR = "application/fhir+json";
const JSON_TYPE = "application/json";

/** Return for which door a value is: "hooks", "fhir" or "json"; null where it is for none. */
export function door(value) {
  if (value === null || typeof value !== "object") return null;
  if ("hook" in value) return "hooks";
  if (["Bundle", "Parameters"].includes(value.resourceType)) return "fhir";
  return "records" in value ? "json" : null;
}

/** Return what is asked for a value that is for a door: one or two questions. */
export function questions(kind, value, study, first, services) {
  const service = services.find((each) => each.id === `vigie-${study}`);
  if (kind === "json") return [question("json", `score/${study}`, JSON_TYPE, value)];
  if (kind === "hooks") return [question("hooks", `cds-services/vigie-${study}`, JSON_TYPE, value)];
  const asked = [question("fhir", "fhir/RiskAssessment/$evaluate", FHIR, study === first ? value : named(value, study))];
  const bundle = value.resourceType === "Bundle" ? value : value.parameter?.find?.((each) => each?.name === "bundle")?.resource;
  const called = service && call(bundle, service);
  return called ? [question("hooks", `cds-services/vigie-${study}`, JSON_TYPE, called), ...asked] : asked;
}

function question(kind, path, type, body) {
  return { kind, path, type, body };
}

/** Return Parameters that say which study's model should answer. */
function named(value, study) {
  const given = value.resourceType === "Parameters" ? value.parameter ?? [] : [{ name: "bundle", resource: value }];
  const others = Array.isArray(given) ? given.filter((each) => each?.name !== "study") : [];
  return { resourceType: "Parameters", parameter: [...others, { name: "study", valueCode: study }] };
}

/** Return the call that a CDS client makes when the file in a Bundle is opened; null where it holds no patient. */
export function call(bundle, service) {
  const entries = Array.isArray(bundle?.entry) ? bundle.entry : [];
  const resources = entries.map((each) => each?.resource).filter((each) => each && typeof each === "object");
  const patient = resources.find((each) => each.resourceType === "Patient" && typeof each.id === "string");
  if (!patient) return null;
  const prefetch = {};
  for (const [key, template] of Object.entries(service.prefetch)) { // a real client puts these to its FHIR server
    const [kind] = template.split(/[?/]/);
    const found = resources.filter((each) => each.resourceType === kind).map((resource) => ({ resource }));
    const whole = found.length ? { resourceType: "Bundle", type: "searchset", entry: found } : null;
    prefetch[key] = kind === "Patient" ? patient : whole;
  }
  const context = { userId: "Practitioner/example", patientId: patient.id };
  return { hook: service.hook, hookInstance: uuid(), context, prefetch };
}

/** Return a random UUID; browsers give one to safe addresses only. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Return what is answered: its status, its text, its value where it is JSON, and how long it took. */
export async function ask({ path, type, body }) {
  const began = performance.now();
  const headers = { "Accept-Language": language, ...(body === undefined ? {} : { "Content-Type": type }) };
  const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(path, { headers, credentials: "omit", ...sent });
  const text = await answer.text();
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    // an empty answer, such as 401 has
  }
  return { status: answer.status, text, value, milliseconds: Math.round(performance.now() - began) };
}

/** Return the command that asks the same. */
export function command({ path, type, body }, home) {
  const headers = [`Content-Type: ${type}`, `Accept-Language: ${language}`];
  const bearer = words.development ? [] : ['  --header "Authorization: Bearer $TOKEN" \\'];
  return [
    `curl --silent '${home}/${path}' \\`,
    ...bearer,
    ...headers.map((each) => `  --header '${each}' \\`),
    "  --data-binary @- <<'END'",
    JSON.stringify(body, null, 1), // a line of JSON never says END alone
    "END",
  ].join("\n");
}
