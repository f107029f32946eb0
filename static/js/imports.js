/** Files for import: dropped anywhere on the page, sent at once. */

const form = document.getElementById("import-drop");
const input = document.getElementById("import-files");

input.addEventListener("change", () => input.files.length && form.submit());
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    form.classList.add("is-over");
  });
}
document.addEventListener("dragleave", (event) => !event.relatedTarget && form.classList.remove("is-over"));
document.addEventListener("drop", (event) => {
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  form.classList.remove("is-over");
  input.files = event.dataTransfer.files;
  form.submit();
});
