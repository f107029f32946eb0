/** The list of versions: the naming dialog, and only pairs that can be compared. */

const dialog = document.getElementById("name");
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-name-action]");
  if (!button) return;
  dialog.querySelector("form").action = button.dataset.nameAction;
  dialog.querySelector("input[name=label]").value = button.dataset.name;
  dialog.showModal();
});

const form = document.getElementById("compare");
const chosen = (name) => Number(form.elements[name].value);
function draw() {
  for (const input of form.querySelectorAll('input[name="from"]')) input.disabled = Number(input.value) >= chosen("to");
  for (const input of form.querySelectorAll('input[name="to"]')) input.disabled = Number(input.value) <= chosen("from");
  form.querySelector("button.btn-primary").disabled = !(chosen("from") < chosen("to"));
}
form.addEventListener("change", draw);
draw();
