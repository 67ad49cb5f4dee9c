// A CDS Hooks card, as a doctor's screen draws it.

import { element, link, words } from "./elements.js";
import { markdown } from "./markdown.js";

const INDICATORS = ["info", "warning", "critical"];

/**
 * Return a card.
 *
 * `tell` is called with the outcome and the reason's coding when the doctor follows the card or sets it aside, and
 * returns what is to be said of it.
 */
export function drawn(card, tell) {
  const indicator = INDICATORS.includes(card.indicator) ? card.indicator : "info";
  const source = card.source ?? {};
  return element(
    "article",
    { class: `card ${indicator}`, "data-uuid": card.uuid },
    element("p", { class: "indicator" }, words[indicator]),
    element("h4", {}, card.summary),
    element("div", { class: "detail" }, card.detail ? markdown(card.detail) : []),
    element("p", { class: "source" }, words.source, link(source.url, source.label ?? "")),
    element("p", { class: "links" }, (card.links ?? []).flatMap((each) => [link(each.url, each.label), " "])),
    told(card, tell),
  );
}

function told(card, tell) {
  const reasons = card.overrideReasons ?? [];
  if (!reasons.length || !card.uuid) return null;
  const said = element("p", { role: "status", class: "note" });
  const button = (label, outcome, reason) =>
    element("button", { type: "button", class: "quiet", click: async () => { said.textContent = await tell(card, outcome, reason); } }, label);
  const aside = element("div", { class: "reasons" }, reasons.map((each) => button(each.display, "overridden", { code: each.code, system: each.system })));
  return element(
    "div",
    { class: "told" },
    element("p", {}, button(words.follow, "accepted")),
    element("details", {}, element("summary", {}, words.setAside), aside),
    said,
  );
}
