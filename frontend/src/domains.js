// Scripts of the area domains.

// Of the fields of a new domain only those that belong to the chosen kind are shown.
function showFields(form) {
  const chosen = form.querySelector("input[name=kind]:checked");
  for (const part of form.querySelectorAll("[data-for-kind]")) {
    part.hidden = !chosen || !part.dataset.forKind.split(" ").includes(chosen.value);
  }
}

for (const form of document.querySelectorAll(".domain-new")) {
  form.addEventListener("change", () => showFields(form));
  showFields(form);
}

// While a certificate is being ordered its page looks again now and then.
for (const waiting of document.querySelectorAll("[data-again-s]")) {
  setTimeout(() => location.reload(), 1000 * Number(waiting.dataset.againS));
}

// The server's clock beside this device's; the time that the page took to come is allowed for.
for (const clock of document.querySelectorAll("[data-server-clock]")) {
  const apart = Math.round(performance.timeOrigin / 1000 - Number(clock.dataset.serverClock));
  clock.textContent = Math.abs(apart) < 10 ? clock.dataset.fits : `${clock.dataset.differs} ${Math.abs(apart)}`;
}
