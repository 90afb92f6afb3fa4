// Shows a customer's messages on a page of yours, as they come. See docs/channels.md.
(() => {
  "use strict";
  const { src, dataset } = document.currentScript;
  const door = new URL(`in-app/${encodeURIComponent(dataset.token)}/`, src);
  const shown = new Set();
  const make = (name, text, style) => {
    const one = document.createElement(name);
    // Only ever as text: nothing that a message says becomes markup.
    if (text) one.textContent = text;
    Object.assign(one.style, style);
    return one;
  };
  const room = make("div", "", {
    position: "fixed", right: "16px", bottom: "16px", zIndex: "2147483000",
    display: "flex", flexDirection: "column", gap: "8px", maxWidth: "min(360px, calc(100vw - 32px))",
  });
  // It has to be there before its messages are, or nobody reads them out.
  room.setAttribute("role", "region");
  room.setAttribute("aria-live", "polite");
  room.setAttribute("aria-label", dataset.label || "Messages");
  room.className = "heedful-messages";
  document.body.append(room);

  const tell = (id, answer) =>
    fetch(new URL(`messages/${encodeURIComponent(id)}/${answer}`, door), { method: "POST", keepalive: true });
  const link = (text) => {
    try {
      const url = new URL(text);
      return ["https:", "http:"].includes(url.protocol) ? url.href : "";
    } catch {
      return "";
    }
  };
  const show = ({ id, content }) => {
    if (shown.has(id)) return;
    shown.add(id);
    const toast = make("div", "", {
      position: "relative", padding: "12px 40px 12px 16px", borderRadius: "8px", color: "#1b1b1f",
      background: "#fff", border: "1px solid #8a8a93", boxShadow: "0 4px 16px rgba(0,0,0,.2)",
      font: "16px/1.4 system-ui, sans-serif", overflowWrap: "anywhere",
    });
    toast.className = "heedful-message";
    if (content.title) toast.append(make("strong", content.title, { display: "block" }));
    if (content.body) toast.append(make("div", content.body, { whiteSpace: "pre-line" }));
    const done = (answer) => () => {
      toast.remove();
      tell(id, answer);
    };
    const href = link(content.url);
    if (href) {
      const more = make("a", content.action || href, { display: "inline-block", marginTop: "8px" });
      more.href = href;
      more.addEventListener("click", done("clicked"));
      toast.append(more);
    }
    const close = make("button", "\u00d7", {
      position: "absolute", top: "4px", right: "4px", width: "32px", height: "32px", border: "0",
      background: "none", color: "inherit", font: "inherit", cursor: "pointer",
    });
    close.type = "button";
    close.setAttribute("aria-label", dataset.close || "Close");
    close.addEventListener("click", done("dismissed"));
    toast.append(close);
    room.append(toast);
  };
  const catchUp = async () => {
    const answer = await fetch(new URL("messages", door));
    if (answer.ok) (await answer.json()).reverse().forEach(show);
  };
  const stream = new EventSource(new URL("live", door));
  // What came while nobody listened is in the inbox.
  stream.addEventListener("open", catchUp);
  stream.addEventListener("missed", catchUp);
  stream.addEventListener("message", (event) => show(JSON.parse(event.data)));
})();
