// Scripts of the area users.
import "./savebar.js";

// Tabs of one form: without scripts its parts stand below each other.
for (const tabs of document.querySelectorAll("[data-tabs]")) {
  const links = [...tabs.querySelectorAll("a[href^='#']")];
  const panels = links.map((link) => document.getElementById(link.hash.slice(1)));
  const show = (place) => {
    links.forEach((link, number) => {
      if (number === place) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      panels[number].hidden = number !== place;
    });
  };
  links.forEach((link, place) => {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      history.replaceState(null, "", link.hash);
      show(place);
    });
  });
  const wrong = panels.findIndex((panel) => panel.querySelector("[aria-invalid=true], .field-error"));
  const asked = () => Math.max(links.findIndex((link) => link.hash === location.hash), 0);
  show(wrong >= 0 ? wrong : asked());
  window.addEventListener("hashchange", () => show(asked()));
}

// Codecs in their order: by dragging, or by the buttons beside each.
for (const field of document.querySelectorAll("[data-codecs]")) {
  const list = field.querySelector("[data-list]");
  const own = field.querySelector("input[name=codecs_of][value=own]");
  const all = field.querySelector("input[name=codecs_of][value=all]");
  const moved = () => {
    if (own && !own.checked) own.checked = true;
    list.dispatchEvent(new CustomEvent("sealtone:moved", { bubbles: true }));
    follow();
  };
  const follow = () => list.classList.toggle("codecs-unused", Boolean(all && all.checked));
  field.addEventListener("change", (event) => {
    if (event.target.name === "codec" && own) own.checked = true;
    follow();
  });
  field.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    event.preventDefault();
    const row = button.closest("li");
    const other = button.dataset.move === "up" ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    if (button.dataset.move === "up") other.before(row);
    else other.after(row);
    moved();
    button.focus();
  });
  let dragged = null;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    if (!dragged) return;
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.name);
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    if (event.clientY < box.top + box.height / 2) over.before(dragged);
    else over.after(dragged);
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.classList.remove("dragged");
    dragged = null;
    moved();
  });
  follow();
}

// What does not go together cannot be chosen together, and says why; and who could listen follows the choice.
const gear = document.getElementById("gear");
if (gear) {
  const chosen = (name) => gear.querySelector(`input[name=${name}]:checked`)?.value ?? "";
  const paths = gear.querySelector("[data-path-of-zrtp]");
  const recording = gear.querySelector("[data-recording]");
  const locked = !gear.querySelector("[data-savebar]");
  const follow = () => {
    const protection = chosen("protection");
    const path = protection === "zrtp" ? chosen("path") : "server";
    for (const block of gear.querySelectorAll("[data-prospect]")) {
      block.hidden = block.dataset.prospect !== protection || block.dataset.path !== path;
    }
    gear.querySelectorAll("input[name=strictness]").forEach((control) => {
      control.disabled = locked || protection === "none";
    });
    const note = gear.querySelector("[data-none-note]");
    if (note) note.hidden = protection !== "none";
    paths.querySelectorAll("input[name=path]").forEach((control) => {
      control.disabled = locked || protection !== "zrtp";
      const card = control.nextElementSibling;
      let reason = card.querySelector("[data-reason]");
      if (!reason) {
        reason = document.createElement("span");
        reason.className = "choice-reason";
        reason.dataset.reason = "";
        reason.textContent = paths.dataset.reasonText;
        card.append(reason);
      }
      reason.hidden = protection === "zrtp";
    });
    const insists = protection === "zrtp" && chosen("strictness") === "require" && path !== "server";
    const always = recording.querySelector("input[value=always]");
    const reason = always.closest("label").querySelector("[data-reason]");
    if (!always.dataset.none) always.dataset.none = always.disabled ? "yes" : "no";
    if (always.dataset.none === "no") {
      always.disabled = insists && !always.checked;
      reason.hidden = !insists;
      reason.textContent = insists ? recording.dataset.insists : "";
    }
  };
  gear.addEventListener("change", follow);
  follow();
}

// Several users of a list.
for (const bar of document.querySelectorAll("[data-several]")) {
  const form = bar.closest("form");
  const all = bar.querySelector("[data-all]");
  const count = bar.querySelector("[data-count]");
  const boxes = () => [...form.querySelectorAll("input[name=aor]")];
  const follow = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    count.textContent = ticked ? String(ticked) : "";
    all.checked = ticked > 0 && ticked === boxes().length;
    all.indeterminate = ticked > 0 && !all.checked;
    bar.querySelectorAll("button").forEach((button) => {
      button.disabled = ticked === 0;
    });
  };
  all.addEventListener("change", () => {
    boxes().forEach((box) => {
      box.checked = all.checked;
    });
    follow();
  });
  form.addEventListener("change", follow);
  window.addEventListener("pageshow", follow);
  follow();
}
