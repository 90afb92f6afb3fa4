// The demo's live page. Every text that comes from outside goes through textContent.
"use strict";

const FEED_MAX = 120;
const REFRESH_MS = 2000;
const feed = document.getElementById("feed");
let people = {};
// What the list of decisions is narrowed to: any of verdict, trigger and reason.
let filter = {};
let paused = false;
// The number of the latest question for decisions, and what was told live while it is open.
let asked = 0;
let meanwhile = null;

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

// A link that opens the customer's page over this one.
function customerLink(customer, name) {
  return element("a", { class: "who", href: `#${encodeURIComponent(customer)}` }, name);
}

function empty(text) {
  return element("li", { class: "empty" }, text);
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
      spoken(rule.rule), ...rich(rule.detail ? `: ${rule.detail}` : "")));
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
    const reason = past.reason ? ` (${spoken(past.reason)})` : "";
    list.append(element("li", {}, `${shortTime(past.at)} ${past.verdict}${reason}${until}`));
  }
  return element("div", {}, element("h3", {}, "Before"), list);
}

function row(record) {
  const verdict = record.verdict;
  const details = element("details", { class: verdict },
    element("summary", {},
      element("span", { class: "badge" }, spoken(verdict)),
      element("span", { class: "whose" }, customerLink(record.customer, nameOf(record.customer)), " ",
        element("span", { class: "trigger" }, record.trigger)),
      element("time", { class: "when", datetime: record.ruled_at }, shortTime(record.ruled_at)),
      element("span", { class: "why" }, ...rich(record.why))));
  // The inside is made when it is first opened: most are never opened.
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector(".detail")) return;
    details.append(element("div", { class: "detail" },
      messageOf(record), conditionsOf(record), rulesOf(record), historyOf(record),
      element("div", { class: "label" },
        `decision ${record.id} · trigger ${record.versions.trigger} · policy ${record.versions.policy}`)));
  });
  return element("li", { "data-id": record.id, "data-reason": record.reason || "" }, details);
}

function add(record) {
  if (paused) return;
  const old = feed.querySelector(`[data-id="${CSS.escape(record.id)}"]`);
  if (old) old.remove();
  if (Object.entries(filter).some(([name, value]) => record[name] !== value)) return;
  feed.querySelector(".empty")?.remove();
  feed.prepend(row(record));
  while (FEED_MAX < feed.children.length) feed.lastElementChild.remove();
}

function spoken(name) {
  return name.replaceAll("_", " ");
}

async function choose(narrowed) {
  filter = narrowed;
  const mine = ++asked;
  meanwhile = [];
  for (const button of document.querySelectorAll("#verdicts button")) {
    const pressed = filter.reason ? false : button.dataset.verdict === (filter.verdict || "");
    button.setAttribute("aria-pressed", String(pressed));
  }
  document.getElementById("narrowed").textContent = filter.reason
    ? `Only ${filter.trigger}, held back because of ${spoken(filter.reason)}.`
    : "Every yes and every no, as it is decided. Open one to see what it saw.";
  try {
    const page = await fetched(`/api/v1/decisions?${new URLSearchParams({ limit: "60", ...filter })}`);
    // Whoever has chosen again since does not want this answer any more.
    if (mine !== asked) return;
    feed.replaceChildren(...page.items.map(row));
    if (page.items.length === 0) feed.append(empty(filter.reason ? "None stands: they were decided again since." : "None yet."));
    for (const record of meanwhile) add(record);
  } finally {
    if (mine === asked) meanwhile = null;
  }
}

function healthBar(customer) {
  const bar = element("div", { class: `bar ${customer.band || ""}` }, element("span"));
  bar.firstChild.style.width = `${Math.max(0, Math.min(100, customer.health))}%`;
  return bar;
}

function trendOf(days, value) {
  if (typeof value !== "number") return "";
  const points = Math.abs(value).toFixed(0);
  return ` ${points === "0" ? "no change" : `${value < 0 ? "▼" : "▲"} ${points}`} in ${days} d`;
}

// What the learned model says, where it does.
function silenceOf(customer) {
  const found = (customer.scores || []).find((score) => score.model === "silence");
  return found ? `silent in 4 d: ${(found.value * 100).toFixed(0)} % · ` : "";
}

// The learned model beside the truth: the average chance of those who feel alike.
function showMoods(customers) {
  const moods = {};
  for (const customer of customers) {
    const found = (customer.scores || []).find((score) => score.model === "silence");
    const truth = people[customer.id] && people[customer.id].mood;
    if (!found || !truth) continue;
    moods[truth] = moods[truth] || { count: 0, sum: 0 };
    moods[truth].count += 1;
    moods[truth].sum += found.value;
  }
  const rows = ["content", "declining", "leaving"].filter((mood) => moods[mood]).map((mood) => element("tr", {},
    element("td", {}, mood), element("td", {}, String(moods[mood].count)),
    element("td", {}, `${(100 * moods[mood].sum / moods[mood].count).toFixed(0)} %`)));
  document.getElementById("moods").replaceChildren(...rows);
}

