// The Markdown that CDS Hooks cards are written in (GitHub-flavoured), as elements and never as HTML: paragraphs, lists,
// strong and emphasised text, code, links to web addresses, and characters that a backslash makes plain.

import { element, link } from "./elements.js";

const ESCAPED = /^\\([!-/:-@[-`{-~])/;
const STRONG = /^\*\*((?:\\.|[^*\\]|\*(?!\*))+)\*\*/;
const EMPHASISED = /^\*((?:\\.|[^*\\])+)\*|^_((?:\\.|[^_\\])+)_/;
const CODE = /^`([^`]+)`/;
const LINK = /^\[((?:\\.|[^\]\\])+)\]\(([^()\s]+)\)/;
const ITEM = /^ {0,3}[-*+] +/;

/** Return the elements of a text. */
export function markdown(text) {
  return text.split(/\n(?:[ \t]*\n)+/).filter((block) => block.trim()).flatMap(block);
}

function block(text) {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => ITEM.test(line));
  if (first < 0) return [element("p", {}, inline(text))];
  const before = lines.slice(0, first).join("\n");
  const items = [];
  for (const line of lines.slice(first)) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ""));
    else items[items.length - 1] += `\n${line.trim()}`;
  }
  const made = element("ul", {}, items.map((each) => element("li", {}, inline(each))));
  return before ? [element("p", {}, inline(before)), made] : [made];
}

function inline(text) {
  const found = [];
  let plain = "";
  const put = (made) => {
    if (plain) found.push(plain);
    plain = "";
    found.push(made);
  };
  for (let rest = text, match; rest; ) {
    if ((match = ESCAPED.exec(rest))) plain += match[1];
    else if ((match = CODE.exec(rest))) put(element("code", {}, match[1]));
    else if ((match = STRONG.exec(rest))) put(element("strong", {}, inline(match[1])));
    else if ((match = EMPHASISED.exec(rest))) put(element("em", {}, inline(match[1] ?? match[2])));
    else if ((match = LINK.exec(rest))) put(link(match[2], match[1]));
    else plain += (match = [rest[0]])[0];
    rest = rest.slice(match[0].length);
  }
  return plain ? [...found, plain] : found;
}
