// What the other two doors answer, laid out: a risk with its reasons, an abstention in words, a refusal with its faults.

import { calendar, element, language, list, number, percent, said, table, words } from "./elements.js";

const COLON = language === "fr" ? "\u00a0: " : ": ";
const text = (bilingual) => bilingual[language];

/** Return an answer of the service's own JSON. */
export function answer(told, home) {
  const isRisk = told.kind === "risk";
  const card = `${home}/models/${told.model.study}/card.${language}.html`;
  return framed(
    isRisk && ["high", "very_high"].includes(told.category?.code) ? "warning" : "info",
    isRisk ? [estimate(told), ...reasons(told), ...inputs(told)] : abstention(told.reasons.map((each) => ({ text: text(each), code: each.code }))),
    list(words.warnings, told.warnings.map((each) => `${text(each)} (${each.count})`)),
    list(words.conditions, told.conditions.map(text)),
    element("p", { class: "source" }, `${text(told.model.title)}, ${told.card.version}. ${said("approved", { day: calendar(told.approved_until) })}. `,
      element("a", { href: card, target: "_blank", rel: "noopener" }, words.modelCard)),
    element("p", {}, element("em", {}, text(told.notice))),
  );
}

function estimate(told) {
  const quantity = text(told.quantity);
  const category = told.category ? ` (${text(told.category)}, ${told.category.scheme})` : "";
  const title = `${quantity[0].toUpperCase()}${quantity.slice(1)} ${said("within", { years: told.horizon_years })}`;
  return element("h4", {}, `${title}${COLON}${percent(told.risk)}${category}`);
}

function reasons(told) {
  const other = told.comparator;
  const compared = other && `${text(other.title)}${COLON}${other.refusal ? text(other.refusal) : percent(other.risk)}`;
  return [compared ? element("p", {}, compared) : null, ...list(words.reasons, told.reasons.map(text))];
}

function inputs(told) {
  const rows = told.inputs.map((each) => [text(each), measure(each), each.measured_at ? calendar(each.measured_at, "medium") : "–"]);
  const missing = told.missing.map(text).join(", ");
  return [
    element("h5", {}, words.inputs),
    table([words.what, words.value, words.measured], rows),
    missing ? element("p", {}, element("strong", {}, words.missing), `${COLON}${missing}`) : null,
  ];
}

function measure(given) {
  if (typeof given.value === "boolean") return given.value ? words.yes : words.no;
  return `${number(given.value)}\u00a0${words.units[given.unit] ?? given.unit ?? ""}`.trim();
}

/** Return an answer of the FHIR door. */
export function assessment(told) {
  const coded = (extensions, name) => (extensions ?? []).filter((each) => each.url === `urn:vigie:fhir:${name}`);
  const notes = (told.note ?? []).map((each) => element("p", {}, element("em", {}, each.text)));
  if (told.status === "cancelled") {
    const why = coded(told.extension, "abstention").map((each) => each.valueCodeableConcept);
    return framed("info", abstention(why.map((each) => ({ text: each.text, code: each.coding[0].code }))), notes);
  }
  const [prediction] = told.prediction;
  const risk = percent(prediction.probabilityDecimal / 100); // R4 has percentages
  const category = prediction.qualitativeRisk;
  const isHigh = ["high", "very_high"].includes(category?.coding[0].code);
  return framed(
    isHigh ? "warning" : "info",
    element("h4", {}, `${told.code.text}${COLON}${risk}${category ? ` – ${category.text}` : ""}`),
    list(words.reasons, (prediction.rationale ?? "").split("\n").filter(Boolean)),
    list(words.basis, (told.basis ?? []).map((each) => `${each.display} – ${each.reference}`)),
    notes,
  );
}

function abstention(why) {
  const rows = why.map((each) => [each.text, element("code", {}, each.code)]);
  return [element("h4", {}, words.abstention), table([words.why, words.code], rows)];
}

/** Return why there is no answer, all faults of the request at once. */
export function refusal(status, told) {
  const faults = told?.issue?.map((each) => ({
    where: each.expression?.[0] ?? "–",
    expected: each.details.text.replace(`${each.expression?.[0]}: expected `, ""),
    code: each.details.coding[0].code,
  })) ?? (told?.faults?.length ? told.faults : told?.code ? [{ where: "–", expected: told.message, code: told.code }] : []);
  const rows = faults.map((each) => [element("code", {}, each.where), each.expected, element("code", {}, each.code)]);
  return element(
    "div",
    { class: "fault" },
    element("h4", {}, `${words.refused} (${status})`),
    rows.length ? table([words.where, words.expected, words.code], rows) : null,
    status === 401 ? element("p", {}, words.token) : null,
  );
}

function framed(indicator, ...held) {
  return element("article", { class: `card ${indicator}` }, ...held);
}
