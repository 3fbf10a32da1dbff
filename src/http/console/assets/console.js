// Live refresh only: everything here may fail and the pages still work.
"use strict";

// What a person has unfolded stays unfolded when the page is refreshed under them.
let unfolded = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  const typing = document.activeElement?.matches("main[data-polls] :is(input, textarea)");
  const filled = [...document.querySelectorAll("form.start input")].some((input) => input.value !== input.defaultValue);
  if (typing || filled) event.detail.shouldSwap = false;
  unfolded = [...document.querySelectorAll("main details[id][open]")].map((details) => details.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
});

// One tap is one answer: a second tap while the first is on its way does nothing.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Remaining times count down from what the server said: its clock may be another one.
const inWords = (seconds) => {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (seconds <= 0) return "(the time is over)";
  if (hours > 23) return null;
  if (hours > 0) return `(in ${hours} h ${minutes} min)`;
  return minutes > 4 ? `(in ${minutes} min)` : `(in ${minutes ? `${minutes} min ` : ""}${seconds % 60} s)`;
};
const begun = new WeakMap();
setInterval(() => {
  for (const left of document.querySelectorAll("[data-seconds-left]")) {
    if (!begun.has(left)) begun.set(left, performance.now());
    const words = inWords(Math.round(left.dataset.secondsLeft - (performance.now() - begun.get(left)) / 1000));
    if (words && words !== left.textContent) left.textContent = words;
  }
}, 1000);
