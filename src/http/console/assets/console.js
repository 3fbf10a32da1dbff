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
