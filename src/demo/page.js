// The demo's live page. Every text that comes from outside goes through textContent.
"use strict";

const FEED_MAX = 120;
const REFRESH_MS = 2000;
const feed = document.getElementById("feed");
let people = {};
let filter = "";
let paused = false;

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") made.className = value;
    else made.setAttribute(key, value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

async function fetched(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function nameOf(customer) {
  const person = people[customer];
  return person ? person.name : customer;
}

function shortTime(text) {
  return text ? `${text.slice(5, 10)} ${text.slice(11, 16)}` : "";
}

// `names` between backticks become code.
function rich(text) {
  return String(text).split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function shown(value) {
  if (value === null || value === undefined) return "missing";
  return typeof value === "string" ? `"${value}"` : JSON.stringify(value);
}

function conditionsOf(record) {
  if (!record.conditions || record.conditions.length === 0) return null;
  const list = element("ul");
  for (const condition of record.conditions) {
    const held = condition.outcome === "true";
    const seen = condition.seen.map((one) => `${one.name} = ${shown(one.value)}`).join(", ");
    list.append(element("li", {},
      element("span", { class: held ? "yes" : "no" }, held ? "holds " : `${condition.outcome} `),
      element("code", {}, condition.text), seen ? ` (${seen})` : ""));
  }
  return element("div", {}, element("h3", {}, "Conditions, with what they saw"), list);
}

function rulesOf(record) {
  if (!record.rules || record.rules.length === 0) return null;
  const list = element("ul");
  for (const rule of record.rules) {
    list.append(element("li", {},
      element("span", { class: rule.passed ? "yes" : "no" }, rule.passed ? "passed " : "stopped "),
      rule.rule.replaceAll("_", " "), ...rich(rule.detail ? `: ${rule.detail}` : "")));
  }
  return element("div", {}, element("h3", {}, "Rules of the governor, in order"), list);
}

function messageOf(record) {
  if (!record.content || record.content.length === 0) return null;
  const lines = record.content.map((field) => element("div", {},
    field.name === "body" ? "" : element("b", {}, `${field.name}: `), field.text));
  return element("div", {}, element("h3", {}, `Message on ${record.channel}`),
    element("div", { class: "message" }, ...lines));
}

function historyOf(record) {
  if (!record.history || record.history.length === 0) return null;
  const list = element("ul");
  for (const past of record.history) {
    const until = past.until ? ` until ${shortTime(past.until)}` : "";
    const reason = past.reason ? ` (${past.reason.replaceAll("_", " ")})` : "";
    list.append(element("li", {}, `${shortTime(past.at)} ${past.verdict}${reason}${until}`));
  }
  return element("div", {}, element("h3", {}, "Before"), list);
}

function row(record) {
  const verdict = record.verdict;
  const details = element("details", { class: verdict },
    element("summary", {},
      element("span", { class: "badge" }, verdict.replaceAll("_", " ")),
      element("span", { class: "who" }, nameOf(record.customer), " ",
        element("span", { class: "trigger" }, record.trigger)),
      element("time", { class: "when", datetime: record.ruled_at }, shortTime(record.ruled_at)),
      element("span", { class: "why" }, ...rich(record.why))));
  // The inside is made when it is first opened: most never are.
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector(".detail")) return;
    details.append(element("div", { class: "detail" },
      messageOf(record), conditionsOf(record), rulesOf(record), historyOf(record),
      element("div", { class: "label" },
        `decision ${record.id} · trigger ${record.versions.trigger} · policy ${record.versions.policy}`)));
  }, { once: false });
  return element("li", { "data-id": record.id }, details);
}

function add(record) {
  if (paused || (filter && record.verdict !== filter)) return;
  const old = feed.querySelector(`[data-id="${CSS.escape(record.id)}"]`);
  if (old) old.remove();
  feed.prepend(row(record));
  while (FEED_MAX < feed.children.length) feed.lastElementChild.remove();
}

async function choose(verdict) {
  filter = verdict;
  for (const button of document.querySelectorAll("#verdicts button")) {
    button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }
  const query = verdict ? `?limit=60&verdict=${encodeURIComponent(verdict)}` : "?limit=60";
  const page = await fetched(`/api/v1/decisions${query}`);
  feed.replaceChildren(...page.items.map(row));
  if (page.items.length === 0) feed.append(element("li", { class: "empty" }, "None yet."));
}

