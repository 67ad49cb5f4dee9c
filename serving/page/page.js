// Trying the service out: a patient that is picked or pasted goes through its door, and what comes back is drawn.

import { answer, assessment, refusal } from "./answers.js";
import { drawn } from "./card.js";
import { ask, call, command, door, questions } from "./doors.js";
import { copyable, element, language, said, words } from "./elements.js";

const at = (id) => document.getElementById(id);
const home = new URL(".", location.href).href.replace(/\/$/, "");
const TITLES = { hooks: words.cardTitle, fhir: words.assessmentTitle, json: words.answerTitle };
const served = { studies: [], services: [], patients: [] };
let asking = 0;

/** Return which form was chosen. */
const form = () => document.querySelector("input[name=form]:checked").value;

/** Put the patient that was picked into the body, in the form that was chosen. */
function fill() {
  const patient = served.patients.find((each) => each.name === at("patient").value);
  if (!patient) return;
  const service = served.services.find((each) => each.id === `vigie-${at("study").value}`);
  const bodies = { json: () => patient.request, fhir: () => patient.bundle, hooks: () => service && call(patient.bundle, service) };
  const body = bodies[form()]() ?? patient.bundle;
  at("body").value = JSON.stringify(body, null, 1);
  recognise();
}

/** Say what the body is, and return it with its door; null where it is nothing that can be asked. */
function recognise() {
  const text = at("body").value;
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    at("recognised").textContent = text.trim() ? misread(text, error) : "";
    return null;
  }
  const kind = door(value);
  at("recognised").textContent = words[kind ?? "unknown"];
  if (kind) document.querySelector(`input[name=form][value=${kind}]`).checked = true;
  return kind && { kind, value };
}

function misread(text, error) {
  const place = /position (\d+)/.exec(error.message);
  if (!place) return words.notJsonSomewhere;
  const before = text.slice(0, Number(place[1])).split("\n");
  return said("notJson", { line: before.length, column: before.at(-1).length + 1 });
}

/** Ask what the body says, and show what comes back. */
async function tryOut(event) {
  event?.preventDefault();
  const turn = ++asking;
  const found = recognise();
  if (!found) return;
  at("seen").setAttribute("aria-busy", "true");
  const asked = questions(found.kind, found.value, at("study").value, served.studies[0], served.services);
  let answers;
  try {
    answers = await Promise.all(asked.map(ask));
  } catch {
    answers = null;
  }
  if (turn !== asking) return; // somebody asked something else meanwhile
  at("seen").setAttribute("aria-busy", "false");
  const pairs = (answers ?? []).map((each, place) => [asked[place], each]);
  at("seen").replaceChildren(...(answers ? pairs.flatMap(([one, told]) => [...seen(one, told)]) : [fault(words.unreachable)]));
  at("received").replaceChildren(...pairs.map(([one, told]) => copyable(heading(one, told), pretty(told))));
  at("commands").replaceChildren(...asked.map((one) => copyable(`${words.command} – POST /${one.path}`, command(one, home))));
}

const fault = (text) => element("p", { class: "fault" }, text);
const pretty = (told) => (told.value === null ? told.text : JSON.stringify(told.value, null, 1));
const heading = (one, told) => `POST /${one.path} – ${said("milliseconds", told)}`;

/** Yield what people see of an answer. */
function* seen(one, told) {
  yield element("p", { class: "door" }, TITLES[one.kind]);
  if (told.status !== 200 || told.value === null) yield refusal(told.status, told.value);
  else if (one.kind === "json") yield answer(told.value, home);
  else if (one.kind === "fhir") yield assessment(told.value);
  else if (!told.value.cards.length) yield element("p", { class: "card info" }, words.noCard);
  else yield* told.value.cards.map((card) => drawn(card, (...what) => tell(one, ...what)));
}

/** Tell the service what was done with a card, show the exchange, and return what is to be said of it. */
async function tell(one, card, outcome, reason) {
  const entry = { card: card.uuid, outcome, outcomeTimestamp: new Date().toISOString(), ...(reason ? { overrideReason: { reason } } : {}) };
  const feedback = { ...one, path: `${one.path}/feedback`, body: { feedback: [entry] } };
  try {
    const told = await ask(feedback);
    at("received").prepend(copyable(heading(feedback, told), told.text || "–"));
    at("commands").prepend(copyable(words.feedbackReply, command(feedback, home)));
    return told.status === 200 ? words.feedbackKept : `${words.feedbackRefused} (${told.status})`;
  } catch {
    return words.unreachable;
  }
}

async function begin() {
  const get = async (path) => (await ask({ path })).value;
  const [models, discovery, patients] = await Promise.all([get("models"), get("cds-services"), get("page/patients.json")]);
  served.studies = (models?.models ?? []).map((each) => each.model.study);
  served.services = discovery?.services ?? [];
  served.patients = patients ?? [];
  at("study").append(...served.studies.map((study) => element("option", { value: study }, study)));
  at("patient").prepend(...served.patients.map((each) => element("option", { value: each.name }, each[language])));
  at("patient").selectedIndex = 0;
  fill();
  at("ask").addEventListener("submit", tryOut);
  at("patient").addEventListener("change", () => { fill(); tryOut(); });
  at("study").addEventListener("change", () => { fill(); tryOut(); });
  document.querySelectorAll("input[name=form]").forEach((each) => each.addEventListener("change", () => { fill(); tryOut(); }));
  at("body").addEventListener("input", () => {
    at("patient").value = "";
    recognise();
  });
  if (served.studies.length) await tryOut();
  else at("seen").replaceChildren(fault(words.noService));
}

begin().catch(() => at("seen").replaceChildren(fault(words.unreachable)));