function riskLine(customer) {
  const truth = people[customer.id] ? people[customer.id].mood : "?";
  const owner = customer.owner ? ` · ${customer.owner}` : "";
  return element("li", {},
    element("div", { class: "line" },
      element("span", { class: "whose" }, customerLink(customer.id, customer.name || customer.id), " ",
        element("span", { class: "trigger" }, `${customer.id}${owner}`)),
      element("span", { class: "score" }, customer.health.toFixed(0),
        element("span", { class: "label" }, trendOf(7, customer.trend_7d)))),
    healthBar(customer),
    element("div", { class: "line" },
      element("ul", { class: "reasons" }, ...(customer.reasons || []).slice(0, 2).map((reason) => element("li", {}, reason))),
      element("span", { class: "truth" }, `${silenceOf(customer)}truth: ${truth}`)));
}

function taskLine(task) {
  return element("li", {},
    element("div", { class: "line" },
      customerLink(task.customer, task.title),
      element("span", { class: "label" }, task.assigned_to ? `for ${task.assigned_to}` : task.list)),
    element("div", { class: "reasons" }, task.suggest || (task.reasons || []).join("; ")),
    element("div", { class: "label" }, `${task.trigger} · due ${shortTime(task.due_at || "") || "any time"}`));
}

// The last days of a score as a line, 0 at the bottom and `top` at the top.
function sparkline(history, top, name) {
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const step = 300 / Math.max(1, history.length - 1);
  const points = history.map((day, index) => `${(index * step).toFixed(1)},${(60 - Math.min(1, Math.max(0, day.value / top)) * 60).toFixed(1)}`);
  const drawn = svg("svg", { viewBox: "-2 -2 304 64", preserveAspectRatio: "none", class: "spark", role: "img",
    "aria-label": `${name} of the last ${history.length} days` });
  drawn.append(svg("polyline", { points: points.join(" ") }));
  return drawn;
}

function block(title, lines, none) {
  return element("section", {}, element("h3", {}, title),
    0 < lines.length ? element("ul", {}, ...lines) : element("p", { class: "empty" }, none));
}

function healthOf(page) {
  if (typeof page.health !== "number") {
    return element("section", {}, element("h3", {}, "Health"), element("p", { class: "empty" }, "Not enough is known for a score."));
  }
  const lines = page.contributions.map((one) => element("li", {},
    element("b", {}, one.measure), ` ${one.contribution.toFixed(0)} of ${(one.weight * 100).toFixed(0)} points`,
    element("div", { class: "label" }, one.plain)));
  return element("section", { class: "health" }, element("h3", {}, "Health, point by point"),
    element("div", { class: "line" },
      element("span", { class: "score big" }, page.health.toFixed(0)),
      element("span", { class: "label" }, [page.band && spoken(page.band),
        trendOf(7, page.trend_7d), trendOf(28, page.trend_28d)].filter(Boolean).join(" · "))),
    healthBar(page), 1 < page.health_history.length ? sparkline(page.health_history, 100, "health") : null,
    element("ul", {}, ...lines));
}

// The other scores, each with its last days.
function scoresOf(page) {
  return page.scores.map((one) => {
    const history = page.score_history[one.model] || [];
    const top = history.every((day) => day.value <= 1) ? 1 : 100;
    const value = top === 1 ? `${(one.value * 100).toFixed(1)} %` : one.value.toFixed(0);
    return element("section", {}, element("h3", {}, spoken(one.model)),
      element("div", { class: "line" }, element("span", { class: "score big" }, value),
        element("span", { class: "label" }, one.band ? spoken(one.band) : "")),
      1 < history.length ? sparkline(history, top, one.model) : null);
  });
}

function customerParts(page) {
  const consents = page.consents.map((one) => element("li", {},
    `${one.granted ? "yes" : "no"} to ${one.purpose}${one.channel === "all" ? "" : ` on ${one.channel}`}`));
  const kept = [...(page.suppressed || []).map((one) => `no messages to the address on ${one.channel}: ${one.cause} (${one.by})`),
    ...(page.confirming || []).map((one) => `${one.trigger} on ${one.channel} waits for ${one.by || "a person"} to confirm it, given up ${shortTime(one.until)}`)];
  const caps = page.caps.map((one) => element("li", {},
    `${one.cap}: ${one.used} of ${one.at_most} used${one.free_at ? `, free again ${shortTime(one.free_at)}` : ""}`));
  const upcoming = page.upcoming.slice(0, 8).map((one) => element("li", {}, `${shortTime(one.at)} ${one.trigger}: `, ...rich(one.what)));
  const events = page.timeline.slice(0, 15).map((one) => element("li", {}, element("time", {}, shortTime(one.at)), ` ${one.event}`));
  return [healthOf(page), ...scoresOf(page),
    block("Timeline", events, "Nothing was heard of them yet."),
    block("Consent and caps", [...consents, ...kept.map((text) => element("li", {}, text)), ...caps], "No answer is recorded."),
    block("Coming up", upcoming, "Nothing waits."),
    element("section", { class: "wide" }, element("h3", {}, "Decisions"),
      0 < page.decisions.length ? element("ol", {}, ...page.decisions.map(row))
        : element("p", { class: "empty" }, "Nothing was decided for them yet."))];
}

