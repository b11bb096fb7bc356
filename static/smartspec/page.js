// Tells while a part of the page cannot be brought up to date: htmx itself says nothing of it.
const trouble = document.getElementById("trouble");
for (const failed of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failed, () => { trouble.hidden = false; });
}
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) trouble.hidden = true;
});
