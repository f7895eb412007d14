// A form whose changes are saved together: the bar with Save and Discard is there while something is unsaved, and leaving
// the page asks first. Without scripts the bar is always there.

/** Everything a form says, in the order in which it stands there; also what is disabled just now. */
function said(form) {
  const found = [];
  for (const control of form.elements) {
    if (!control.name || control.type === "hidden" || control.type === "submit") continue;
    if ((control.type === "checkbox" || control.type === "radio") && !control.checked) continue;
    found.push(`${control.name}=${control.value}`);
  }
  return found.join("\n");
}

let dirty = null;

for (const form of document.querySelectorAll("form[data-save]")) {
  const bar = form.querySelector("[data-savebar]");
  if (!bar) continue;
  const text = bar.querySelector(".savebar-text");
  const words = text.textContent;
  const before = "changed" in form.dataset ? null : said(form);
  const look = () => {
    const changed = said(form) !== before;
    if (bar.hidden === !changed && text.textContent) return;
    bar.hidden = !changed;
    text.textContent = changed ? words : "";
    dirty = changed ? form : null;
  };
  form.addEventListener("input", look);
  form.addEventListener("change", look);
  form.addEventListener("sealtone:moved", look);
  form.addEventListener("reset", () => setTimeout(look));
  form.addEventListener("submit", () => {
    dirty = null;
  });
  bar.querySelector("[data-discard]")?.addEventListener("click", () => {
    dirty = null;
  });
  bar.hidden = true;
  text.textContent = "";
  look();
}

window.addEventListener("beforeunload", (event) => {
  if (!dirty) return;
  event.preventDefault();
  event.returnValue = dirty.dataset.leave || "";
});
