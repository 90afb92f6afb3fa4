// Sends one customer's story with a real SDK: node send.mjs segment|rudder|posthog URL KEY.

const at = new Date(Date.now() - 600_000);
at.setMilliseconds(123);
const order = { revenue: 9.9, currency: "EUR", address: { city: "Gent \u00e9\u5bb6" } };
const context = { locale: "nl-BE", timezone: "Europe/Brussels", groupId: "acme" };

function segmentLike(client, atField) {
  const when = { [atField]: at };
  client.identify({ userId: "u1", traits: { plan: "pro", seats: 3 }, ...when });
  client.track({ userId: "u1", event: "Order Completed", properties: order, context, ...when });
  const url = "https://shop.example/checkout";
  client.page({ userId: "u1", category: "Docs", name: "Checkout", properties: { url }, ...when });
  client.screen({ userId: "u1", category: "App", name: "Cart", ...when });
  client.group({ userId: "u1", groupId: "acme", traits: { name: "Acme", employees: 3 }, ...when });
  client.alias({ userId: "u1", previousId: "an1", ...when });
  client.track({ anonymousId: "an1", event: "Seen", ...when });
}

const senders = {
  async segment(host, writeKey) {
    const { Analytics } = await import("@segment/analytics-node");
    const client = new Analytics({ writeKey, host, maxRetries: 1 });
    client.on("error", (error) => { console.error(error); process.exitCode = 1; });
    segmentLike(client, "timestamp");
    await client.closeAndFlush();
  },
  async rudder(url, key) {
    const module = await import("@rudderstack/rudder-sdk-node");
    const Analytics = module.default?.default ?? module.default;
    const client = new Analytics(key, { dataPlaneUrl: url, flushAt: 20, gzip: true });
    segmentLike(client, "originalTimestamp");
    await client.flush();
  },
  async posthog(host, key) {
    const { PostHog } = await import("posthog-node");
    const client = new PostHog(key, { host, flushAt: 20 });
    client.identify({ distinctId: "u1", properties: { plan: "pro", seats: 3 } });
    client.capture({ distinctId: "u1", event: "Order Completed", properties: order, timestamp: at, groups: { company: "acme" } });
    client.capture({ distinctId: "u1", event: "$pageview", timestamp: at, properties: { $current_url: "https://shop.example/checkout", $pathname: "/checkout" } });
    const group = { groupType: "company", groupKey: "acme", properties: { name: "Acme", employees: 3 } };
    client.groupIdentify({ ...group, distinctId: "u1" });
    client.groupIdentify(group);
    client.alias({ distinctId: "u1", alias: "an1" });
    await client.shutdown();
  },
};

const [sdk, url, key] = process.argv.slice(2);
await senders[sdk](url, key);
console.log(at.toISOString());
