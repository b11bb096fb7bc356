// Tells while a part of the page cannot be brought up to date: htmx itself says nothing of it.
const trouble = document.getElementById("trouble");
for (const failed of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failed, () => { trouble.hidden = false; });
}
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) trouble.hidden = true;
});

// Shows a password while its owner wants to see it, and how long and how varied a new one is.
for (const box of document.querySelectorAll("[data-reveals]")) {
  const field = document.getElementById(box.dataset.reveals);
  const cover = () => { field.type = box.checked ? "text" : "password"; };
  box.closest("[hidden]").hidden = false;
  box.addEventListener("change", cover);
  field.form.addEventListener("submit", () => { box.checked = false; cover(); });
}
for (const meter of document.querySelectorAll("[data-measures]")) {
  const field = document.getElementById(meter.dataset.measures);
  const measure = () => { meter.value = Math.min(field.value.length, 2 * new Set(field.value).size); };
  meter.hidden = false;
  field.addEventListener("input", measure);
  measure();
}
