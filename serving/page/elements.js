// Elements of the page. Text is only ever set as text: nothing that is answered or pasted is read as HTML.

export const words = JSON.parse(document.getElementById("words").textContent);
export const language = words.language;

/** Return a text of the page with its gaps filled in. */
export function said(name, gaps = {}) {
  return words[name].replace(/\{(\w+)\}/g, (gap, key) => gaps[key] ?? gap);
}

/** Return an element with attributes, and what it holds: elements, texts, or nothing. */
export function element(name, attributes = {}, ...held) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...held.flat().filter((each) => each !== null && each !== undefined));
  return made;
}

/** Return a link that leads where it says, or its text alone where that is no web address. */
export function link(address, text) {
  if (!/^https?:\/\//i.test(address ?? "")) return document.createTextNode(text);
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text);
}

/** Return a list under a heading, or nothing where the list is empty. */
export function list(heading, items) {
  return items.length ? [element("h5", {}, heading), element("ul", {}, items.map((each) => element("li", {}, each)))] : [];
}

/** Return a table whose first row is its heading. */
export function table(headings, rows) {
  const row = (cells, kind) => element("tr", {}, cells.map((cell) => element(kind, kind === "th" ? { scope: "col" } : {}, cell)));
  const body = element("tbody", {}, rows.map((cells) => row(cells, "td")));
  return element("div", { class: "wide", tabindex: "0" }, element("table", {}, element("thead", {}, row(headings, "th")), body));
}

/** Return a text that can be copied, under a heading. */
export function copyable(heading, text) {
  const shown = element("pre", { tabindex: "0" }, text);
  const told = element("span", { role: "status", class: "note" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text); // browsers allow it to safe addresses only
      told.textContent = words.copied;
    } catch {
      getSelection().selectAllChildren(shown);
      told.textContent = words.selected;
    }
  };
  const button = element("button", { type: "button", class: "quiet", click: copy }, words.copy);
  return element("figure", {}, element("figcaption", {}, element("span", {}, heading), " ", button, " ", told), shown);
}

/** Return a date in words, "long" ones or such as tables have room for. */
export function calendar(moment, dateStyle = "long") {
  const day = new Date(moment);
  if (Number.isNaN(day.getTime())) return moment;
  return new Intl.DateTimeFormat(language === "fr" ? "fr-FR" : "en-GB", { dateStyle, timeZone: "UTC" }).format(day);
}

/** Return a proportion as a percentage. */
export function percent(proportion) {
  const digits = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language === "fr" ? "fr-FR" : "en-GB", digits).format(proportion);
}

/** Return a number as people read it: three figures, whole numbers as they are. */
export function number(value) {
  const digits = Math.abs(value) < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 };
  return new Intl.NumberFormat(language === "fr" ? "fr-FR" : "en-GB", digits).format(value);
}