function riskLine(customer) {
  const truth = people[customer.id] ? people[customer.id].mood : "?";
  const health = Math.max(0, Math.min(100, customer.health || 0));
  const bar = element("div", { class: `bar ${customer.band || ""}` }, element("span"));
  bar.firstChild.style.width = `${health}%`;
  const trend = customer.trend_7d;
  const arrow = typeof trend === "number" ? ` ${trend < 0 ? "▼" : "▲"} ${Math.abs(trend).toFixed(0)} in 7 d` : "";
  return element("li", {},
    element("div", { class: "person" },
      element("span", {}, element("b", {}, customer.name || customer.id), " ",
        element("span", { class: "trigger" }, `${customer.id}${customer.owner ? ` · ${customer.owner}` : ""}`)),
      element("span", {}, element("span", { class: "score" }, health.toFixed(0)),
        element("span", { class: "label" }, arrow))),
    bar,
    element("div", { class: "person" },
      element("span", { class: "reasons" }, (customer.reasons || []).join("; ")),
      element("span", { class: "truth" }, `truth: ${truth}`)));
}

function taskLine(task) {
  return element("li", {},
    element("div", { class: "person" },
      element("b", {}, task.title),
      element("span", { class: "label" }, task.assigned_to ? `for ${task.assigned_to}` : task.list)),
    element("div", { class: "reasons" }, task.suggest || (task.reasons || []).join("; ")),
    element("div", { class: "label" }, `${task.trigger} · due ${shortTime(task.due_at || "") || "any time"}`));
}

const VERDICTS = ["sent", "task", "held_out", "suppressed", "deferred", "expired", "cancelled", "unknown"];

function funnelRow(trigger) {
  const funnel = trigger.funnel;
  const why = (funnel.reasons || []).slice().sort((a, b) => b.count - a.count).slice(0, 3)
    .map((one) => `${one.reason.replaceAll("_", " ")} ${one.count}`).join(", ");
  return element("tr", {},
    element("td", { title: trigger.about }, trigger.id), element("td", {}, trigger.kind),
    element("td", {}, String(funnel.matched)),
    ...VERDICTS.map((verdict) => element("td", {}, String(funnel[verdict]))),
    element("td", {}, why || "\u2013"));
}

async function refresh() {
  const [risk, tasks, triggers, clock, catalog] = await Promise.all([
    fetched("/api/v1/customers?limit=8"), fetched("/api/v1/tasks?limit=5"),
    fetched("/api/v1/triggers"), fetched("/demo/clock"), fetched("/api/v1/catalog")]);
  people = await fetched("/demo/truth");
  document.getElementById("risk").replaceChildren(...risk.items.map(riskLine));
  if (0 < tasks.items.length) document.getElementById("tasks").replaceChildren(...tasks.items.map(taskLine));
  document.getElementById("funnels").replaceChildren(...triggers.map(funnelRow));
  const totals = Object.fromEntries(["matched", ...VERDICTS].map((name) => [name, 0]));
  for (const trigger of triggers) for (const name of Object.keys(totals)) totals[name] += trigger.funnel[name];
  for (const [name, total] of Object.entries(totals)) {
    document.getElementById(`count-${name}`).textContent = total.toLocaleString("en");
  }
  document.getElementById("clock").textContent = clock.now.slice(0, 16).replace("T", " ");
  banner(catalog.faults);
}

function banner(faults) {
  const old = document.querySelector(".banner");
  if (old) old.remove();
  if (0 < faults.length) document.body.prepend(element("div", { class: "banner", role: "alert" }, faults.join("\n")));
}

function connect() {
  const status = document.getElementById("connection");
  const stream = new EventSource("/api/v1/live");
  stream.addEventListener("open", () => { status.textContent = "live"; });
  stream.addEventListener("error", () => { status.textContent = "connection lost, trying again"; });
  stream.addEventListener("decision", (event) => add(JSON.parse(event.data)));
}

async function loop() {
  try { await refresh(); } catch (error) { document.getElementById("connection").textContent = String(error.message); }
  setTimeout(loop, REFRESH_MS);
}

for (const button of document.querySelectorAll("#verdicts button")) {
  button.addEventListener("click", () => choose(button.dataset.verdict));
}
const pause = document.getElementById("pause");
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
});
(async () => {
  try { people = await fetched("/demo/truth"); } catch { /* the loop below says so */ }
  await choose("").catch(() => {});
  connect();
  loop();
})();
