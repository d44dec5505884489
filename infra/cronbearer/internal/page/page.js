"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let doc = JSON.parse($("document").textContent);
const csrf = $("document").dataset.csrf;

function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  e.append(...children);
  return e;
}
function shape(name, attributes, title) {
  const e = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (title) {
    const t = document.createElementNS(SVG, "title");
    t.textContent = title;
    e.append(t);
  }
  return e;
}
const when = (at) => new Date(at).toLocaleString("en-GB", {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});
const range = () => {
  const from = Date.parse(doc.start);
  return [from, Math.max(Date.parse(doc.now), from + 6 * 3600e3)];
};
function x(at) {
  const [from, to] = range();
  return 1 + 98 * (Date.parse(at) - from) / (to - from);
}
const kindOf = (e) => e.outcome === "succeeded" || e.outcome === "skipped" ? "succeeded"
  : e.verdict === "rejected" ? "rejected" : "failed";

// A circle, a cross and a square: the shapes say what the colours do.
function mark(kind, cx, title) {
  if (kind === "succeeded") return shape("circle", { cx, cy: 13, r: 5, class: kind }, title);
  const g = shape("svg", { x: cx, y: 13, overflow: "visible", width: 1, height: 1, class: kind }, title);
  g.append(kind === "rejected" ? shape("path", { d: "M-5-5L5 5M-5 5L5-5" })
    : shape("rect", { x: -5, y: -5, width: 10, height: 10 }));
  return g;
}
function lane(name, note, label, marks) {
  const s = shape("svg", { role: "img", "aria-label": label });
  s.append(shape("line", { x1: "1%", x2: "99%", y1: 13, y2: 13, class: "axis" }), ...marks);
  return el("div", { class: "row" }, el("div", {}, name, el("span", { class: "dim" }, note ? " " + note : "")), s);
}
function axis() {
  const [from, to] = range();
  return el("div", { class: "row" }, el("div", { class: "axislabels dim" },
    el("span", {}, when(from)), el("span", {}, when(to))));
}
function jobs() {
  $("jobs").replaceChildren(...doc.jobs.map((j) => {
    const runs = doc.events.filter((e) => e.kind === "run" && e.job === j.name);
    const last = runs.at(-1);
    const row = lane(j.name, j.schedule, `${j.name}: ${runs.length} runs` + (last ? `, the last ${kindOf(last)}` : ""),
      runs.map((e) => mark(kindOf(e), x(e.at) + "%",
        `${when(e.at)} ${e.outcome || e.errorType} ${e.status || ""} ${e.text || ""}`)));
    if (doc.live) {
      const b = el("button", { "data-do": "run " + j.name, "aria-label": "Run " + j.name }, "Run");
      row.firstChild.append(" ", b);
    }
    return row;
  }), axis());
}
function alarms() {
  const spans = new Map();
  for (const e of doc.events.filter((e) => e.kind === "alarm")) {
    const list = spans.get(e.alarm) || [];
    spans.set(e.alarm, list);
    if (e.to === "ALARM") list.push({ from: e.at, text: e.text });
    else if (list.length && !list.at(-1).to) list.at(-1).to = e.at;
  }
  const rows = [];
  for (const [name, list] of spans) {
    if (!list.length) continue;
    const firing = !list.at(-1).to;
    rows.push(lane(name, firing ? "in ALARM" : "OK", `${name}: ${firing ? "in ALARM" : "OK"}`, list.map((p) => {
      const a = x(p.from), b = x(p.to || doc.now);
      return shape("rect", { x: a + "%", y: 7, width: Math.max(b - a, 0.4) + "%", height: 12, rx: 2, class: "firing" },
        `${when(p.from)} – ${p.to ? when(p.to) : "now"}: ${p.text || ""}`);
    })));
  }
  $("alarms").replaceChildren(...rows.length ? rows : [el("p", { class: "dim" }, "No alarm has fired.")]);
}
function tokens() {
  $("tokens").replaceChildren(...doc.tokens.map((t) => {
    let state = t.killed ? "killed" : t.own ? "your own secret" : "invented";
    if (t.expires) state += `, expires in ${Math.floor((Date.parse(t.expires) - Date.parse(doc.now)) / 864e5)} days`;
    const row = el("div", { class: "bar" }, el("strong", {}, t.name), el("span", { class: "dim" }, state));
    if (doc.live && !t.own) {
      row.append(el("button", { "data-do": (t.killed ? "restore " : "kill ") + t.name },
        t.killed ? "Store a new token" : "Kill"));
    }
    return row;
  }));
}
function emails() {
  const list = doc.events.filter((e) => e.kind === "email").reverse();
  $("emails").replaceChildren(...list.map((e) => {
    const b = el("button", { "aria-haspopup": "dialog" }, `✉ ${when(e.at)}  ${e.subject}`);
    b.addEventListener("click", () => {
      $("subject").textContent = e.subject;
      $("recipient").textContent = "To " + e.recipient + ", " + when(e.at);
      $("body").textContent = e.text;
      $("email").showModal();
    });
    return el("li", {}, b);
  }));
  if (!list.length) $("emails").append(el("li", { class: "dim" }, "No email was sent."));
}
function log() {
  const list = doc.events.filter((e) => e.kind !== "alarm").slice(-100).reverse();
  $("log").replaceChildren(...list.map((e) => el("li", {}, when(e.at) + "  " + (e.kind === "run"
    ? `${e.job}: ${e.outcome || e.errorType} ${e.status || ""}` : e.kind === "email" ? "email " + e.subject : e.text
      || `rotation of ${e.token}: ${e.outcome}`))));
}
function draw() {
  $("clock").textContent = when(doc.now);
  $("mistakes").hidden = !doc.mistakes.length;
  $("mistakes").textContent = doc.mistakes.join("\n");
  $("controls").hidden = !doc.live;
  const focus = document.activeElement && document.activeElement.dataset.do;
  jobs(); alarms(); tokens(); emails(); log();
  if (focus) document.querySelector(`[data-do="${CSS.escape(focus)}"]`)?.focus();
}
async function act(command) {
  document.body.setAttribute("aria-busy", "true");
  $("problem").hidden = true;
  try {
    const r = await fetch("/do", { method: "POST", headers: { "X-Cronbearer": csrf }, body: command });
    if (!r.ok) throw new Error(await r.text());
  } catch (e) {
    $("problem").textContent = e.message;
    $("problem").hidden = false;
  }
  document.body.removeAttribute("aria-busy");
}
document.addEventListener("click", (e) => {
  const command = e.target.dataset && e.target.dataset.do;
  if (command) act(command);
});
$("hours").addEventListener("input", () => { $("ahead").textContent = $("hours").value + " h"; });
$("forward").addEventListener("click", () => act("hour " + $("hours").value));
$("close").addEventListener("click", () => $("email").close());
if (doc.live) {
  new EventSource("/events").addEventListener("message", (e) => { doc = JSON.parse(e.data); draw(); });
}
draw();
