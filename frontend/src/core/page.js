// What every page has: times in the browser's zone, copy buttons, dialogs, menus, tabs by keyboard, notices.

const STYLES = {
  time: { dateStyle: "medium", timeStyle: "short" },
  second: { dateStyle: "medium", timeStyle: "medium" },
  date: { dateStyle: "medium" },
};

export function each(root, selector, act) {
  if (root.matches && root.matches(selector)) act(root);
  root.querySelectorAll(selector).forEach(act);
}

function localTimes(root) {
  const language = document.documentElement.lang;
  each(root, "time[data-local]", (time) => {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const style = STYLES[time.dataset.local] || STYLES.time;
    time.textContent = new Intl.DateTimeFormat(language, style).format(at);
    time.title = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" }).format(at);
  });
}

/** Shows a message that assistive technology reads out. `kind`: "good", "bad" or "note". */
export function notice(text, kind = "note") {
  const place = document.getElementById("notices");
  if (!place) return;
  const line = document.createElement("p");
  line.className = `notice notice-${kind}`;
  line.textContent = text;
  place.replaceChildren(line);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const value = source ? (source.value ?? source.textContent).trim() : button.dataset.value;
  try {
    await navigator.clipboard.writeText(value);
  } catch {
    // Without permission the value is selected instead, for the keyboard's own copy.
    if (source) window.getSelection().selectAllChildren(source);
    return;
  }
  const word = button.querySelector("[data-word]");
  if (!word || button.dataset.busy) return;
  const before = word.textContent;
  button.dataset.busy = "1";
  word.textContent = button.dataset.done;
  setTimeout(() => {
    word.textContent = before;
    delete button.dataset.busy;
  }, 1600);
}

document.addEventListener("click", (event) => {
  const copying = event.target.closest("[data-copy], [data-value][data-done]");
  if (copying) copy(copying);
  const opening = event.target.closest("[data-opens]");
  if (opening) {
    const dialog = document.getElementById(opening.dataset.opens);
    if (dialog && dialog.showModal) {
      event.preventDefault();
      dialog.showModal();
    }
  }
  const closing = event.target.closest("[data-closes]");
  if (closing) {
    event.preventDefault();
    closing.closest("dialog")?.close();
  }
  const revealing = event.target.closest("[data-reveals]");
  if (revealing) {
    const field = document.getElementById(revealing.dataset.reveals);
    if (field) {
      const shown = field.type === "text";
      field.type = shown ? "password" : "text";
      revealing.setAttribute("aria-pressed", String(!shown));
    }
  }
});

// A menu that is a <details> closes when something else is pressed, and by Escape.
document.addEventListener("click", (event) => {
  document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post" || form.target) return;
  if (form.dataset.sent) event.preventDefault();
  else form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest?.("form[data-sent]");
  if (form) delete form.dataset.sent;
});

// A select or a box that acts at once carries data-submits; without scripts the button beside it does the same.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

document.addEventListener("htmx:responseError", (event) => {
  const xhr = event.detail.xhr;
  const said = xhr.getResponseHeader("X-Message");
  notice(said ? decodeURIComponent(said) : `${xhr.status} ${xhr.statusText}`, "bad");
});
document.addEventListener("htmx:sendError", () => {
  const text = document.body.dataset.offline;
  if (text) notice(text, "bad");
});
document.addEventListener("htmx:afterSwap", (event) => {
  dress(event.detail.target.isConnected ? event.detail.target : document.body);
});
document.addEventListener("htmx:oobAfterSwap", (event) => dress(event.detail.target));

// What has data-refresh (seconds) is asked for anew while somebody can see it.
const asked = new WeakMap();
setInterval(() => {
  if (document.visibilityState !== "visible") return;
  const now = performance.now();
  document.querySelectorAll("[data-refresh]").forEach((part) => {
    if (!asked.has(part)) asked.set(part, now);
    else if (now - asked.get(part) >= Number(part.dataset.refresh) * 1000) {
      asked.set(part, now);
      part.dispatchEvent(new CustomEvent("refresh"));
    }
  });
}, 1000);

function dress(root) {
  localTimes(root);
  document.dispatchEvent(new CustomEvent("sealtone:dress", { detail: root }));
}

dress(document.body);
const wrong = document.querySelector("[aria-invalid=true]");
if (wrong) wrong.focus();
