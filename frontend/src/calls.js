// What updates by itself: parts of a page that carry data-live are asked for anew when something happens that concerns
// them, as the server's event stream tells. And clocks of calls that go on.
import htmx from "./core/htmx.js";

const RETRY_MS = 5000;
const HELD_MS = 1000;
const LOADING_MS = 100;
let stream = null;

function live() {
  return [...document.querySelectorAll("[data-live]")];
}

function concerns(part, event) {
  const kinds = part.dataset.live.split(" ");
  if (event.kind !== "lost" && part.dataset.liveCall && event.call !== part.dataset.liveCall) return false;
  return kinds.some((kind) => event.kind.startsWith(kind));
}

const waiting = new Set();
const loading = new Set();

/** Asks for a part once, however much happens meanwhile. */
function refresh(part, delay) {
  const id = part.id;
  if (!id || waiting.has(id)) return;
  waiting.add(id);
  setTimeout(() => load(id, part.dataset.liveUrl), delay);
}

/** What is on its way may be older than what has happened since, and what somebody is just typing or holding open stays:
 * either way the part is asked for later. */
async function load(id, url) {
  const now = document.getElementById(id);
  const isHeld = now && (now.contains(document.querySelector("dialog[open]")) || now.querySelector("form[data-sent]"));
  if (loading.has(id) || isHeld) {
    setTimeout(() => load(id, url), isHeld ? HELD_MS : LOADING_MS);
    return;
  }
  waiting.delete(id);
  if (!now) return;
  const focused = now.contains(document.activeElement) ? document.activeElement.id : "";
  const select = now.dataset.liveSelect;
  loading.add(id);
  try {
    await htmx.ajax("GET", url, { source: now, target: now, swap: "outerHTML", ...(select ? { select } : {}) });
  } finally {
    loading.delete(id);
  }
  say(id);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** What changed by itself is read out as one short sentence, if that is another than before. */
function say(id) {
  const place = document.getElementById(`${id}-said`);
  const said = document.getElementById(id)?.dataset.said;
  if (place && said && place.textContent !== said) place.textContent = said;
}

function told(event) {
  for (const part of live()) {
    if (concerns(part, event)) refresh(part, Number(part.dataset.liveDelay || 150));
  }
}

const KINDS = [
  "call.started", "call.ringing", "call.answered", "call.changed", "call.ended", "record.written",
  "recording.started", "recording.ended", "sas.verified", "sas.differs",
  "registration.added", "registration.removed", "registration.failed", "change.settled", "lost",
];

function open() {
  if (stream || document.hidden || !live().length || !window.EventSource) return;
  stream = new EventSource("/events");
  for (const kind of KINDS) {
    stream.addEventListener(kind, (message) => {
      const event = JSON.parse(message.data);
      told(event);
      document.dispatchEvent(new CustomEvent("sealtone:event", { detail: event }));
    });
  }
  stream.onerror = () => {
    if (stream && stream.readyState === EventSource.CLOSED) {
      stream = null;
      setTimeout(open, RETRY_MS);
    }
  };
}

function close() {
  if (stream) stream.close();
  stream = null;
}

// A page that nobody looks at holds no connection; when it is looked at again, it looks first.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else open();
});
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", open);

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

let ahead = null; // the server's clock may be another than this machine's: the first figure it wrote settles that
setInterval(() => {
  for (const place of document.querySelectorAll("[data-since]")) {
    if (!place.dataset.ahead) {
      const written = place.textContent.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
      ahead = Number(place.dataset.since) + written - Date.now() / 1000;
      place.dataset.ahead = String(ahead);
    }
    place.textContent = clock(Date.now() / 1000 + Number(place.dataset.ahead) - Number(place.dataset.since));
  }
}, 1000);

let ticks = 0;
setInterval(() => {
  ticks += 1;
  if (document.hidden) return;
  for (const part of live()) {
    const every = Number(part.dataset.liveEvery || 0);
    if (every && ticks % every === 0) refresh(part, 0);
  }
}, 1000);

open();