async function showCustomer() {
  const customer = decodeURIComponent(location.hash.slice(1));
  if (!customer) { dialog.close(); return; }
  const body = document.getElementById("customer-body");
  const title = document.getElementById("customer-name");
  try {
    const page = await fetched(`/api/v1/customers/${encodeURIComponent(customer)}`);
    title.replaceChildren(page.name || customer, " ",
      element("span", { class: "trigger" }, [customer, page.owner, page.traits.timezone].filter(Boolean).join(" · ")));
    body.replaceChildren(...customerParts(page));
  } catch (error) {
    title.replaceChildren(customer);
    body.replaceChildren(element("p", { class: "empty" }, `Not to be seen now: ${error.message}`));
  }
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

const VERDICTS = ["sent", "task", "held_out", "suppressed", "deferred", "expired", "cancelled", "unknown"];

// What is special about a trigger now: an order that holds it, and how far its ramp has come.
function stages(trigger) {
  const { order, ramp, held } = trigger;
  const lines = [];
  if (order) lines.push(`${order.order} by ${order.by} since ${order.since}: ${order.why}; ${held} wait`);
  if (ramp?.next_at) lines.push(`comes to ${ramp.share}% of all, to ${ramp.next_share}% from ${ramp.next_at}`);
  return lines.map((line) => element("div", { class: "label" }, line));
}

function funnelRow(trigger) {
  const funnel = trigger.funnel;
  const why = (funnel.reasons || []).slice().sort((a, b) => b.count - a.count).map((one) => {
    const button = element("button", { type: "button", class: "reason", "data-reason": one.reason, title: "show these decisions" },
      `${spoken(one.reason)} ${one.count}`);
    button.addEventListener("click", () => choose({ trigger: trigger.id, reason: one.reason }));
    return button;
  });
  return element("tr", {},
    element("td", { title: trigger.about }, trigger.id, ...stages(trigger)), element("td", {}, trigger.kind),
    element("td", {}, String(funnel.matched)),
    ...VERDICTS.map((verdict) => element("td", {}, String(funnel[verdict]))),
    element("td", {}, ...(0 < why.length ? why : ["\u2013"])));
}

// A row is made anew only when it changed, so that nobody's click meets a row that just went.
function showFunnels(triggers) {
  const body = document.getElementById("funnels");
  triggers.forEach((trigger, index) => {
    const text = JSON.stringify(trigger);
    const old = body.children[index];
    if (old?.dataset.shown === text) return;
    const made = funnelRow(trigger);
    made.dataset.shown = text;
    if (old) old.replaceWith(made); else body.append(made);
  });
  while (triggers.length < body.children.length) body.lastElementChild.remove();
}

function list(id, lines, none) {
  document.getElementById(id).replaceChildren(...(0 < lines.length ? lines : [empty(none)]));
}

let refreshed = 0;

async function refresh() {
  const [risk, tasks, triggers, clock, catalog] = await Promise.all([
    fetched("/api/v1/customers?limit=6"), fetched("/api/v1/tasks?limit=4"),
    fetched("/api/v1/triggers"), fetched("/demo/clock"), fetched("/api/v1/catalog")]);
  people = await fetched("/demo/truth");
  list("risk", risk.items.filter((customer) => typeof customer.health === "number").map(riskLine), "No score yet.");
  const lesson = await fetched("/demo/lesson");
  document.getElementById("lesson").textContent = lesson.text;
  // All customers are many: now and then will do.
  if (lesson.state === "learned" && refreshed++ % 5 === 0) {
    showMoods((await fetched("/api/v1/customers?limit=500")).items);
  }
  list("tasks", tasks.items.map(taskLine), "No task yet.");
  showFunnels(triggers);
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
  stream.addEventListener("open", () => {
    status.textContent = "live";
    // What was decided while nobody listened is not told again: look it up.
    if (!paused) choose(filter).catch(() => {});
  });
  stream.addEventListener("error", () => { status.textContent = "connection lost, trying again"; });
  stream.addEventListener("decision", (event) => {
    const record = JSON.parse(event.data);
    if (meanwhile) meanwhile.push(record);
    add(record);
  });
}

async function loop() {
  try { await refresh(); } catch (error) { document.getElementById("connection").textContent = String(error.message); }
  setTimeout(loop, REFRESH_MS);
}

for (const button of document.querySelectorAll("#verdicts button")) {
  const { verdict } = button.dataset;
  button.addEventListener("click", () => choose(verdict ? { verdict } : {}));
}
const pause = document.getElementById("pause");
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
});
const dialog = document.getElementById("customer");
addEventListener("hashchange", showCustomer);
dialog.addEventListener("close", () => { if (location.hash) history.replaceState(null, "", location.pathname); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
document.getElementById("close").addEventListener("click", () => dialog.close());
(async () => {
  try { people = await fetched("/demo/truth"); } catch { /* the loop below says so */ }
  await choose("").catch(() => {});
  connect();
  loop();
  showCustomer();
})();
